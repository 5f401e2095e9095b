"""A sweep as data: everything that ``hpo/*.yaml`` may say, typed, with every mistake refused in one line.

Decides the defaults: TPE, a median pruner, no trial stopped before its second epoch, two retries of a failed
trial. A resumed study may be given more trials, other workers, other samplers and pruners, looser time limits
and more points to try first; what its values depend on (space, metric, base config, epochs, data) it may not.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from atft.commands.moved_keys import check_moved
from atft.errors import InputError
from atft.publish import check_folder_name
from atft.search.question.credentials import hide
from atft.search.question.dimension import Categorical
from atft.search.question.space import Point, Space, check_point, grid_size, plain_space, read_space
from atft.search.question.typed import typed
from atft.yaml_text import read_mapping


@dataclass(frozen=True)
class SamplerOptions:
    """How the next point is chosen.

    Args:
        name: tpe (a Parzen estimator over all keys together), gp (a Gaussian process), random, or grid.
        seed: of the draws; each worker process draws its own stream from it. Null draws afresh each time.
        startup_trials: trials drawn at random before tpe and gp begin to learn.
    """

    name: Literal["tpe", "gp", "random", "grid"] = "tpe"
    seed: int | None = 1
    startup_trials: int = 10


@dataclass(frozen=True)
class PrunerOptions:
    """When a trial is stopped before its last epoch.

    Args:
        name: median (below the median of the others at the same epoch), hyperband (successive halving over
            several budgets), patient (median, once its own best is some epochs old), or none.
        startup_trials: trials that must have finished before median and patient judge.
        floor_epochs: epochs (folds, where there are folds) that every trial is given.
        patience: epochs without a better value of its own that patient waits.
    """

    name: Literal["median", "hyperband", "patient", "none"] = "median"
    startup_trials: int = 5
    floor_epochs: int = 2
    patience: int = 3


@dataclass(frozen=True)
class Limits:
    """What one trial may take.

    Args:
        epochs: of training; replaces ``trainer.max_epochs`` of the base config.
        minutes: of wall clock, after which the trial ends with its epoch and counts with the best it has by
            then; with folds still to train it fails for time. Null for no limit.
        hang_minutes: minutes without any progress after which the trial is ended as hung.
    """

    epochs: int = 10
    minutes: float | None = None
    hang_minutes: float = 30.0


@dataclass(frozen=True)
class SweepOptions:
    """A sweep.

    Args:
        study: its name; also its folder in ``root``.
        base: training config that every trial starts from.
        space: dotted key of the base config -> ``{type: float, low: 1e-5, high: 1e-3, log: true}``,
            ``{type: int, low: 2, high: 4, step: 1}`` or ``{type: categorical, choices: [a, b]}``; choices may be
            names that stand for blocks, ``{adamw: {class_path: ...}, adabelief: {class_path: ...}}``.
        root: folder of all runs; nothing is written outside of it.
        storage: URL of the study's database: sqlite:///FILE, postgresql://..., or grpc://HOST:PORT; null is a
            file in the study's folder.
        metric: what is optimised: the value of the selected checkpoint.
        direction: maximize or minimize.
        folds: null trains once; k trains on k purged folds, and the value is their mean.
        n_trials: trials to finish, completed or pruned; failed ones do not count.
        workers: processes on this machine, each running one trial at a time.
        threads: cap of each numerical pool per worker; null divides the cores among the workers.
        sampler: how the next point is chosen.
        pruner: when a trial is stopped early.
        limits: what one trial may take.
        max_retry: times that a failed trial is tried again from its last checkpoint.
        heartbeat_seconds: between two signs of life that a worker writes to the database.
        grace_seconds: without a sign of life after which a trial is taken for dead.
        fixed: dotted key -> value, over the base config, the same for all trials.
        enqueue: points to try first; keys that a point leaves out are sampled.
    """

    study: str
    base: str
    space: Space
    root: str = "lightning_logs"
    storage: str | None = None
    metric: str = "val/rank_ic"
    direction: Literal["maximize", "minimize"] = "maximize"
    folds: int | None = None
    n_trials: int = 20
    workers: int = 1
    threads: int | None = None
    sampler: SamplerOptions = field(default_factory=SamplerOptions)
    pruner: PrunerOptions = field(default_factory=PrunerOptions)
    limits: Limits = field(default_factory=Limits)
    max_retry: int = 2
    heartbeat_seconds: int = 60
    grace_seconds: int = 120
    fixed: dict[str, Any] = field(default_factory=dict)
    enqueue: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what cannot work, in one line each."""
        check_folder_name("study", self.study)
        _check_bounds(self)
        _check_keys(self)
        _check_grid(self)
        if len(self.enqueue) > self.n_trials:
            raise InputError(
                f"enqueue holds {len(self.enqueue)} points, n_trials is {self.n_trials}; raise it"
            )
        for number, point in enumerate(self.enqueue, start=1):
            check_point(self.space, point, f"enqueue: point {number}")

    def as_json(self) -> str:
        """The sweep as the study keeps it: what `sweep_of` reads."""
        return json.dumps({**asdict(self), "space": plain_space(self.space)})


