"""Which metrics are better where they are lower."""

import subprocess
import sys

from atft.metrics.direction import is_lower_better


def test_losses_and_crossed_quantiles_are_better_where_they_are_lower() -> None:
    assert all(map(is_lower_better, ("train/loss", "train/term/mypkg.loss.tail", "val/quantile_crossing")))


def test_rankings_and_metrics_of_the_users_own_are_better_where_they_are_higher() -> None:
    assert not any(map(is_lower_better, ("val/rank_ic", "val/sharpe_5d", "train/rank_ic", "val/top_hit")))


def test_it_is_known_without_torch() -> None:
    code = "import sys, atft.metrics.direction; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
