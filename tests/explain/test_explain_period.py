"""Shares are mean absolute attributions: against numpy for a linear network, and of all stocks' scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atft.explain.explain_period import explain_period
from atft.explain.median_stock import median_window
from atft.explain.one_day import days_to_explain
from atft.files.digest import file_digest

PERIOD = ["2015-04-06", "2015-04-17"]


@pytest.mark.parametrize("social", [False, True])
def test_shares_and_directions_of_a_linear_network_are_its_weights(
    social: bool, weighted: Callable[..., Any], tmp_path: Path
) -> None:
    task, data = weighted(social=social)
    checkpoint = tmp_path / "weights.ckpt"
    checkpoint.write_bytes(b"weights")
    found = explain_period(task, data, PERIOD, checkpoint, 5, days=4)
    chosen = days_to_explain(data, PERIOD, 4)
    sizes, rows = np.zeros(len(data.features)), 0
    for day in chosen:
        batch = data.block_of_day(day)
        parts = task.network.weight * (batch.features[-1] - median_window(batch)[-1])
        sizes += parts.nan_to_num(nan=0.0).abs().sum(0).detach().numpy()
        rows += len(batch.stock)
    shares = {row.name: row.share for row in found.horizons[5]}
    expected = dict(zip(data.features, sizes / sizes.sum(), strict=True))
    # What a stock does to its neighbours' scores is noise beside what it does to its own.
    assert shares == pytest.approx(expected, rel=0.1 if social else 1e-4)
    assert list(found.horizons) == [5] and list(shares.values()) == sorted(shares.values(), reverse=True)
    signs = np.sign(task.network.weight.detach().numpy())
    for row in found.horizons[5]:
        exact = signs[data.features.index(row.name)]
        assert row.direction == pytest.approx(exact, abs=0.1 if social else 1e-5)
    assert (found.days, found.stock_days, found.gap) == (4, rows, pytest.approx(0, abs=1e-4))
    assert (found.first, found.last) == tuple(PERIOD) and found.checkpoint == file_digest(checkpoint)
