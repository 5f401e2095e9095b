"""What scores is read from a run, the runs of several seeds, or a checkpoint; what is missing is a line."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from atft.crossval.cross_validate import cross_validate
from atft.crossval.directory import RECORD
from atft.crossval.options import split_arguments
from atft.daily.options import ListOptions
from atft.daily.scorer import DayScores
from atft.daily.scoring_run import OF_SEEDS, load_run
from atft.errors import InputError
from atft.evaluation.rank_blend import mean_rank
from atft.files.checkpoint_file import BEST

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


class Seeds(NamedTuple):
    """A directory of fit --seeds, and the runs of its seeds."""

    directory: Path
    runs: list[Path]


@pytest.fixture
def seeds(tiny_run: Any, treed_run: Path, stub: Any, tmp_path: Path) -> Seeds:
    """Seeds 3 and 4: two runs that have been trained take the place of those that fit --seeds would start."""
    runs = [tiny_run.directory, treed_run]
    for seed, run in zip((3, 4), runs, strict=True):
        shutil.copy(run / "predictions.parquet", stub.folder / f"seed_{seed}.parquet")
    words = ["--config", str(tiny_run.config), "--trainer.default_root_dir", str(tmp_path / "logs")]
    options, words = split_arguments([*words, "--baselines", "[lightgbm]", "--seeds", "2"])
    directory = cross_validate(True, options, words, stub.program)
    for seed, run in zip((3, 4), runs, strict=True):
        shutil.copy(run / BEST, directory / f"seed_{seed}" / "version_0" / BEST)
    return Seeds(directory, runs)


def scores_of(directory: Path, scorer: Any, daily: Any, day: int) -> DayScores:
    run = load_run(ListOptions(run=str(directory), scorer=scorer))
    assert run.directory == directory
    return run.scorer.score(daily.cache, day, daily.source.lookback)


def test_seeds_score_as_the_file_and_the_table_of_all_seeds(seeds: Seeds, daily: Any) -> None:
    frame = pl.read_parquet(seeds.directory / "predictions.parquet")
    printed = (seeds.directory / "comparison.txt").read_text()
    assert "blend" in printed and OF_SEEDS == RECORD
    run = load_run(ListOptions(run=str(seeds.directory), scorer="blend"))
    assert run.scorer.name == "blend of network (2 seeds) and lightgbm"
    assert [path.name for path in run.scorer.files] == [BEST, BEST, "trees.json"]
    dates = daily.cache.manifest.dates
    for day in (len(dates) - 1, len(dates) - 9):
        scores = {s: scores_of(seeds.directory, s, daily, day) for s in ("network", "lightgbm", "blend")}
        rows = frame.filter(pl.col("date") == dates[day])
        for place, horizon in enumerate((1, 5)):
            own = rows.filter(horizon=horizon)
            assert own["code"].to_list() == scores["network"].codes
            assert own["score"].to_numpy().tobytes() == scores["network"].score[:, place].tobytes()
            # The seeds together count as much as the trees.
            parts = [scores[name].score[:, place][None] for name in ("network", "lightgbm")]
            expected = mean_rank(parts, np.ones(parts[0].shape, dtype=bool))[0].astype(np.float32)
            assert scores["blend"].score[:, place].tobytes() == expected.tobytes()


def test_a_crossval_of_one_fold_scores_as_its_seeds_and_several_folds_are_one_line(seeds: Seeds) -> None:
    record = seeds.directory / RECORD
    for seed in (3, 4):
        (seeds.directory / f"seed_{seed}").rename(seeds.directory / f"fold_0_seed_{seed}")
    text = record.read_text()
    record.write_text(text.replace('"folds": null', '"folds": 1'))
    assert len(load_run(ListOptions(run=str(seeds.directory))).scorer.files) == 2
    record.write_text(text.replace('"folds": null', '"folds": 3'))
    with pytest.raises(InputError, match="its 3 folds were trained on different days; name the run of one"):
        load_run(ListOptions(run=str(seeds.directory)))


def test_a_seed_that_has_not_finished_is_one_line(seeds: Seeds) -> None:
    shutil.rmtree(seeds.directory / "seed_4")
    with pytest.raises(InputError, match="1 of 2 seeds have not finished; python -m atft crossval --resume"):
        load_run(ListOptions(run=str(seeds.directory)))


def test_a_run_that_has_not_ended_scores_by_its_checkpoint_alone(tiny_run: Any, tmp_path: Path) -> None:
    checkpoint = shutil.copy(tiny_run.directory / BEST, tmp_path / BEST)
    receipt = (tiny_run.directory / "receipt.json").read_text()
    (tmp_path / "receipt.json").write_text(receipt.replace('"completed"', '"running"'))
    with pytest.raises(InputError, match="still training, or killed") as caught:
        load_run(ListOptions(run=str(tmp_path)))
    assert str(caught.value).endswith(f"with --ckpt_path {checkpoint}")
    assert load_run(ListOptions(ckpt_path=str(checkpoint))).directory == tmp_path
    (tmp_path / "receipt.json").write_text(receipt)
    assert load_run(ListOptions(run=str(tmp_path))).directory == tmp_path


def test_a_registry_whose_checkpoint_is_gone_says_how_to_train_it_again(
    tiny_run: Any, tmp_path: Path
) -> None:
    date_folder = tmp_path / "2015-04-10"
    shutil.copytree(tiny_run.directory, date_folder / "version_0")
    (tmp_path / "registry.json").write_text("{}")
    (date_folder / "version_0" / BEST).unlink()
    with pytest.raises(
        InputError, match=f"delete what is in {date_folder}, then retrain trains that date again"
    ):
        load_run(ListOptions(registry=str(tmp_path)))


def test_a_run_without_trees_or_with_those_of_other_horizons_is_one_line(
    tiny_run: Any, treed_run: Path, tmp_path: Path
) -> None:
    for scorer in ("lightgbm", "blend"):
        with pytest.raises(InputError, match="the run has no trees; fit again with lightgbm among"):
            load_run(ListOptions(run=str(tiny_run.directory), scorer=scorer))  # type: ignore[arg-type]
    run = Path(shutil.copytree(treed_run, tmp_path / "run"))
    text = run / "lightgbm" / "1d_seed_4.txt"
    text.write_bytes(text.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"1d_seed_4.txt: damaged trees \(their digest differs"):
        load_run(ListOptions(run=str(run), scorer="blend"))
    load_run(ListOptions(run=str(run)))  # which the network does not read
    (run / "config.yaml").unlink()
    shutil.rmtree(run / "lightgbm")
    shutil.copytree(treed_run / "lightgbm", run / "lightgbm")
    with pytest.raises(InputError, match="no config"):
        load_run(ListOptions(run=str(run), scorer="lightgbm"))
