"""Blocks of noise on which a network is tried: what real blocks have, and the same block changed in one respect.

A few stocks and days, so that a trial costs milliseconds whatever the panel.
"""

from typing import Any

import torch
from torch import Tensor

from atft.batch import BY_STOCK, EDGE_FEATURES, DayBatch
from atft.network import NetworkInputs

DAYS, STOCKS = 3, 12
MISSING_SHARE = 0.1


def noise_block(inputs: NetworkInputs, lookback: int, exposures: int) -> DayBatch:
    """A block with what real ones have: unknown values, absent rows, stocks outside the universe, no sector."""
    span = lookback + DAYS - 1

    def missing(*shape: int) -> Tensor:
        return torch.rand(*shape) < MISSING_SHARE

    def with_gaps(*shape: int) -> Tensor:
        values = torch.randn(*shape)
        values.flatten()[:: int(1 / MISSING_SHARE)] = torch.nan
        return values

    observed = ~missing(span, STOCKS)
    observed[lookback - 1 :, : STOCKS - 2] = True
    universe = observed[lookback - 1 :].clone()
    universe[:, -1] = False
    features = with_gaps(span, STOCKS, len(inputs.features)).masked_fill(~observed[..., None], torch.nan)
    target = with_gaps(DAYS, STOCKS, len(inputs.horizons))
    # Stocks of the universe only, as in the data's graphs.
    ring = torch.arange(STOCKS - 2)
    nodes = (STOCKS * torch.arange(DAYS)[:, None] + torch.stack((ring, ring.roll(1)))[:, None]).flatten(1)
    return DayBatch(
        features=features,
        observed=observed,
        universe=universe,
        target=target,
        valid=universe[..., None] & target.isfinite(),
        edge_index=nodes,
        edge_attr=torch.rand(nodes.shape[1], len(EDGE_FEATURES)),
        stock=torch.arange(STOCKS),
        day=torch.arange(span - DAYS, span),
        sector=torch.arange(DAYS * STOCKS).reshape(DAYS, STOCKS) % 3 - 1,
        exposure=with_gaps(DAYS, STOCKS, exposures),
        regime=with_gaps(DAYS, len(inputs.regimes)),
        weight=torch.full((DAYS,), 1 / DAYS),
        closes_step=True,
    )


def other_future(batch: DayBatch) -> DayBatch:
    """The block with all that belongs to the days after its first one changed."""
    later, first = slice(batch.lookback, None), batch.edge_index[1] < STOCKS
    features, observed = batch.features.clone(), batch.observed.clone()
    observed[later, : STOCKS // 2] = False
    features[later] = (2 + torch.randn_like(features[later])).masked_fill(
        ~observed[later, :, None], torch.nan
    )
    changed = {n: getattr(batch, n).clone() for n in ("universe", "sector", "exposure", "regime")}
    changed["universe"][1:] = observed[later]
    changed["sector"][1:] = -1
    for name in ("exposure", "regime"):
        changed[name][1:] = 2 + torch.randn_like(changed[name][1:])
    return batch._replace(
        features=features,
        observed=observed,
        edge_index=batch.edge_index[:, first],
        edge_attr=batch.edge_attr[first],
        **changed,
    )


def other_order(batch: DayBatch) -> tuple[DayBatch, Tensor]:
    """The block with its stocks in the reverse order, and the index of each in the block as it was."""
    order = torch.arange(STOCKS - 1, -1, -1)
    day, stock = batch.edge_index // STOCKS, batch.edge_index % STOCKS
    by_stock = {name: getattr(batch, name)[:, order] for name in BY_STOCK}
    edges = day * STOCKS + STOCKS - 1 - stock
    return batch._replace(edge_index=edges, stock=batch.stock[order], **by_stock), order


def other_numbers(batch: DayBatch) -> dict[str, Any]:
    """Other values of the fields that number days, stocks and sectors, or that only the training needs."""
    return {
        "stock": batch.stock.flip(0),
        "day": batch.day + 1,
        "sector": torch.where(batch.sector < 0, batch.sector, 1 - batch.sector),
        "weight": 2 * batch.weight,
        "closes_step": not batch.closes_step,
        "position": batch.position + 1,
    }
