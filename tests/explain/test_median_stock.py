"""The median stock against numpy, percentiles against scipy."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import percentileofscore

from atft.batch import DayBatch
from atft.explain.median_stock import median_window, percentiles

MakeBatch = Callable[..., DayBatch]


def test_the_median_stock_is_numpys_nanmedian_of_the_universe(make_batch: MakeBatch) -> None:
    batch = make_batch(days=1, stocks=20, missing=0.3)
    inside = batch.features[:, batch.universe[0]].numpy()
    np.testing.assert_allclose(median_window(batch)[:, 0], np.nanmedian(inside, axis=1), rtol=1e-6)
    nothing = batch._replace(features=torch.full_like(batch.features, torch.nan))
    assert median_window(nothing).isnan().all()


def test_percentiles_are_scipys_of_the_known_values_of_the_universe(make_batch: MakeBatch) -> None:
    batch = make_batch(days=1, stocks=20, missing=0.3)
    batch = batch._replace(features=batch.features.round(decimals=0))  # with ties
    found = torch.stack([percentiles(batch, stock) for stock in range(20)])
    today, inside = batch.features[-1].numpy(), batch.features[-1, batch.universe[0]].numpy()
    for feature in range(5):
        known = inside[:, feature][~np.isnan(inside[:, feature])]
        expected = [
            np.nan if np.isnan(value) else percentileofscore(known, value, kind="mean")
            for value in today[:, feature]
        ]
        np.testing.assert_allclose(found[:, feature], expected, rtol=1e-5)
