"""Every figure reaches TensorBoard in the epochs that were asked for; what is off draws none."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.batch import DayBatch, Forecast
from atft.callbacks.figures.validation import (
    ValidationFigures,
    block_sums,
    explanation_sums,
    period,
    switched_off,
)
from atft.cross_section import rank_normal
from atft.errors import InputError
from networks import small_atft

RANKING = ("return_by_decile", "rank_ic_by_day", "cumulative_spread", "distributions")
NETWORK = ("selection_weights", "attention_over_lookback", "graph")


@pytest.mark.parametrize("split", [1, 2])
def test_the_sums_of_parts_are_the_sums_of_the_whole(make_batch: Callable[..., DayBatch], split: int) -> None:
    batch = make_batch(days=4)
    forecast = Forecast(torch.randn(4, 17, 2), torch.randn(4, 17, 2, 3).sort(-1).values)
    parts = []
    for days in (slice(0, split), slice(split, 4)):
        part = batch._replace(target=batch.target[days], valid=batch.valid[days])
        half = Forecast(forecast.score[days], forecast.quantiles[days])  # type: ignore[index]
        parts.append(block_sums(half, part, rank_normal))
    whole = block_sums(forecast, batch, rank_normal)
    assert set(whole) == {"deciles", "histograms", "deviations", "calibration"}
    for name, value in whole.items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], value)


def test_a_block_that_is_off_leaves_no_sums(make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch()
    network = small_atft(batch.features.shape[-1]).eval()
    parts = {"selection": "variable_selection", "attention": "encoder", "neighbour_weights": "graph"}
    assert set(parts) < set(explanation_sums(network.explain(batch), batch))
    for name, block in parts.items():
        network.set_parts(**{block: False})
        assert name not in explanation_sums(network.explain(batch), batch)
        network.set_parts(**{block: True})


def test_a_part_that_a_phase_has_switched_off_has_a_picture_that_says_so() -> None:
    parts = {"graph": False, "encoder": True, "variable_selection": False}
    pictures = switched_off(parts, drawn={"network/selection_weights": None})
    assert list(pictures) == ["network/graph"]
    (axis,) = pictures["network/graph"].axes
    assert axis.texts[0].get_text() == "graph: switched off in this validation"
    assert switched_off({}, drawn={}) == {}, "a network without such a part has no picture of it"


def test_a_caption_has_the_days_of_the_validation_and_the_stocks_of_one() -> None:
    deciles = torch.zeros(4, 2, 10)
    deciles[2], deciles[3] = 40, 40 * 12
    dates = [date(2015, 1, 5), date(2015, 3, 2)]
    assert period(dates, deciles) == "2015-01-05 to 2015-03-02, 2 days, 120 stocks a day"
    assert period([], deciles) == "no day"


def test_a_negative_number_of_epochs_is_an_error() -> None:
    with pytest.raises(InputError, match=r"validation_figures.every must be at least 0, got -1"):
        ValidationFigures(every=-1)


class Running(pl.Trainer):
    """A trainer in a validation, as far as the callback looks at it."""

    loggers: Any = None
    sanity_checking = False
    current_epoch = 0
    val_dataloaders = SimpleNamespace(plan=[0])

    def __init__(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("every", "validated_every", "drawn"),
    [
        (1, 1, [0, 1, 2, 3, 4, 5]),
        (2, 1, [0, 2, 4]),
        (2, 2, [1, 3, 5]),
        (4, 2, [1, 5]),
        (2, 3, [2, 5]),
        (0, 1, []),
    ],
)
def test_the_first_validation_of_so_many_epochs_is_drawn(
    every: int, validated_every: int, drawn: list[int], tmp_path: Path
) -> None:
    callback = ValidationFigures(every)
    module = SimpleNamespace(network=torch.nn.Identity(), objective=SimpleNamespace(targets=None))
    seen = []
    for epoch in range(validated_every - 1, 6, validated_every):
        trainer = Running(loggers=[TensorBoardLogger(tmp_path)], current_epoch=epoch)
        trainer.check_val_every_n_epoch = validated_every
        callback.on_validation_start(trainer, module)
        seen += [epoch] * (callback._hook is not None)
        callback._remove_hook()
    assert seen == drawn


def test_a_run_draws_in_the_epochs_that_were_asked_for_what_its_network_has(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = ["--trainer.max_epochs", "3", "--validation_figures.every", "2", "--model.network.graph", "none"]
    assert atft("fit", "--config", tiny_run.config, *asked, "--trainer.default_root_dir", tmp_path).code == 0
    events = EventAccumulator(str(tmp_path / "tiny" / "version_0")).Reload()
    drawn = {f"figures/{name}" for name in RANKING} | {f"network/{name}" for name in NETWORK[:2]}
    assert set(events.Tags()["images"]) == drawn
    for tag in drawn:
        images = events.Images(tag)
        # Two pixels for each of a card's 400 to 560.
        assert len(images) == 2 and 800 <= images[0].width <= 1120
        # On the axis of the metrics of the same validation.
        assert {i.step for i in images} <= {e.step for e in events.Scalars("val/rank_ic")}


def test_no_figure_is_drawn_where_none_is_wanted(tiny_run: Any) -> None:
    assert "validation_figures:\n  every: 0\n" in (tiny_run.directory / "config.yaml").read_text()
    tags = EventAccumulator(str(tiny_run.directory)).Reload().Tags()
    assert tags["images"] == [] and "val/rank_ic" in tags["scalars"]