def read_sweep(path: Path, **changes: Any) -> SweepOptions:
    """Read a sweep's YAML; ``changes`` from the command line replace its keys first.

    Args:
        path: the YAML file.
        changes: key -> value, with dots or double underscores for nested keys; None changes nothing.

    Raises:
        InputError: any mistake, in one line that names the file and the key.
    """
    given = read_mapping(path)
    for key, value in changes.items():
        if value is None:
            continue
        inside, (*parents, last) = given, key.replace("__", ".").split(".")
        for parent in parents:
            inside = inside.setdefault(parent, {})
            if not isinstance(inside, dict):
                raise InputError(f"{path}: no key {key!r:.60}; {parent} holds {inside!r:.60}")
        inside[last] = value
    try:
        return sweep_of(given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def sweep_of(given: Mapping[str, Any] | str) -> SweepOptions:
    """Type a sweep that stands there as plain values, or as JSON text.

    Raises:
        InputError: any mistake, in one line that names the key.
    """
    plain = dict(json.loads(given) if isinstance(given, str) else given)
    if isinstance(plain.get("space"), Mapping):
        plain["space"] = read_space(plain["space"])
    for number, point in enumerate(
        plain["enqueue"] if isinstance(plain.get("enqueue"), list) else [], start=1
    ):
        if not isinstance(point, Mapping):
            raise InputError(f"enqueue: point {number} must be a mapping of keys of space, got {point!r:.60}")
    return typed(SweepOptions, plain)


def _check_bounds(sweep: SweepOptions) -> None:
    least: dict[str, tuple[float | None, float]] = {
        "n_trials": (sweep.n_trials, 1),
        "workers": (sweep.workers, 1),
        "threads": (sweep.threads, 1),
        "folds": (sweep.folds, 2),
        "max_retry": (sweep.max_retry, 0),
        "heartbeat_seconds": (sweep.heartbeat_seconds, 1),
        "sampler.seed": (sweep.sampler.seed, 0),
        "sampler.startup_trials": (sweep.sampler.startup_trials, 1),
        "pruner.startup_trials": (sweep.pruner.startup_trials, 0),
        "pruner.floor_epochs": (sweep.pruner.floor_epochs, 1),
        "pruner.patience": (sweep.pruner.patience, 0),
        "limits.epochs": (sweep.limits.epochs, 1),
    }
    for key, (value, bound) in least.items():
        if value is not None and value < bound:
            raise InputError(f"{key} must be at least {bound}, got {value}")
    for key, value in (("minutes", sweep.limits.minutes), ("hang_minutes", sweep.limits.hang_minutes)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"limits.{key} must be above 0, got {value}")
    if sweep.grace_seconds <= sweep.heartbeat_seconds:
        raise InputError(
            f"grace_seconds must exceed heartbeat_seconds ({sweep.heartbeat_seconds}), got "
            f"{sweep.grace_seconds}; a trial would be taken for dead between two signs of life"
        )
    if sweep.storage and not re.match(r"(sqlite|postgres(ql)?|mysql|mariadb|grpc)(\+\w+)?:", sweep.storage):
        raise InputError(
            "storage must be sqlite:///FILE, postgresql://USER@HOST/DATABASE or grpc://HOST:PORT, "
            f"got {hide(sweep.storage, sweep.storage)!r:.60}"
        )
    if not sweep.root or any(c in sweep.root for c in "?#{}"):
        raise InputError(f"root must be a folder without ? # {{ }} in its name, got {sweep.root!r:.60}")


def _check_keys(sweep: SweepOptions) -> None:
    both = sorted(set(sweep.space) & set(sweep.fixed))
    if both:
        raise InputError(f"{both[0]} stands in space and in fixed; keep one")
    keys = [*sweep.space, *sweep.fixed]
    for key in keys:
        check_moved(key, "space: " if key in sweep.space else "fixed: ")
        if not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", key):
            raise InputError(f"space and fixed are named by dotted keys, got {key!r:.60}")
        above = next((other for other in keys if key.startswith(f"{other}.")), None)
        if above is None:
            continue
        held = sweep.space.get(above, sweep.fixed.get(above))
        if not isinstance(held.choices if isinstance(held, Categorical) else held, dict):
            raise InputError(f"{key} lies inside of {above}, which is set too; keep one")
    for key in ("name", "trainer.max_epochs", "trainer.default_root_dir", "ckpt_path", "threads"):
        if key in keys:
            instead = {"trainer.max_epochs": "limits.epochs", "name": "study", "threads": "threads"}
            raise InputError(f"{key} belongs to the sweep itself; set {instead.get(key, 'root')}")


def _check_grid(sweep: SweepOptions) -> None:
    if sweep.sampler.name != "grid":
        return
    endless = [key for key, held in sweep.space.items() if held.values is None]
    if endless:
        raise InputError(f"sampler grid: {endless[0]} has no steps; give it a step or choices")
    size = grid_size(sweep.space) or 0
    if sweep.n_trials > size:
        raise InputError(f"sampler grid: the grid has {size} points, n_trials is {sweep.n_trials}; lower it")
