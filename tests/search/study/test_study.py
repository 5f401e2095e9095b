"""The study in its storage: made once, opened again, refused when it asks another question."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.frozen import Identity
from atft.search.question.options import SweepOptions, sweep_of
from atft.search.study.study import begin_study, open_study

optuna.logging.set_verbosity(optuna.logging.WARNING)
MakeSweep = Callable[..., SweepOptions]
SAME = Identity({"metric": "val/rank_ic", "space: lr": [1, 2]}, "d" * 16)


def test_a_study_is_in_its_own_folder_with_its_identity(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(study="a.b-c_1")
    study = begin_study(sweep, SAME)
    assert sweep.directory == tmp_path / "logs" / "a.b-c_1"
    assert (sweep.directory / "study.db").is_file()
    assert study.user_attrs["config_digest"] == SAME.config_digest
    assert study.user_attrs["data_digest"] == "d" * 16 and len(study.user_attrs["study_id"]) == 16
    assert sweep_of(study.user_attrs["sweep"]) == sweep
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE


def test_a_study_is_opened_again_with_its_trials_and_its_id(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    study = begin_study(sweep, SAME)
    study.optimize(lambda trial: 1.0, n_trials=1)
    again, only_read = begin_study(sweep, SAME), open_study(sweep)
    assert [len(s.trials) for s in (again, only_read)] == [1, 1]
    assert again.user_attrs["study_id"] == only_read.user_attrs["study_id"] == study.user_attrs["study_id"]


def test_two_studies_of_one_name_in_two_roots_have_two_ids(make_sweep: MakeSweep, tmp_path: Path) -> None:
    one = begin_study(make_sweep(), SAME)
    other = begin_study(make_sweep(root=str(tmp_path / "other")), SAME)
    assert one.user_attrs["study_id"] != other.user_attrs["study_id"]


def test_what_only_moves_the_search_may_change_and_is_kept(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    begin_study(sweep, SAME)
    more = replace(sweep, n_trials=9, workers=2, sampler=replace(sweep.sampler, name="random"))
    study = begin_study(more, SAME)
    assert sweep_of(study.user_attrs["sweep"]).n_trials == study.user_attrs["n_trials"] == 9


def test_another_question_is_an_error_with_the_difference(
    make_sweep: MakeSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = make_sweep()
    before = begin_study(sweep, SAME).user_attrs
    other = Identity({"metric": "val/ic", "space: lr": [1, 2], "folds": 3}, "e" * 16)
    with pytest.raises(InputError, match="3 things that its values depend on changed") as refused:
        begin_study(sweep, other)
    assert "\n" not in str(refused.value)
    assert capsys.readouterr().err.splitlines() == [
        "metric: 'val/rank_ic' -> 'val/ic'",
        "folds: absent -> 3",
        f"data (the bytes of the panel's files, or its simulate): {'d' * 16} -> {'e' * 16}",
    ]
    assert open_study(sweep).user_attrs == before
    with pytest.raises(
        InputError, match=r"study \S+: 1 thing that its values depend on changed \(folds: absent -> 3\)"
    ):
        begin_study(sweep, replace(SAME, facts={**SAME.facts, "folds": 3}))


def test_points_are_enqueued_once_and_new_ones_on_a_resume(make_sweep: MakeSweep) -> None:
    lr = "model.optimizer.init_args.lr"
    sweep = make_sweep(enqueue=[{lr: 0.01}])
    begin_study(sweep, SAME)
    study = begin_study(make_sweep(enqueue=[{lr: 0.01}, {lr: 0.02}]), SAME)
    assert [t.system_attrs["fixed_params"] for t in study.trials] == [{lr: 0.01}, {lr: 0.02}]


def test_looking_at_a_study_that_is_not_there_makes_nothing(make_sweep: MakeSweep, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study at .*study.db; start it first"):
        open_study(make_sweep())
    assert not (tmp_path / "logs").exists()


def test_another_study_in_the_database_is_not_ours(make_sweep: MakeSweep, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'shared.db'}"
    begin_study(make_sweep(storage=place), SAME)
    with pytest.raises(InputError, match="no study 'other' in sqlite"):
        open_study(make_sweep(study="other", storage=place))
    optuna.create_study(study_name="foreign", storage=place).enqueue_trial({})
    with pytest.raises(InputError, match="study foreign: its database holds trials that no sweep made"):
        begin_study(make_sweep(study="foreign", storage=place), SAME)


def test_a_file_that_is_no_database_is_an_error_of_one_line(make_sweep: MakeSweep, tmp_path: Path) -> None:
    (tmp_path / "logs" / "small").mkdir(parents=True)
    (tmp_path / "logs" / "small" / "study.db").write_bytes(b"x" * 5000)
    with pytest.raises(InputError, match="file is not a database") as refused:
        begin_study(make_sweep(), SAME)
    assert "\n" not in str(refused.value)


def test_processes_that_start_at_once_share_one_study(make_sweep: MakeSweep, tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "sweep.json").write_text(make_sweep().as_json())
    code = (
        "import sys; from pathlib import Path; from atft.search.question.frozen import Identity;"
        "from atft.search.question.options import sweep_of; from atft.search.study.study import begin_study;"
        "begin_study(sweep_of(Path(sys.argv[1]).read_text()), Identity({'a': 1}, 'd'))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "sweep.json")]
    started = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 2, said
    study = open_study(make_sweep())
    assert len(study.user_attrs["study_id"]) == 16
