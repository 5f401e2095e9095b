"""Metrics of the user's own: functions of a day's scores, returns and valid stocks, measured and logged as ours.

``model.metrics: [mypkg.metrics.top_hit]`` logs ``val/top_hit`` and ``val/top_hit_5d``, the mean over days.
Selection and sweeps look for the highest value, so a metric of which less is better returns minus itself.
"""

import re
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from atft.day_statistics import RANKING_METRICS, RankingMetric, Statistic, day_statistics
from atft.errors import InputError, nearest
from atft.own_functions import (
    NOISE_SHAPE,
    call,
    check_days_apart,
    check_name,
    find_function,
    noise,
    tensor_names,
)

KEY = "model.metrics"
READABLE = ("score", "target", "valid")
"""Scores, raw forward returns and the stocks to count, ``[*batch, stocks]`` each."""
LOGGED_BESIDE = ("scale", "day", "loss", "learning_rate", "quantile_crossing")
"""Names that a run or a figure gives to something else."""
HORIZONS = 2
MANY_STOCKS = 4096
"""Of the noise on which a metric is tried that is unknown on few stocks."""


def metric_paths(metrics: Sequence[str] | str | None) -> list[str]:
    """The list of dotted paths; one path may stand alone."""
    if metrics is None:
        return []
    return list(metrics) if isinstance(metrics, list | tuple) else [cast(str, metrics)]


def nearest_metric(name: str, known: Iterable[str]) -> str:
    """End a message on a metric that no epoch logs: what was probably meant, or what is missing."""
    meant = nearest(name, known)
    return f"{meant}{'' if meant.endswith('?') else '.'} If it is your own, add its function to {KEY}"


def own_metrics(metrics: Sequence[str] | str | None) -> dict[str, RankingMetric]:
    """Import metrics by their dotted paths; each is called by the last part of its path.

    Raises:
        InputError: a path names no function of ``score``, ``target`` and ``valid`` that measures noise, or a name
            is taken by one of ours or by another one.
    """
    taken = {*RANKING_METRICS, *day_statistics(), *LOGGED_BESIDE}
    measured: dict[str, RankingMetric] = {}
    for path in metric_paths(metrics):
        check_name(KEY, path)
        name = path.rpartition(".")[2]
        if name == path:
            raise InputError(
                f"{KEY}: {path!r:.60} is no dotted path; write one such as mypkg.metrics.top_hit"
            )
        statistic = _statistic(path, name)
        if name in taken or re.search(r"_(\d+d|lag1|error)$", name):
            raise InputError(f"{KEY}: {path:.80} has a name that a run logs already, {name!r:.40}; rename it")
        _check_on_noise(f"{KEY}: {path:.60}", statistic)
        measured[name] = RankingMetric(statistic, heading=name)
        taken.add(name)
    return measured


def _statistic(path: str, name: str) -> Statistic:
    function = find_function(KEY, path, READABLE)
    reads, where = tensor_names(function), f"{KEY}: {path:.60}"

    def statistic(score: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        tensors = {"score": score, "target": target, "valid": valid}
        value = call(where, function, {tensor: tensors[tensor] for tensor in reads})
        if value.shape != score.shape[:-1]:
            axes = ("stocks", "days, stocks", "days, horizons, stocks")[min(score.ndim, 3) - 1]
            raise InputError(
                f"{where} returns {list(value.shape)} from [{axes}] {list(score.shape)}, it must be "
                f"{list(score.shape[:-1])}; reduce the last axis only"
            )
        return value

    statistic.__name__ = name  # by which the days' values are kept
    return statistic


def _check_on_noise(where: str, statistic: Statistic) -> None:
    """Check what it measures while training, ``[days, horizons, stocks]``, and afterwards, ``[days, stocks]``."""
    days, few = NOISE_SHAPE
    for stocks in (few, MANY_STOCKS):  # a metric may ask for hundreds of stocks a day
        tensors = noise(days, HORIZONS, stocks)
        score, target, valid = (tensors[tensor] for tensor in READABLE)
        statistic(score[:, 0], target[:, 0], valid[:, 0])
        measured = statistic(score, target, valid)[:-1]  # a day without valid stocks is not measured
        if measured.isfinite().any():
            break
    else:
        raise InputError(f"{where} is {float(measured.flatten()[0])} on noise; return a number for each day")
    if not torch.allclose(measured, statistic(score, target, valid)[:-1], equal_nan=True):
        raise InputError(f"{where} is another number at each call; a metric must not draw at random")
    for fill in (-3.0, torch.nan):  # scores and returns of stocks that are not valid
        scores, targets = (torch.where(valid, x, fill) for x in (score, target))
        if not torch.allclose(measured, statistic(scores, targets, valid)[:-1], equal_nan=True):
            raise InputError(
                f"{where} counts stocks that are not valid; take the argument valid and use "
                f"torch.where(valid, x, 0)"
            )
    check_days_apart(
        where, measured, lambda of: statistic(*(of[name] for name in READABLE)), tensors, READABLE
    )
