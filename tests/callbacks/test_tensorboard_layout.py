"""The event file holds the five groups, no chart of them empty, and the settings beside the final metrics."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams.backend_context import Context

from atft.callbacks.tensorboard_layout import FINAL, LAYOUT, compared_settings, selected_metrics

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
        assert 400 <= images[-1].width <= 560 and images[-1].height >= 200


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
        (told,) = events.Scalars(f"best/{name}")
        assert told.value == pytest.approx(best[f"val/{name}"])
    asked = plugin_data(events, "_hparams_/session_start_info").session_start_info.hparams
    assert asked["model.network.hidden_size"].number_value == 8
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
    told = shown.experiment_from_metadata(context, "", True, content, [])
    differ = {info.name for info in told.hparam_infos if info.differs}
    assert [info.name for info in told.hparam_infos[: len(differ)]] == sorted(differ)
    assert "model.optimizer.init_args.lr" in differ and "model.network.hidden_size" not in differ
    assert [m.name.tag for m in told.metric_infos[:5]] == sorted(f"best/{name}" for name in FINAL)


def test_settings_are_flat_and_leave_out_what_runs_do_not_differ_by() -> None:
    text = "name: a\nseed_everything: 3\ntrainer: {precision: 32-true, devices: 1}\n"
    text += "model: {features: [x], gradient_clip: null, network: {horizons: [1, 5], fan: true}}\n"
    text += "data: {panel: {path: p}, loader: {lookback: 6}}\n"
    assert compared_settings(text) == {
        "seed_everything": 3,
        "trainer.precision": "32-true",
        "model.gradient_clip": "None",
        "model.network.horizons": "[1, 5]",
        "model.network.fan": True,
        "data.loader.lookback": 6,
    }


def test_the_selected_epoch_is_the_checkpoints_else_the_last() -> None:
    history = [{"val/rank_ic": 0.3, "val/scale": 1.0}, {"val/rank_ic": 0.1, "val/scale": 2.0}]

    def watching(monitor: str | None, score: float | None) -> Any:
        held = None if score is None else torch.tensor(score)
        return SimpleNamespace(monitor=monitor, best_model_score=held)

    assert selected_metrics(history, watching("val/rank_ic", 0.3)) == {"best/rank_ic": 0.3, "best/scale": 1.0}
    assert selected_metrics(history, watching(None, None)) == {"best/rank_ic": 0.1, "best/scale": 2.0}
    assert selected_metrics(history, None)["best/scale"] == 2.0
    resumed = selected_metrics(history, watching("val/rank_ic", 0.5))
    assert resumed == {"best/rank_ic": 0.5}
