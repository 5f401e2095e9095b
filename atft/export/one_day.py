"""One trading day as a program: from its stocks' windows to their scores, for any number of stocks and edges.

A runtime scores a day at a time, as ``predict`` does, so the axis of days is gone. The lookback is fixed: a network
may be built for its length. What a network's scaling has learned from the training days is inside of the program.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from atft.batch import EDGE_FEATURES, DayBatch, Forecast
from atft.errors import InputError, one_line
from atft.metrics.interval_ends import calibrated_intervals, level_pairs

ALWAYS = ("features", "observed", "universe")
OPTIONAL = ("edge_index", "edge_attr", "regime", "sector", "exposure")
"""Inputs of a program whose network reads them; ``edge_index`` and ``edge_attr`` come together."""
STOCKS_AXIS = {"features": 1, "observed": 1, "universe": 0, "sector": 0, "exposure": 0}
EDGES_AXIS = {"edge_index": 1, "edge_attr": 0}
BY_DAY = ("universe", "regime", "sector", "exposure")
"""Inputs whose axis of days, of one day, a program leaves out."""
MIN_STOCKS = 3
"""Least size of the axis of stocks: torch traces 0, 1 and 2 as constants. Absent stocks fill a smaller day up."""
NO_TRACE = (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, KeyError)
"""What torch raises where it cannot follow a network's ``forward``."""


class _ReadFields(DayBatch):
    """A day that notes which of its fields a network reads."""

    names: set[str]

    def __getattribute__(self, name: str) -> Any:
        if name in DayBatch._fields:
            vars(self).setdefault("names", set()).add(name)
        return super().__getattribute__(name)

    def __iter__(self) -> Iterator[Any]:
        # A copy, of which nothing is noted. That it reads targets shows when the program is compared.
        vars(self).setdefault("names", set()).update((*ALWAYS, *OPTIONAL))
        return super().__iter__()


def fields_read(network: nn.Module, batch: DayBatch) -> set[str]:
    """Names of a batch's fields that ``forward`` reads; all that a program may have where it copies the batch."""
    recorded = _ReadFields(*batch)
    with torch.no_grad():
        network(recorded)
    return set(vars(recorded).get("names", ()))


def input_names(network: nn.Module, batch: DayBatch) -> tuple[str, ...]:
    """Names of a program's inputs, in their order: those of each program, then what the network reads beside them.

    Raises:
        InputError: it reads what exists in training only, as the targets do.
    """
    reads = fields_read(network, batch)
    if {"edge_index", "edge_attr"} & reads:
        reads |= {"edge_index", "edge_attr"}
    names = (*ALWAYS, *(name for name in OPTIONAL if name in reads))
    # What has a default is so in a program: one day, of its own, with any number of neighbours.
    other = sorted(reads - {*names, *DayBatch._field_defaults})
    if other:
        raise InputError(
            f"{type(network).__name__} reads batch.{other[0]}, which a one-day program lacks; leave it out of "
            f"forward"
        )
    return names


