"""Which points a study tries next, and which trials it prunes: Optuna's samplers and pruners, and our own grid.

Each draw has a stream of its own, made of the sweep's seed, the number of points drawn before, the worker's
number and, where several machines share a database, the process. So the points of one worker on one machine are
those of its seed, however often it was killed in between, and several workers do not collide.

Optuna's GridSampler assigns grid points by trial number, so that a retried or surplus trial uses one up, and fails
when the last free one was enqueued. Ours looks at which points were tried.
"""

import math
import os
import random
import socket
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from atft.search.question.options import SweepOptions
from atft.search.question.space import Point, Space, distribution, draw, grid_point, setting, values
from atft.search.study.budget import point_of
from atft.search.study.outcome import is_surplus
from atft.search.study.storage import experimental_optuna

PATIENCE_EPOCHS = 3
"""Epochs without a better value of a trial's own that the patient pruner waits."""


def make_sampler(sweep: SweepOptions, drawn: int = 0, worker: int = 0) -> optuna.samplers.BaseSampler:
    """Build the sampler of one process for the point after the ``drawn`` first ones; see `points_drawn`."""
    options, seed = sweep.sampler, None
    if options.seed is not None:
        stream: list[Any] = [options.seed, drawn, worker]
        if has_server(sweep):
            stream += [socket.gethostname(), os.getpid()]
        seed = zlib.crc32(repr(stream).encode())
    match options.name:
        case "tpe":
            # Its defaults: all keys together; points that run elsewhere count as poor, so that workers spread.
            return optuna.samplers.TPESampler(seed=seed, n_startup_trials=options.startup_trials)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=options.startup_trials)
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
        case "grid":
            return Grid(sweep.space, seed)


def has_server(sweep: SweepOptions) -> bool:
    """Whether the study is in a database that several machines reach, and not in an sqlite file."""
    return sweep.storage is not None and not sweep.storage.startswith("sqlite")


def points_drawn(trials: Sequence[FrozenTrial]) -> int:
    """Count the points that a study has tried. A retry has a former point, a surplus trial's is drawn again."""
    begun = [t for t in trials if t.state != TrialState.WAITING and t.params]
    return len([t for t in begun if "retry_of" not in t.user_attrs and not is_surplus(t)])


def make_pruner(sweep: SweepOptions) -> optuna.pruners.BasePruner:
    """Build the pruner. Steps count from 0: a trial reports step f - 1 once its f-th epoch is done."""
    options = sweep.pruner
    floor, steps = options.floor_epochs, sweep.folds or sweep.limits.epochs
    judged_from = sweep.sampler.startup_trials // 2
    median = optuna.pruners.MedianPruner(n_startup_trials=judged_from, n_warmup_steps=floor - 1)
    match options.name:
        case "median":
            return median
        case "hyperband":
            least = max(1, floor - 1)
            return optuna.pruners.HyperbandPruner(
                min_resource=least, max_resource=max(least, steps - 1), reduction_factor=3
            )
        case "patient":
            with experimental_optuna():
                return optuna.pruners.PatientPruner(median, patience=PATIENCE_EPOCHS)
        case "none":
            return optuna.pruners.NopPruner()


class Grid(optuna.samplers.BaseSampler):
    """Try every point of a grid once, in random order.

    A point that is running, waiting, completed or pruned is taken; one that failed is free again. Once all are
    taken (two workers asking at once) a point is drawn a second time: that trial is surplus.
    """

    def __init__(self, space: Space, seed: int | None) -> None:
        self.space = space
        self.rng = random.Random(seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All keys are drawn together."""
        return {key: distribution(dimension) for key, dimension in self.space.items()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A point that no other trial has."""
        others = [
            self._as_written(point_of(t))
            for t in study.get_trials(deepcopy=False)
            if t.number != trial.number and t.state != TrialState.FAIL
        ]
        fixed = self._as_written(point_of(trial))  # an enqueued trial may have values already
        axes = {k: [fixed[k]] if k in fixed else values(d) or [] for k, d in self.space.items()}
        # One more than are taken: where the grid has a free point, one of these is free.
        size, drawn = math.prod(map(len, axes.values())), dict[int, Point]()
        while len(drawn) < min(len(others) + 1, size):
            index = self.rng.randrange(size)
            drawn[index] = grid_point(axes, index)
        return next((p for p in drawn.values() if self._as_written(p) not in others), drawn[index])

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A key by itself; `sample_relative` leaves out none."""
        return draw(self.space[param_name], self.rng)

    def _as_written(self, point: Point) -> Point:
        """A point with 0.3 for the third step of 0.1, which is 0.30000000000000004."""
        numbers = {key for key, dimension in self.space.items() if dimension["type"] == "float"}
        return {k: setting(self.space[k], v) if k in numbers else v for k, v in point.items()}
