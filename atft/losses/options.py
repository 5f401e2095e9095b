"""What a day's loss is made of: every option of the objective, checked before anything is built."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from atft.errors import InputError
from atft.losses.balancing import check_requested
from atft.losses.neutral_targets import check_neutral_to
from atft.losses.targets import target_transform
from atft.losses.terms import options_of
from atft.option_types import check_option_types

MAX_EXPONENT = 5
"""Of a regime's weight: three standard deviations then weigh three million times a usual day."""


@dataclass(frozen=True)
class ObjectiveOptions:
    """What a day's loss is made of.

    Args:
        terms: weight of each term of the loss by name, or its weight and options:
            ``{ic: 0.3, ndcg: {weight: 0.1, temperature: 0.2}}``. A weight of 0 reports the term without training
            it. A name with dots is a function of your own, ``{mypkg.loss.tail: 0.2}``.
        gradient_shares: share of the gradient at the network's output that each named term shall have; only ratios
            matter. The weights of these terms start from ``terms`` and adapt whenever shares are measured; empty
            keeps all weights. Unmeasured.
        horizon_weights: weight of each horizon, as a list in the order of the horizons or as a mapping from
            horizon in days; null gives all the same weight. Only ratios matter. Unmeasured.
        recency_half_life_days: trading days in which a day's weight in the loss halves, counted back from the
            newest training day; null or 0 gives all ages the same weight. 500 days cost .003 of RankIC on NASDAQ.
        regime_weights: weights of days by market-wide columns, as a mapping from a regime column to an exponent,
            -5 to 5: a day one standard deviation above the training days' mean counts e^exponent times an average
            one; empty gives all days the same weight. -0.3 of volatility gained .001 on NASDAQ, +0.3 cost .002.
        target: what the scores are compared with, per day over its valid stocks: raw, winsorised, zscore, rank
            (even steps from -0.5 to 0.5) or rank_normal.
        neutral_to: what each day's returns are made neutral to first. ``sector`` subtracts the mean of the stock's
            sector; the name of an exposure column, for instance of betas, subtracts what that column explains;
            empty subtracts nothing. Sectors cost .005 of RankIC on NASDAQ.
    """

    terms: dict[str, float | dict[str, float]] = field(
        default_factory=lambda: {"huber": 0.1, "ic": 0.3, "rank_ic": 0.5, "sharpe": 0.1}
    )
    gradient_shares: dict[str, float] = field(default_factory=dict)
    horizon_weights: dict[int, float] | list[float] | None = None
    recency_half_life_days: float | None = None
    regime_weights: dict[str, float] = field(default_factory=dict)
    target: str = "rank_normal"
    neutral_to: list[str] = field(default_factory=list)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term, without its options."""
        settings = self.terms.items()
        return {name: float(s["weight"] if isinstance(s, Mapping) else s) for name, s in settings}

    def __post_init__(self) -> None:
        check_option_types("model.objective", self)
        for name, setting in self.terms.items():
            options_of(name, setting)
        check_term_weights(self.weights)
        check_requested(self.gradient_shares, self.weights)
        target_transform(self.target)
        check_neutral_to(self.neutral_to)
        if "rank_ic" in self.terms and "spearman" in self.terms:
            raise InputError("model.objective.terms: spearman is another name of rank_ic; keep one of them")
        half_life = self.recency_half_life_days or 0
        if not (math.isfinite(half_life) and half_life >= 0):
            raise InputError(
                f"model.objective.recency_half_life_days must be a number >= 0 or null, got {half_life}"
            )
        for column, exponent in self.regime_weights.items():
            if not abs(exponent) <= MAX_EXPONENT:
                key = f"model.objective.regime_weights.{column}"
                raise InputError(f"{key} must be -{MAX_EXPONENT} to {MAX_EXPONENT}, got {exponent}")


def check_term_weights(terms: Mapping[str, float], key: str = "model.objective.terms") -> None:
    """Check that weights are finite, not negative, and not all 0; ``key`` is where they are written."""
    for name, weight in terms.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"{key}.{name} must be a number >= 0, got {weight}")
    if not any(terms.values()):
        raise InputError(f"{key} must give at least one term a weight above 0")


def horizon_shares(
    weights: Mapping[int, float] | Sequence[float] | None,
    horizons: tuple[int, ...],
    key: str = "model.objective.horizon_weights",
) -> list[float]:
    """Give each horizon its share of the loss; the shares sum to 1. ``key`` is where the weights are written.

    Raises:
        InputError: a horizon is missing, unknown, negative, or all are 0.
    """
    if weights is None:
        return [1 / len(horizons)] * len(horizons)
    if isinstance(weights, Mapping):
        if set(weights) != set(horizons):
            raise InputError(f"{key} must name each of the horizons {list(horizons)}, got {list(weights)}")
        weights = [weights[h] for h in horizons]
    if len(weights) != len(horizons):
        raise InputError(
            f"{key} needs one weight for each of the horizons {list(horizons)}, got {len(weights)}"
        )
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise InputError(f"{key} must be >= 0 and not all 0, got {weights}")
    return [w / sum(weights) for w in weights]
