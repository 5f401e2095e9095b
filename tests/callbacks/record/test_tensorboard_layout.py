"""The event file holds the five groups, no chart of them empty, and the settings beside the final metrics."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams.backend_context import Context

from atft.callbacks.record.run_checkpoint import Measured
from atft.callbacks.record.tensorboard_layout import FINAL, LAYOUT, best_metrics, compared_settings
from atft.commands.train import build
from recorder import Recorder

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
ELSEWHERE = ("GPU", "weights of the terms, where balanced", "skipped steps", "loss scale, in 16-mixed")
"""How the titles begin of the charts that stay empty in a healthy run in float32 on a CPU with fixed weights."""


@pytest.fixture(scope="module")
def run(tiny_run: Any, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything on that logs every step, so that all its tags are there after few."""
    folder = tmp_path_factory.mktemp("logged")
    often = ["--trainer.log_every_n_steps", "1", "--trainer.max_epochs", "3"]
    often += ["--validation_figures.every", "1"]
    often += ["--model.network.quantiles", "[0.1, 0.5, 0.9]", "--model.objective.terms.pinball", "0.1"]
    assert atft("fit", "--config", tiny_run.config, *often, "--trainer.default_root_dir", folder).code == 0
    return folder / "tiny" / "version_0"


@pytest.fixture(scope="module")
def events(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run)).Reload()