def inputs_of_day(batch: DayBatch, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The inputs of a program as a block of one day has them, its features in the network's order."""
    inputs = {name: getattr(batch, name) for name in names}
    return {name: value[0] if name in BY_DAY else value for name, value in inputs.items()}


def trace_inputs(like: DayBatch, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Inputs of noise to trace a program with: any number of stocks stays any only where the example has several.

    ``like`` is a block of one day, which has the other sizes.
    """
    random = torch.Generator().manual_seed(0)
    stocks, edges = 7, 11
    lookback, _, features = like.features.shape
    inputs = {
        "features": torch.randn(lookback, stocks, features, generator=random),
        "observed": torch.ones(lookback, stocks, dtype=torch.bool),
        "universe": torch.ones(stocks, dtype=torch.bool),
        "edge_index": torch.randint(stocks, (2, edges), generator=random),
        "edge_attr": torch.rand(edges, like.edge_attr.shape[1], generator=random),
        "regime": torch.randn(like.regime.shape[1], generator=random),
        "sector": torch.zeros(stocks, dtype=torch.int64),
        "exposure": torch.randn(stocks, like.exposure.shape[2], generator=random),
    }
    return {name: inputs[name] for name in names}


class OneDay(nn.Module):
    """A network that scores a single day, without an axis of days.

    Args:
        network: in ``eval`` mode.
        widths: of its prediction intervals by horizon, which are results then; empty for none.
    """

    def __init__(self, network: Any, widths: Mapping[int, Sequence[float]] | None = None) -> None:
        super().__init__()
        self.network = network
        self.horizons = len(network.horizons)
        self.pairs = level_pairs(network.quantiles)
        # An interval without an end, of too few validation days, is of no use elsewhere.
        known = all(isfinite(width) for of_horizon in (widths or {}).values() for width in of_horizon)
        self.widths = dict(widths or {}) if known and self.pairs else {}

    def forward(
        self,
        features: Tensor,
        observed: Tensor,
        universe: Tensor,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        regime: Tensor | None = None,
        sector: Tensor | None = None,
        exposure: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Score a day's stocks; inputs and results are those of a `DayBatch` and a `Forecast` of one day.

        Inputs that the network does not read are left out.
        """
        stocks = features.shape[1]
        nothing = features.new_zeros(1, stocks, 0)
        batch = DayBatch(
            features=features,
            observed=observed,
            universe=universe[None],
            target=features.new_full((1, stocks, self.horizons), torch.nan),
            valid=observed.new_zeros(1, stocks, self.horizons),
            edge_index=features.new_zeros(2, 0, dtype=torch.int64) if edge_index is None else edge_index,
            edge_attr=features.new_zeros(0, len(EDGE_FEATURES)) if edge_attr is None else edge_attr,
            stock=features.new_zeros(stocks, dtype=torch.int64),
            day=features.new_zeros(1, dtype=torch.int64),
            sector=features.new_full((1, stocks), -1, dtype=torch.int64) if sector is None else sector[None],
            exposure=nothing if exposure is None else exposure[None],
            regime=features.new_zeros(1, 0) if regime is None else regime[None],
            weight=features.new_ones(1),
            closes_step=True,
        )
        forecast: Forecast = self.network(batch)
        return self.results(forecast)

    def results(self, forecast: Forecast) -> dict[str, Tensor]:
        """What a program returns, of a forecast of one day: its fields that are there, and intervals; float32."""
        fields = forecast._asdict().items()
        results = {name: value[0].float() for name, value in fields if value is not None}
        if self.widths and forecast.quantiles is not None:
            results["intervals"] = calibrated_intervals(results["quantiles"], self.widths, self.pairs)
        return results


def dynamic_shapes(names: tuple[str, ...]) -> dict[str, dict[int, Any]]:
    """Which axes of the inputs are the day's stocks and edges, whose numbers are any."""
    stocks, edges = torch.export.Dim("stocks", min=MIN_STOCKS), torch.export.Dim("edges", min=0)
    of_stocks = {name: {STOCKS_AXIS[name]: stocks} for name in names if name in STOCKS_AXIS}
    of_edges = {name: {EDGES_AXIS[name]: edges} for name in names if name in EDGES_AXIS}
    return {name: of_stocks.get(name) or of_edges.get(name) or {} for name in names}


@contextmanager
def exporting(network: nn.Module) -> Iterator[None]:
    """Without gradients and warnings of exporters, and with one line where one of them fails.

    Raises:
        InputError: the network cannot be exported.
    """
    chatty = [logging.getLogger(name) for name in ("torch.export", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except NO_TRACE as error:
        raise InputError(_fault(network, error)) from error
    finally:
        for logger, level in zip(chatty, levels, strict=True):
            logger.setLevel(level)


def _fault(network: nn.Module, error: BaseException) -> str:
    where = type(network).__name__
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    text = " ".join(str(cause) for cause in causes)
    if "specialized it to be a constant" in text:
        return (
            f"{where} cannot be exported: its forward makes a constant of the number of stocks or edges; write "
            f"x.shape[0] for len(x), and no loop over stocks"
        )
    if "data-dependent" in text.lower() or "GuardOnDataDependent" in text:
        return f"{where} cannot be exported: its forward branches on the values of tensors; use torch.where"
    return f"{where} cannot be exported: {type(causes[-1]).__name__} {one_line(causes[-1])}"
