"""Yesterday's reversal."""

import numpy as np

from atft.baselines.reversal import reversal_scores


def test_losers_score_high_and_unknown_returns_are_neutral() -> None:
    scores = reversal_scores(np.array([[-0.1, 0.02, np.nan, np.inf]]))
    np.testing.assert_array_equal(scores, np.array([[0.1, -0.02, 0.0, 0.0]], dtype=np.float32))
