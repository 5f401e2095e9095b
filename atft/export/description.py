"""What a runtime needs to feed a program: written beside it as JSON, with a day of a few stocks to try it with.

The example's numbers are those that the program itself gave, so that a runtime elsewhere can compare.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atft.batch import EDGE_FEATURES
from atft.data.manifest import Manifest
from atft.export.one_day import EDGES_AXIS, MIN_STOCKS, STOCKS_AXIS, OneDay

FORMAT = 1
"""Of the JSON file: raised where a reader of the former one would read something wrong."""
MEANING = {
    "features": "rows of the window, oldest first, the day itself last; NaN where unknown or without a row",
    "observed": "the stock has a row that day",
    "universe": "the stock is ranked that day; scores of others mean nothing",
    "edge_index": "source, then destination: a stock reads the sources of the edges that end in it",
    "edge_attr": f"of each edge: {', '.join(EDGE_FEATURES)}",
    "regime": "market-wide columns of the day; NaN where unknown",
    "sector": "number of the stock's sector, -1 for none",
    "exposure": "exposures of the stock on the day; NaN where unknown",
    "score": "higher is better; only the order within the day has meaning",
    "members": "scores of an ensemble, of whose order the score is made",
    "intervals": "low and high end of each of the intervals, the widest first, in the unit of target_unit",
    "quantiles": "ascending, in the unit of target_unit",
}
PREPARATION = {
    "raw": "as it is in the panel: median and IQR of the training days are inside of the program",
    "rank": "sqrt(12) * ((r - 1/2) / n - 1/2), r the average rank among the n known values of the universe of the "
    "row's day; of a stock outside of it, r - 1/2 is the number below plus half the number equal",
    "zscore": "(x - mean) / population deviation of the universe of the row's day, cut at +-10; 0 where constant",
}
DTYPES = {torch.float32: "float32", torch.bool: "bool", torch.int64: "int64"}


def describe(
    inputs: Mapping[str, Tensor],
    results: Mapping[str, Tensor],
    manifest: Manifest,
    features: Sequence[str],
    program: OneDay,
) -> dict[str, Any]:
    """Describe a program by the inputs and results of any day.

    The manifest is of the cache that it was trained on; ``features`` are in the network's order.
    """
    prepared = {
        name: {"prepared": way, **({"rounded_to": "float16"} if half else {})}
        for name, way, half in zip(manifest.features, manifest.scaling, manifest.half, strict=True)
    }
    # Only the formulas that some feature needs.
    ways = sorted({prepared[name]["prepared"] for name in features})
    description: dict[str, Any] = {
        "format": FORMAT,
        "lookback": inputs["features"].shape[0],
        "least_stocks": MIN_STOCKS,
        "horizons": list(program.network.horizons),
        "inputs": [_tensor(name, value) for name, value in inputs.items()],
        "outputs": [_tensor(name, value) for name, value in results.items()],
        "features": [{"name": name, **prepared[name]} for name in features],
        "preparation": {way: PREPARATION[way] for way in ways},
    }
    named = {"regime": manifest.regimes, "exposure": manifest.exposures, "sector": manifest.sectors}
    description |= {f"{key}_names": list(names) for key, names in named.items() if key in inputs}
    if "edge_index" in inputs:
        description["graph"] = manifest.graph
    if program.network.quantiles:
        description["quantiles"] = list(program.network.quantiles)
    if program.widths:
        description["intervals"] = [
            {"level": pair.level, "ends": [program.network.quantiles[i] for i in (pair.low, pair.high)]}
            for pair in program.pairs
        ]
    return description


def _tensor(name: str, value: Tensor) -> dict[str, Any]:
    """Name, type, shape (a number, or the word for any) and meaning of an input or a result."""
    shape: list[int | str] = list(value.shape)
    if name in EDGES_AXIS:
        shape[EDGES_AXIS[name]] = "edges"
    elif name != "regime":  # of the market; results have the stocks first
        shape[STOCKS_AXIS.get(name, 0)] = "stocks"
    return {"name": name, "type": DTYPES[value.dtype], "shape": shape, "meaning": MEANING[name]}


def plain(value: Tensor) -> Any:
    """Nested lists of numbers, each with the digits that float32 needs; null for what is not finite."""
    if value.dtype != torch.float32:
        return value.tolist()

    def short(x: Any) -> Any:
        if isinstance(x, list):
            return [short(inside) for inside in x]
        return float(str(np.float32(x))) if math.isfinite(x) else None

    return short(value.tolist())


def json_text(content: Mapping[str, Any]) -> str:
    """JSON laid out for reading: an entry a line, and one more level of lines for lists and mappings in it."""
    lines = []
    for key, value in content.items():
        inside = [json.dumps(value, allow_nan=False)]
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            inside = ["[", *_indented([json.dumps(item, allow_nan=False) for item in value], "  "), " ]"]
        elif isinstance(value, Mapping):
            items = [
                f"{json.dumps(name)}: {json.dumps(item, allow_nan=False)}" for name, item in value.items()
            ]
            inside = ["{", *_indented(items, "  "), " }"]
        lines.append(f"{json.dumps(key)}: " + "\n".join(inside))
    return "\n".join(["{", *_indented(lines, " "), "}"]) + "\n"


def _indented(items: list[str], by: str) -> list[str]:
    return [f"{by}{item}{',' if i + 1 < len(items) else ''}" for i, item in enumerate(items)]
