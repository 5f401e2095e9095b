"""Terms and metrics of a package of the user's own train, select and are reported as ours."""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.tasks.ranking import RankingTask
from own_package import importable_package

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
PACKAGE = "trainedpkg"
TOP_HIT = f"{PACKAGE}.metrics.top_hit"
TAIL, DRAWN = f"{PACKAGE}.loss.tail", f"{PACKAGE}.loss.drawn"
PHASES = [
    {"name": "first", "epochs": 1},
    {
        "name": "second",
        "epochs": 1,
        "terms": {TAIL: 0.5, DRAWN: 0.1},
        "criterion": "val/top_hit > -1",
    },
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with importable_package(tmp_path_factory.mktemp("package"), PACKAGE) as folder:
        yield folder


@pytest.fixture(scope="module")
def run(
    tiny_run: Any, package: Path, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of two phases: the second weighs a term that the objective does not name; a metric selects."""
    folder = tmp_path_factory.mktemp("own")
    config = yaml.safe_load(tiny_run.config.read_text())
    del config["trainer"]["max_epochs"]
    config["trainer"] |= {"default_root_dir": str(folder), "log_every_n_steps": 1}
    config["model"]["objective"]["terms"] = {"ic": 0.3, TAIL: {"weight": 0.2, "level": 0.1}}
    config["model"]["metrics"] = [TOP_HIT]
    config["checkpoint"], config["early_stopping"] = {"monitor": "val/top_hit"}, {"monitor": "val/top_hit_5d"}
    config["curriculum"] = {"phases": PHASES}
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    printed = atft("fit", "--config", folder / "own.yaml")
    assert printed.code == 0, printed
    return folder / "tiny" / "version_0"


def test_the_value_of_a_term_is_in_every_epochs_metrics(run: Path) -> None:
    epochs = json.loads((run / "metrics.json").read_text())["epochs"]
    assert len(epochs) == 2
    assert all(epoch[f"train/term/{name}"] != 0 for epoch in epochs for name in ("ic", TAIL, DRAWN))


def test_its_share_of_the_gradient_is_in_tensorboard_and_in_the_csv_file(run: Path) -> None:
    events = EventAccumulator(str(run)).Reload()
    with (run / "metrics.csv").open() as file:
        columns = csv.DictReader(file).fieldnames or ()
    for tag in (f"train/gradient_share/{TAIL}", f"train/step/term/{TAIL}", f"train/term/{TAIL}"):
        assert tag in events.Tags()["scalars"] and tag in columns
    (measured,) = events.Scalars(f"train/gradient_share/{TAIL}")
    assert 0 < measured.value < 1


def test_the_runs_configuration_is_one_that_trains_it_again(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["objective"]["terms"] == {
        "ic": 0.3,
        TAIL: {"weight": 0.2, "level": 0.1},
        DRAWN: 0.0,
    }
    assert config["model"]["metrics"] == [TOP_HIT]


def test_a_metric_is_logged_by_split_and_horizon_and_selects_the_checkpoint(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    for epoch in metrics["epochs"]:
        assert all(0 <= epoch[f"{s}/top_hit{h}"] <= 1 for s in ("train", "val") for h in ("", "_1d", "_5d"))
    best = max(metrics["epochs"], key=lambda epoch: epoch["val/top_hit"])
    assert metrics["selected_step"] == best["step"]
    events = EventAccumulator(str(run)).Reload()
    assert [e.value for e in events.Scalars("val/top_hit")] == pytest.approx(
        [epoch["val/top_hit"] for epoch in metrics["epochs"]]
    )
    (written,) = events.Tensors("custom_scalars__config__")
    assert b"val/top_hit$" in written.tensor_proto.string_val[0]


def test_its_final_figures_are_those_of_the_predictions_beside_the_baselines(run: Path) -> None:
    final = json.loads((run / "metrics.json").read_text())["final"]
    frame = pl.read_parquet(run / "predictions.parquet").filter(
        (pl.col("split") == "test") & (pl.col("horizon") == 5) & pl.col("target").is_not_null()
    )
    best = frame.sort("score", descending=True).group_by("date").head(5)
    hits = best.group_by("date").agg((pl.col("target") > 0).mean())["target"]
    assert final["test/top_hit_5d"] == pytest.approx(hits.mean(), abs=1e-6)
    assert final["test/top_hit_5d_error"] > 0
    assert final["val/top_hit"] == pytest.approx((final["val/top_hit_1d"] + final["val/top_hit_5d"]) / 2)
    lines = (run / "comparison.txt").read_text().splitlines()
    assert any(line.endswith("top_hit") for line in lines)
    assert f"{final['test/top_hit_5d']:+.4f} ± " in next(x for x in lines if re.match("network +5d", x))


def test_an_evaluation_measures_it_where_the_user_names_it(
    run: Path, tiny_run: Any, atft: Callable[..., Any]
) -> None:
    words = ("test", "--ckpt_path", run / "best_model.ckpt", "--data.cache.dir", tiny_run.folder / "cache")
    assert "top_hit" not in atft(*words).out
    assert "test/top_hit_5d" in atft(*words, "--model.metrics", f"[{TOP_HIT}]").out
    assert "test/top_hit_5d" in atft(*words, "--model.metrics", TOP_HIT).out


def test_a_checkpoint_is_evaluated_without_the_package(
    run: Path, tiny_run: Any, atft: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = [m for m in sys.modules if m.partition(".")[0] == PACKAGE]
    for module in package:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not (Path(p) / PACKAGE).is_dir()])
    checkpoint = ("--ckpt_path", run / "best_model.ckpt")
    outcome = atft("validate", *checkpoint, "--data.cache.dir", tiny_run.folder / "cache")
    assert outcome.code == 0 and "val/rank_ic" in outcome.out
    task = RankingTask.load_from_checkpoint(run / "best_model.ckpt")
    assert task.objective.options.terms == {"ic": 0.3}
    assert PACKAGE not in sys.modules


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("metrics", f"{PACKAGE}.metrics.loss"), "has a name that a run logs already, 'loss'; rename it"),
        (
            ("metrics", f"[{{{TOP_HIT}: {{share: 0.2}}}}]"),
            "model.metrics[0] takes a dotted name; a metric's options are its function's defaults",
        ),
        (
            ("metrics", f"{{{TOP_HIT}: {{share: 0.2}}}}"),
            "model.metrics takes a dotted name; a metric's options are its function's defaults",
        ),
        (
            ("objective.terms", f"{{{PACKAGE}.loss.tial: 1.0}}"),
            "is no function of trainedpkg.loss; did you mean 'tail'?",
        ),
        (("objective.terms", f"{{{PACKAGE}.loss.detached: 1.0}}"), "has no gradient; compute it from score"),
        (("objective.terms", f"{{{PACKAGE}.loss.tail: {{weight: 1.0, levle: 1}}}}"), "did you mean 'level'?"),
        (
            (f"objective.terms.{PACKAGE}.loss.tail", "0.2"),
            "with dotted names: --model.objective.terms '{ic: 0.5, mypkg.loss.tail: {weight: 0.2, level",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(
    words: tuple[str, str],
    message: str,
    package: Path,
    tiny_run: Any,
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    key, value = words
    outcome = atft(
        *("fit", "--config", tiny_run.config, f"--model.{key}", value),
        *("--trainer.default_root_dir", tmp_path),
    )
    assert message in outcome.error_line and len(outcome.error_line) < 200
    assert list(tmp_path.iterdir()) == []
