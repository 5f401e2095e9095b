"""Export a task's network; no file is written before the program has given the network's results."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from atft.batch import DayBatch
from atft.errors import InputError
from atft.export.description import describe, json_text, plain
from atft.export.formats import load_program, runtime_name, write_program
from atft.export.one_day import OneDay, input_names, inputs_of_day, trace_inputs
from atft.export.parity import TOLERANCE, days_to_compare, difference_of
from atft.files.publish import publish_text, published
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask

COMPARED_DAYS = 20
EXAMPLE_STOCKS = 4
"""Of the day that a description shows."""


class Compared(NamedTuple):
    """What a program was compared with its network on."""

    days: list[date]
    """Ascending."""
    scores: int
    """Stocks times horizons, of all days."""
    largest: float
    """Difference of a result."""
    exchanged: int
    """Scores of an ensemble left out, since members tie within rounding; see `atft.export.parity`."""


def export_program(
    task: RankingTask,
    data: DayData,
    kind: str,
    out: Path,
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
) -> Compared:
    """Write a task's network as a program of one day, and its description beside it.

    Both files appear once the program has given the network's results on up to `COMPARED_DAYS` days, drawn among
    those that ``predict`` scores. The description is named after the program, with ``.json`` behind it.

    Args:
        task: its weights are on the CPU.
        data: what it was trained on, or later days with the same columns.
        kind: pt2 or onnx.
        out: file of the program.
        seed: of the choice of days.
        facts: further entries of the description, plain data.

    Raises:
        InputError: the network cannot be exported, a result differs by more than `TOLERANCE`, no day has three
            stocks, or the extra ``export`` is not installed.
    """
    dates, network = data.open_cache().manifest.dates, task.network
    task.match_data(data)
    days = days_to_compare(data, COMPARED_DAYS, seed)
    newest = task.in_trained_order(data.block_of_day(max(days)))
    was_training = network.training
    try:
        program = OneDay(network.eval(), task.interval_widths)
        names = input_names(network, newest)
        with torch.no_grad():
            result_names = list(program.results(network(newest)))
        content = write_program(program, trace_inputs(newest, names), result_names, kind)
        run = load_program(content, kind)
        differences = []
        for day in days:
            batch = task.in_trained_order(data.block_of_day(day))
            with torch.no_grad():
                expected = program.results(network(batch))
            differences.append(difference_of(run(inputs_of_day(batch, names)), expected))
            # A difference that is not a number is none that is small enough.
            if not differences[-1].largest <= TOLERANCE:
                raise InputError(
                    f"{out}: not written; on {dates[day]} the program's results differ from the network's by "
                    f"{differences[-1].largest:.1e}, the limit is {TOLERANCE:g}; try the other format"
                )
    finally:
        network.train(was_training)
    compared = Compared(
        sorted(dates[day] for day in days),
        sum(d.scores for d in differences),
        max(d.largest for d in differences),
        sum(d.exchanged for d in differences),
    )
    # The newest day shows what goes in and what comes out.
    example = inputs_of_day(newest.of_stocks(example_stocks(newest)), names)
    results = run(example)
    shown = {name: plain(value) for name, value in (example | results).items()}
    description = {
        **(facts or {}),
        **describe(example, results, data.open_cache().manifest, task.features, program),
        "compared": {
            "by": runtime_name(kind),
            "days": [str(day) for day in compared.days],
            "largest_difference": float(f"{compared.largest:.2g}"),
        },
        "example": {"date": str(dates[max(days)]), "null": "NaN", **shown},
    }
    with published(out) as beside:
        beside.write_bytes(content)
    publish_text(description_path(out), json_text(description))
    return compared


def example_stocks(batch: DayBatch) -> Int[Tensor, " stocks"]:
    """Indices of `EXAMPLE_STOCKS` stocks of a one-day block, ascending: one with edges, if any, and its sources."""
    source, destination = batch.edge_index
    first = destination[:1]
    stocks = torch.cat((first, source[destination == first], torch.arange(len(batch.stock))))
    some = list(dict.fromkeys(stocks.tolist()))[:EXAMPLE_STOCKS]
    return torch.tensor(sorted(some))


def description_path(out: Path) -> Path:
    """The description that stands beside a program."""
    return out.with_name(f"{out.name}.json")
