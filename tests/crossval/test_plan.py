"""Every fold and seed is one run, whose name is its folder."""

from atft.crossval.plan import FoldRun, planned_runs


def test_runs_are_ordered_seed_by_seed_each_fold_in_time() -> None:
    names = [run.name for run in planned_runs(2, [3, 4])]
    assert names == ["fold_0_seed_3", "fold_1_seed_3", "fold_0_seed_4", "fold_1_seed_4"]


def test_the_plain_split_has_one_run_a_seed() -> None:
    assert [run.name for run in planned_runs(None, [1, 2])] == ["seed_1", "seed_2"]


def test_the_run_before_is_of_the_same_seed() -> None:
    assert FoldRun(2, 5).before == FoldRun(1, 5)
    assert FoldRun(0, 5).before is None and FoldRun(None, 5).before is None
