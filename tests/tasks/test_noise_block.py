"""Noise on which a network is tried: it has what real blocks have, and its variants change what they say."""

import torch

from atft.batch import DayBatch
from atft.tasks.noise_block import DAYS, STOCKS, noise_block, other_future, other_order
from networks import inputs_of

LOOKBACK = 4


def block() -> DayBatch:
    torch.manual_seed(0)
    return noise_block(inputs_of(regimes=("regime_0",)), LOOKBACK, exposures=2)


def test_noise_has_unknown_values_absent_rows_and_stocks_outside_the_universe() -> None:
    batch = block()
    assert batch.lookback == LOOKBACK and batch.universe.shape == (DAYS, STOCKS)
    assert not batch.observed.all() and not batch.universe[:, -1].any() and batch.universe.any(1).all()
    assert not (batch.universe & ~batch.observed[-DAYS:]).any()
    for values in (batch.features[batch.observed], batch.exposure, batch.regime, batch.target):
        assert values.isnan().any() and values.isfinite().any()
    assert not (batch.valid & batch.target.isnan()).any()


def test_another_future_leaves_the_window_of_the_first_day() -> None:
    before = block()
    after = other_future(before)
    first = before.part(0, 1), after.part(0, 1)
    for name in ("features", "observed", "universe", "sector", "exposure", "regime", "edge_index"):
        old, new = (getattr(part, name) for part in first)
        assert torch.equal(torch.nan_to_num(old.float()), torch.nan_to_num(new.float())), name
    later = slice(LOOKBACK, None)
    assert (before.features[later] != after.features[later]).any(-1).all()


def test_another_order_moves_each_stock_with_its_edges() -> None:
    before = block()
    after, order = other_order(before)
    assert torch.equal(after.stock, before.stock[order]) and not torch.equal(after.stock, before.stock)
    assert torch.equal(after.observed, before.observed[:, order])

    def ends(batch: DayBatch) -> list[tuple[int, ...]]:
        day, place = batch.edge_index // STOCKS, batch.edge_index % STOCKS
        return [(*d, *s) for d, s in zip(day.T.tolist(), batch.stock[place].T.tolist(), strict=True)]

    assert ends(after) == ends(before)
