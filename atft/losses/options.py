"""What a day's loss is made of: every dial of the objective, checked before anything is built."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from atft.errors import InputError
from atft.losses.balancing import check_requested
from atft.losses.targets import target_transform
from atft.losses.terms import find_term

POSITIVE = (
    "huber_delta",
    "temperature",
    "listnet_top",
    "listnet_temperature",
    "ndcg_grades",
    "exposure_ridge",
    "scale_floor",
    "sharpe_half_life_days",
)
"""Fields that must be numbers above 0."""


@dataclass(frozen=True)
class ObjectiveOptions:
    """What a day's loss is made of.

    Args:
        terms: weight of each term of the loss, by name; a weight of 0 reports the term and trains nothing.
        gradient_shares: share of the gradient at the network's output that each named term is to have; only ratios
            matter. The weights of these terms then start from ``terms`` and adapt whenever shares are measured;
            empty keeps all weights.
        horizon_weights: weight of each horizon, as a list in the order of the horizons or as a mapping from
            horizon in days; null weighs all alike. Only ratios matter.
        recency_half_life_days: trading days in which a day's weight in the loss halves, counted back from the
            newest training day; null or 0 weighs all ages alike.
        regime_weights: how a day's market-wide columns weigh it, as a mapping from a regime column to an
            exponent: a day one standard deviation above the training days' mean counts e^exponent times a usual
            one; empty weighs all regimes alike.
        target: what the scores are compared with, per day over its valid stocks: raw, winsorised, zscore or
            rank_normal.
        huber_delta: error from which the Huber distance grows linearly, in the unit of the target.
        anchors: quantiles of a day's scores that soft ranks compare each stock with.
        temperature: width of a soft rank's comparison, in standard deviations of the day's scores.
        ranknet_pairs: how many other stocks of the day each stock is compared with, on average.
        listnet_top: share of the day's stocks, the best by target, that the term teaches, in (0, 1].
        listnet_temperature: softness of a list's order, in the unit of the target.
        ndcg_grades: steps of relevance from the day's worst stock to its best, each doubling the gain; the
            larger, the fewer stocks count.
        exposure_ridge: ridge with which exposures and sectors explain the scores, in stocks: a sector of that
            many stocks is explained by half.
        scale_floor: least spread of a day's scores that the term of this name leaves in peace, as a fraction of
            the targets' spread.
        sharpe_half_life_days: half-life of the running moments of the book's return, in trading days seen.
    """

    terms: dict[str, float] = field(
        default_factory=lambda: {"huber": 0.1, "ic": 0.3, "rank_ic": 0.5, "sharpe": 0.1}
    )
    gradient_shares: dict[str, float] = field(default_factory=dict)
    horizon_weights: dict[int, float] | list[float] | None = None
    recency_half_life_days: float | None = None
    regime_weights: dict[str, float] = field(default_factory=dict)
    target: str = "rank_normal"
    huber_delta: float = 1.0
    anchors: int = 200
    temperature: float = 0.1
    ranknet_pairs: int = 32
    listnet_top: float = 0.1
    listnet_temperature: float = 1.0
    ndcg_grades: float = 5.0
    exposure_ridge: float = 10.0
    scale_floor: float = 0.05
    sharpe_half_life_days: float = 250.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, in one line each."""
        for name in self.terms:
            find_term(name)
        check_term_weights(self.terms)
        check_requested(self.gradient_shares, self.terms)
        target_transform(self.target)
        if "rank_ic" in self.terms and "spearman" in self.terms:
            raise InputError("objective.terms: spearman is another name of rank_ic; keep one of them")
        for name in POSITIVE:
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"objective.{name} must be a number above 0, got {getattr(self, name)}")
        half_life = self.recency_half_life_days or 0
        if not (math.isfinite(half_life) and half_life >= 0):
            raise InputError(
                f"objective.recency_half_life_days must be a number >= 0 or null, got {half_life}"
            )
        for column, exponent in self.regime_weights.items():
            if not math.isfinite(exponent):
                raise InputError(f"objective.regime_weights.{column} must be a number, got {exponent}")
        if self.listnet_top > 1:
            raise InputError(f"objective.listnet_top must be a share of at most 1, got {self.listnet_top}")
        if self.ranknet_pairs < 1:
            raise InputError(f"objective.ranknet_pairs must be at least 1, got {self.ranknet_pairs}")
        if self.anchors < 2:
            raise InputError(f"objective.anchors must be at least 2, got {self.anchors}")


def check_term_weights(terms: Mapping[str, float]) -> None:
    """Refuse weights that are negative, not finite, or all 0.

    Raises:
        InputError: with the name and what it got.
    """
    for name, weight in terms.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"objective.terms.{name} must be a number >= 0, got {weight}")
    if not any(terms.values()):
        raise InputError("objective.terms must give at least one term a weight above 0")


def horizon_shares(
    weights: Mapping[int, float] | Sequence[float] | None, horizons: tuple[int, ...]
) -> list[float]:
    """Give each horizon its share of the loss; the shares sum to 1.

    Raises:
        InputError: a horizon is missing, unknown, negative, or all are 0.
    """
    if weights is None:
        return [1 / len(horizons)] * len(horizons)
    if isinstance(weights, Mapping):
        if set(weights) != set(horizons):
            raise InputError(
                f"objective.horizon_weights must name each of the horizons {list(horizons)}, "
                f"got {list(weights)}"
            )
        weights = [weights[h] for h in horizons]
    if len(weights) != len(horizons):
        raise InputError(
            f"objective.horizon_weights needs one weight for each of the horizons {list(horizons)}, "
            f"got {len(weights)}"
        )
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise InputError(f"objective.horizon_weights must be >= 0 and not all 0, got {weights}")
    return [w / sum(weights) for w in weights]
