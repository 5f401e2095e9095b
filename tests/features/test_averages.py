"""Moving averages against loops over their windows."""

import numpy as np

from atft.features.averages import CROSSES, SPANS, average_features
from atft.features.history import History


def test_average_features_equal_the_slow_twin(past: History, agrees, tail) -> None:
    def twin(day: int, stock: int) -> dict[str, float]:
        def mean(span: int, back: int = 0) -> float:
            return float(tail(past.close, day - back, stock, span).mean()) if day >= back else np.nan

        now = past.close[day, stock]
        out = {f"x_average_distance_{k}d": np.log(now / mean(k)) for k in SPANS}
        out |= {f"x_average_cross_{a}_{b}": np.log(mean(a) / mean(b)) for a, b in CROSSES}
        out |= {f"x_average_slope_{k}d": np.log(mean(k) / mean(k, 5)) for k in (20, 100)}
        for k in (10, 20, 60):
            window = tail(past.close, day, stock, k)
            out[f"x_bollinger_{k}d"] = (
                (now - window.mean()) / window.std(ddof=1) if len(window) > 1 else np.nan
            )
        return out

    agrees(average_features, twin)
