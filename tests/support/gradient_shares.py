"""The shares of the loss's gradient by the terms' names."""

from atft.batch import DayBatch, Forecast
from atft.losses.objective import DayObjective, measure_shares


def gradient_shares(objective: DayObjective, forecast: Forecast, batch: DayBatch) -> dict[str, float]:
    """Read what `measure_shares` measures; waits for the device."""
    shares = measure_shares(objective, forecast, batch).tolist()
    return dict(zip(objective.term_weights, shares, strict=True))
