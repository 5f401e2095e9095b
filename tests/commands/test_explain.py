"""python -m atft explain: a table, a JSON file and a picture; and one line for what cannot be explained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.commands.explain import check_json, find_checkpoint_of
from atft.errors import InputError
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.options import EvaluateOptions

STOCK = ["--code", "S003", "--date", "2015-04-17"]


@pytest.fixture
def words(tiny_run: Any, tmp_path: Path) -> list[Any]:
    """The start of a command on a copy of the tiny run's checkpoint."""
    checkpoint = shutil.copy(tiny_run.directory / "best_model.ckpt", tmp_path / "best_model.ckpt")
    return ["--run", checkpoint, "--data.cache.dir", tiny_run.folder / "cache"]


def test_a_stock_is_explained_beside_its_checkpoint(
    words: list[Any], atft: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = atft("explain", *words, *STOCK, "--horizon", 5, "--top", 3)
    assert outcome.code == 0, outcome
    assert "S003 on 2015-04-17, 5 days ahead: rank" in outcome.out and "3 others" in outcome.out
    found = json.loads((tmp_path / "explain" / "S003_2015-04-17_5d.json").read_text())
    total = sum(part["attribution"] for part in found["features"]) + found["gap"]
    assert total == pytest.approx(found["difference"], abs=1e-5) and found["date"] == "2015-04-17"
    assert (tmp_path / "explain" / "S003_2015-04-17_5d.svg").read_text().startswith("<svg")


def test_a_period_is_explained_for_the_runs_report(
    words: list[Any], atft: Callable[..., Any], tmp_path: Path, tiny_run: Any
) -> None:
    period = ["--from", "2015-04-06", "--to", "2015-04-24", "--days", 2, "--horizon", 1]
    outcome = atft("explain", *words, *period)
    assert outcome.code == 0, outcome
    assert "2 days, 2015-04-06 to 2015-04-24" in outcome.out
    shutil.copy(tiny_run.directory / "predictions.parquet", tmp_path)
    options = EvaluateOptions(draws=2, min_stocks=10, horizon=1)
    importance = evaluate_files([tmp_path / "predictions.parquet"], options).files[0].importance
    assert importance is not None and importance.horizons[1][0].name == "x_0"
    shutil.copy(tmp_path / "predictions.parquet", tmp_path / "other.parquet")
    assert evaluate_files([tmp_path / "other.parquet"], options).files[0].importance is None


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (STOCK[:2], "explain needs --run RUN, and --code CODE --date DATE or --from DATE --to DATE"),
        ([*STOCK, "--from", "2015-04-06"], "explain needs --run RUN, and --code CODE --date DATE or"),
        ([*STOCK, "--days", 4], "--days counts the days of a period, --code and --date name one day"),
        ([*STOCK, "--top", "none"], "--top takes a whole number from 1 to 1000, got 'none'"),
        ([*STOCK, "--out", "here.txt"], "--out here.txt: the suffix must be .json"),
        ([*STOCK, "--cod", "x"], "'cod'"),
        ([*STOCK, "--ckpt_path=other.ckpt"], "--ckpt_path: --run names what is explained"),
        (
            ["--from", "2015-04-06", "--to", "2015-04-24", "--data.panel.path=newer.parquet"],
            "--data.panel.path: importance.json beside the checkpoint is of the run's own data; name another file",
        ),
        (
            ["--from", "2015-04-24", "--to", "2015-04-06"],
            "the period of --from and --to starts 2015-04-24 after it ends 2015-04-06",
        ),
    ],
)
def test_wrong_words_are_one_line(
    rest: list[str], message: str, words: list[Any], atft: Callable[..., Any]
) -> None:
    assert message in atft("explain", *words, *rest).error_line


def test_help_needs_nothing(atft: Callable[..., Any]) -> None:
    assert atft("explain").out.startswith("usage: python -m atft explain --run RUN --code CODE")


def test_a_run_is_its_directory_or_its_checkpoint_and_no_baseline(tiny_run: Any, tmp_path: Path) -> None:
    checkpoint = tiny_run.directory / "best_model.ckpt"
    assert find_checkpoint_of(tiny_run.directory) == find_checkpoint_of(checkpoint) == checkpoint
    with pytest.raises(
        InputError, match=r"no receipt\.json there; name one of its runs: version_0|version_0"
    ):
        find_checkpoint_of(tiny_run.directory.parent)
    shutil.copy(tiny_run.directory / "receipt.json", tmp_path)
    with pytest.raises(InputError, match="the run has kept no checkpoint; name another one"):
        find_checkpoint_of(tmp_path)
    shutil.copy(checkpoint, tmp_path)
    running = (tmp_path / "receipt.json").read_text().replace('"completed"', '"running"')
    (tmp_path / "receipt.json").write_text(running)
    with pytest.raises(InputError, match=r"still training, or killed; finish it.*--run .*best_model\.ckpt"):
        find_checkpoint_of(tmp_path)
    (tmp_path / "baseline.json").write_text("{}")
    with pytest.raises(InputError, match="a baseline has no network to explain; name a run of fit"):
        find_checkpoint_of(tmp_path)


def test_a_file_that_is_no_explanation_is_not_replaced(tiny_run: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it or receipt\.svg exists and is not an explanation"):
        check_json(tiny_run.directory / "receipt.json")
    earlier = tmp_path / "one.json"
    earlier.write_text('{"explains": "stock"}')
    assert check_json(earlier) == earlier
    (tmp_path / "mine.svg").write_text("<svg/>")
    with pytest.raises(
        InputError, match=r"it or mine\.svg exists and is not an explanation; name another file"
    ):
        check_json(tmp_path / "mine.json")
