"""A joined block has the scores and gradients of its days, whatever fills them up to one length."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from atft.batch import DayBatch
from atft.network import NetworkFactory, NetworkInputs
from atft.nn import packed_rows
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.packed_rows import pack_rows
from atft.nn.tabm import TabM
from networks import inputs_of

Make = Callable[..., DayBatch]
ROW_BY_ROW = {
    "encoding": "piecewise_linear",
    "bins": 4,
    "modulation": "film",
    "linear_path": False,
    "variable_selection": "none",
    "window_norm": "none",
    "encoder": "none",
    "graph": "none",
}


def joined(make_batch: Make) -> DayBatch:
    """Three days of 9, 12 and 5 stocks of a universe."""
    batch = make_batch(days=3, stocks=12, lookback=1, missing=0.0)
    counts = torch.tensor([9, 12, 5])
    there = torch.arange(12) < counts[:, None]
    features = batch.features.masked_fill(~there[..., None], torch.nan)
    return batch._replace(features=features, observed=there, universe=there, joined=True)


def atft_of(inputs: NetworkInputs, quantiles: list[float] | None = None) -> ATFTGATFAN:
    return ATFTGATFAN(inputs, hidden_size=16, quantiles=quantiles, **ROW_BY_ROW)


NETWORKS: dict[str, NetworkFactory] = {
    "ATFTGATFAN": atft_of,
    "with quantiles": partial(atft_of, quantiles=[0.1, 0.5, 0.9]),
    "TabM": partial(TabM, k=3, hidden_size=16, modulation="film"),
}


def moved(name: str) -> torch.nn.Module:
    """A network none of whose parameters is as it starts."""
    torch.manual_seed(0)
    network = NETWORKS[name](inputs_of(regimes=("regime_0", "regime_1"))).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_and_gradients_are_those_of_the_days(
    make_batch: Make, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(packed_rows, "ROWS_MULTIPLE", 16)
    network = moved(name)
    batch = joined(make_batch)
    packed = pack_rows(batch)
    assert packed is not None and (packed.distinct, len(packed.row)) == (26, 32)
    found = []
    for block in (batch, batch._replace(joined=False)):
        network.zero_grad()
        forecast = network(block)
        outputs = [x for x in (forecast.quantiles, forecast.members, forecast.score) if x is not None]
        inside = torch.cat([output[batch.universe].flatten() for output in outputs])
        (inside * torch.linspace(-1, 1, len(inside))).sum().backward()
        gradients = [p.grad for p in network.parameters()]
        assert all(g is not None and g.abs().sum() > 0 for g in gradients)
        found.append([inside, *gradients])
    torch.testing.assert_close(*found)
    assert (network(batch).score[~batch.universe] == 0).all()


def test_rows_go_back_to_where_they_come_from(make_batch: Make) -> None:
    batch = joined(make_batch)
    packed = pack_rows(batch)
    assert packed is not None and len(packed.row) == packed_rows.ROWS_MULTIPLE
    # The last row, of day 2, stands there again up to 256.
    assert packed.rows_of_days == [9, 12, 235]
    x = torch.randn(3, 12, 4)
    assert torch.equal(packed.put(packed.take(x)), torch.where(batch.universe[..., None], x, 0))


def test_a_packed_row_that_nothing_is_known_of_scores_as_in_its_day(make_batch: Make) -> None:
    network = moved("ATFTGATFAN")
    batch = joined(make_batch)
    batch = batch._replace(
        features=batch.features.double(), observed=batch.observed.index_fill(1, torch.tensor([3]), False)
    )
    packed, by_day = network(batch).score, network(batch._replace(joined=False)).score
    torch.testing.assert_close(packed[batch.universe], by_day[batch.universe])


def test_other_blocks_and_other_devices_are_not_packed(make_batch: Make) -> None:
    batch = joined(make_batch)
    assert pack_rows(batch._replace(joined=False)) is None
    assert pack_rows(batch._replace(universe=batch.universe.to("meta"))) is None
