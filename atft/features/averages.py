"""Distance of the close from its moving averages, and of the averages from one another, in log units."""

from collections.abc import Iterator

import numpy as np

from atft.features.history import History
from atft.features.windows import Series, shift, window_means, window_moments

SPANS = (5, 10, 20, 50, 100, 200)
CROSSES = ((5, 20), (20, 50), (50, 200))


def average_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

    ``x_average_distance_{k}d``: log close / mean close; above 0 the price is above its average.
    ``x_average_cross_{a}_{b}``: log of the shorter average over the longer.
    ``x_average_slope_{k}d``: log of the average over itself five days ago.
    ``x_bollinger_{k}d``: close minus average, in standard deviations of the close; NaN when flat.
    """
    averages = window_means(past.close, *SPANS)
    log_average = {span: np.log(average) for span, average in averages.items()}
    for span in SPANS:
        yield f"x_average_distance_{span}d", past.log_close - log_average[span]
    for short, long in CROSSES:
        yield f"x_average_cross_{short}_{long}", log_average[short] - log_average[long]
    for span in (20, 100):
        yield f"x_average_slope_{span}d", log_average[span] - shift(log_average[span], 5)
    for span, (mean, std) in window_moments(past.close, 10, 20, 60).items():
        yield f"x_bollinger_{span}d", (past.close - mean) / np.where(std > 0, std, np.nan)
