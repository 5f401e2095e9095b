"""Settings of the boosted trees, and the label that each objective is fitted on."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from atft.errors import InputError
from atft.option_types import check_option_types

Objective = Literal["regression", "huber", "lambdarank", "rank_xendcg"]
Label = Literal["rank", "rank_normal"]
RANKING = ("lambdarank", "rank_xendcg")
"""Objectives on the order of a day's stocks, which read grades."""
GRADES = 32
"""Classes of equal size that a ranking objective divides a day's returns into, worth 0 to 31 in its NDCG."""
TOP_STOCKS = 100
"""Highest scores of a day that NDCG counts, and that lambdarank compares with all others."""
RANK_STD = 1 / math.sqrt(12)
FRACTIONS = ("feature_fraction", "bagging_fraction")


@dataclass(frozen=True)
class TreeOptions:
    """Settings of LightGBM; the defaults are one usual set.

    Args:
        objective: regression (squared error) or huber (linear beyond one standard deviation) on the label, or
            lambdarank or rank_xendcg on the order of each day's stocks.
        label: rank (of the day) or rank_normal (the same with the tails of a normal distribution); for regression
            and huber.
        num_leaves: most leaves of a tree.
        learning_rate: what each tree adds. Without ``trees`` there are at most 1,000 trees at 0.05, more at a
            smaller rate.
        min_data_in_leaf: least rows of a leaf; with little data a hundredth of all rows.
        lambda_l2: penalty on the values of leaves.
        feature_fraction: share of the features that a tree reads.
        bagging_fraction: share of the rows that a tree reads.
        trees: number of trees of each horizon; null adds trees until the error on the validation days has not
            improved for 50, which is a rough rule if those days are few.
        market_columns: also read the panel's market-wide columns, as a network with modulation does; a tree may
            then split a stock's features differently in another market.

    Raises InputError where a value is out of range, or the objective does not read the label.
    """

    objective: Objective = "regression"
    label: Label = "rank"
    num_leaves: int = 31
    learning_rate: float = 0.05
    min_data_in_leaf: int = 2000
    lambda_l2: float = 0.0
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.5
    trees: int | None = None
    market_columns: bool = True

    def __post_init__(self) -> None:
        check_option_types("lightgbm", self)
        right = {
            "num_leaves": 2 <= self.num_leaves <= 131_072,
            "learning_rate": 0 < self.learning_rate <= 1,
            "min_data_in_leaf": self.min_data_in_leaf >= 1,
            "lambda_l2": 0 <= self.lambda_l2 < math.inf,
            "trees": self.trees is None or self.trees >= 1,
            **{name: 0 < getattr(self, name) <= 1 for name in FRACTIONS},
        }
        for name, fits in right.items():
            if not fits:
                raise InputError(f"lightgbm.{name} is out of range, got {getattr(self, name)}")
        if self.ranks_days and self.label != "rank":
            raise InputError(
                f"lightgbm.label {self.label} is not read by {self.objective}; leave it at rank, or take regression"
            )

    @property
    def ranks_days(self) -> bool:
        """Whether the objective is on the order of each day's stocks."""
        return self.objective in RANKING

    def parameters(self) -> dict[str, Any]:
        """As LightGBM takes them; what is read by the objective alone is there for this objective only."""
        parameters: dict[str, Any] = {
            "objective": self.objective,
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_data_in_leaf,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
        }
        if self.objective == "huber":
            parameters["alpha"] = RANK_STD if self.label == "rank" else 1.0
        if self.ranks_days:
            parameters |= {"metric": "ndcg", "eval_at": [TOP_STOCKS], "label_gain": list(range(GRADES))}
        if self.objective == "lambdarank":
            parameters["lambdarank_truncation_level"] = TOP_STOCKS
        return parameters

    def labels(self, ranks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn ranks of the day, in [-0.5, 0.5], into what the objective is fitted on; NaN stays NaN."""
        if self.ranks_days:
            grades = np.minimum(np.floor((ranks + 0.5) * GRADES), GRADES - 1)
            return np.asarray(grades, dtype=np.float32)
        if self.label == "rank_normal":
            from scipy.special import ndtri

            return np.asarray(ndtri(ranks.astype(np.float64) + 0.5), dtype=np.float32)
        return ranks