def plugin_data(events: EventAccumulator, tag: str) -> Any:
    content = events.SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def test_the_layout_has_the_five_groups_in_order(events: EventAccumulator) -> None:
    (written,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(written.tensor_proto.string_val[0])
    groups = ["ranking", "portfolio", "losses and gradient shares", "health", "speed"]
    assert [category.title for category in layout.category] == groups == list(LAYOUT)
    for category in layout.category:
        assert {chart.title for chart in category.chart} == set(LAYOUT[category.title])


@pytest.mark.parametrize("group", LAYOUT)
def test_every_chart_finds_a_tag_that_a_run_logs(events: EventAccumulator, group: str) -> None:
    tags = events.Tags()["scalars"]
    for chart, patterns in LAYOUT[group].items():
        for pattern in patterns:
            found = [t for t in tags if re.match(pattern, t)]
            assert found or chart.startswith(ELSEWHERE), f"{chart}: no tag matches {pattern} among {tags}"


def test_every_figure_is_there_each_epoch_and_readable(events: EventAccumulator) -> None:
    ranking = "return_by_decile rank_ic_by_day cumulative_spread distributions quantile_calibration"
    network = "selection_weights attention_over_lookback graph"
    expected = {f"figures/{n}" for n in ranking.split()} | {f"network/{n}" for n in network.split()}
    assert set(events.Tags()["images"]) == expected
    for tag in expected:
        images = events.Images(tag)
        assert len(images) == 3 and images[-1].encoded_image_string[:4] == b"\x89PNG"
        assert 800 <= images[-1].width <= 1120 and images[-1].height >= 400


def test_a_chart_of_a_metric_draws_no_other_metric(events: EventAccumulator) -> None:
    (pattern,) = LAYOUT["ranking"]["IC, validation"]
    found = {t for t in events.Tags()["scalars"] if re.match(pattern, t)}
    assert found == {"val/ic"}
    (pattern,) = LAYOUT["ranking"]["RankIC by horizon, validation"]
    found = {t for t in events.Tags()["scalars"] if re.match(pattern, t)}
    assert found == {"val/rank_ic_1d", "val/rank_ic_5d"}


def test_a_run_tells_its_settings_beside_the_metrics_of_its_best_epoch(
    run: Path, events: EventAccumulator
) -> None:
    epochs = json.loads((run / "metrics.json").read_text())["epochs"]
    best = max(epochs, key=lambda e: e["val/rank_ic"])
    for name in ("rank_ic", "ic", "scale"):
        (point,) = events.Scalars(f"best/{name}")
        assert point.value == pytest.approx(best[f"val/{name}"])
    asked = plugin_data(events, "_hparams_/session_start_info").session_start_info.hparams
    assert asked["model.network.init_args.hidden_size"].number_value == 8
    assert asked["model.optimizer.class_path"].string_value == "torch.optim.AdamW"
    assert "hp_metric" not in events.Tags()["scalars"]


def test_the_dashboard_shows_first_what_two_runs_differ_by(
    run: Path, tiny_run: Any, atft: Callable[..., Any]
) -> None:
    root = run.parent.parent
    asked = ["--trainer.default_root_dir", root, "--model.optimizer.init_args.lr", "0.02"]
    assert atft("fit", "--config", tiny_run.config, *asked).code == 0
    flags = argparse.Namespace(
        **dict.fromkeys(("reload_multifile", "samples_per_plugin", "path_prefix"), None)
    )
    provider = MultiplexerDataProvider(EventMultiplexer().AddRunsFromDirectory(str(root)).Reload(), str(root))
    shown = Context(TBContext(data_provider=provider, flags=flags))
    context = RequestContext()
    content = shown.hparams_metadata(context, "")
    experiment = shown.experiment_from_metadata(context, "", True, content, [])
    differ = {info.name for info in experiment.hparam_infos if info.differs}
    assert [info.name for info in experiment.hparam_infos[: len(differ)]] == sorted(differ)
    assert "model.optimizer.init_args.lr" in differ and "model.network.init_args.hidden_size" not in differ
    assert [m.name.tag for m in experiment.metric_infos[:5]] == sorted(f"best/{name}" for name in FINAL)


def test_settings_are_flat_and_leave_out_what_runs_do_not_differ_by() -> None:
    text = "name: a\nseed_everything: 3\ntrainer: {precision: 32-true, devices: 1}\n"
    text += "model: {features: [x], gradient_clip: null, horizons: [1, 5], network: {class_path: a.B}}\n"
    text += "data: {panel: {path: p}, loader: {lookback: 6}}\n"
    assert compared_settings(text) == {
        "seed_everything": 3,
        "trainer.precision": "32-true",
        "model.gradient_clip": "None",
        "model.horizons": "[1, 5]",
        "model.network.class_path": "a.B",
        "data.loader.lookback": 6,
    }


def test_only_metrics_of_the_selected_epoch_are_final() -> None:
    chosen = Measured(12, 3, {"val/rank_ic": 0.3, "val/scale": 1.0, "val/hit_rate": 0.5, "train/loss": 1.0})
    assert best_metrics(chosen) == {"best/rank_ic": 0.3, "best/scale": 1.0}
    assert best_metrics(Measured(12, 3, {"train/loss": 1.0})) == {}


def test_a_resumed_run_tells_all_metrics_of_a_best_epoch_that_is_older_and_to_every_logger(
    tiny_run: Any, tmp_path: Path
) -> None:
    former = json.loads((tiny_run.directory / "metrics.json").read_text())
    config = json.loads(tiny_run.config.read_text())
    config["trainer"]["max_epochs"] = 3
    config["model"]["optimizer"]["init_args"]["lr"] = 1e-12  # the epoch after the resume is no better
    config["early_stopping"] = {"patience": 9}
    cli = build("fit", config, tmp_path / "resumed", quiet=True)
    recorder = Recorder()
    own = CSVLogger(tmp_path, name="own", version="")
    cli.trainer.loggers = [TensorBoardLogger(tmp_path, default_hp_metric=False), recorder, own]
    last = torch.load(tiny_run.directory / "last.ckpt")
    for scheduler in last["lr_schedulers"]:
        scheduler["base_lrs"] = [1e-12] * len(scheduler["base_lrs"])
    for group in last["optimizer_states"][0]["param_groups"]:
        group["lr"] = group["initial_lr"] = 1e-12
    torch.save(last, tmp_path / "last.ckpt")
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=tmp_path / "last.ckpt")
    best = max(former["epochs"], key=lambda e: e["val/rank_ic"])
    expected = {f"best/{name}": pytest.approx(best[f"val/{name}"]) for name in FINAL}
    events = EventAccumulator(cli.trainer.loggers[0].log_dir).Reload()
    assert {n: events.Scalars(n)[-1].value for n in expected} == expected
    (final,) = [values for _, values in recorder.calls if "best/rank_ic" in values]
    assert final == expected and recorder.calls[-1] == (cli.trainer.global_step, final)
    assert recorder.settings["model.network.init_args.hidden_size"] == 8
    asked = plugin_data(events, "_hparams_/session_start_info").session_start_info.hparams
    assert set(asked) == set(recorder.settings)
    assert yaml.safe_load((tmp_path / "own" / "hparams.yaml").read_text()) == recorder.settings
    header = (tmp_path / "own" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert set(expected) < set(header)
