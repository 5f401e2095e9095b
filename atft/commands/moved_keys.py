"""Keys that earlier versions had, and what to write instead. A moved or removed key is one row of a table.

They are read for config files and ``--key`` of each command, for a sweep's file with its base, ``space`` and
``fixed``, and for the configuration that a checkpoint carries.
"""

import json
import re
from typing import Any

from atft.errors import InputError

WITH_OWN_KEYS = ("features", "simulate", "sweep")
"""Commands whose keys are theirs alone; a former one opens with the name of its command."""

TERM_OPTIONS = {
    "huber_delta": ("huber", "delta"),
    "anchors": ("rank_ic", "anchors"),
    "temperature": ("rank_ic", "temperature"),
    "ranknet_pairs": ("ranknet", "pairs"),
    "listnet_top": ("listnet", "top"),
    "listnet_temperature": ("listnet", "temperature"),
    "ndcg_grades": ("ndcg", "grades"),
    "exposure_ridge": ("exposure", "ridge"),
    "scale_floor": ("scale_floor", "floor"),
    "sharpe_half_life_days": ("sharpe", "half_life_days"),
}

MOVED = {
    **{
        f"{section}{fault}": f"{section.removeprefix('features.')}calendar: {{{fault}: {way}}}"
        for section in ("data.cache.", "features.")
        for fault, way in (("rare_weekdays", "exclude"), ("thin_days", "exclude"), ("gaps", "keep"))
    },
    "data.cache.infinite": "data.cache.infinite_as_missing: true",
    "initial_weights": "init_from: the path of a checkpoint",
    "curriculum.phases.blocks": "curriculum.phases: [{parts: {graph: false}}]",
    "model.network.horizons": "model.horizons: [1, 5]",
    "model.network.fan": "model.network.init_args.window_norm: fan, or none",
    "model.scheduler.init_args.eta_min": "model.scheduler.init_args.eta_min_ratio: the lowest rate over lr",
    "curriculum.phases.gate": "curriculum.phases: [{criterion: val/rank_ic > 0.01, otherwise: stop}]",
    "sweep.threads": "--threads N on the command line",
    "sweep.direction": "metric: train/loss, which is minimised as its terms are; every other one is maximised",
    "sweep.pruner.startup_trials": "sampler.startup_trials: the median of half as many finished trials prunes",
} | {
    f"model.objective.{key}": f"model.objective.terms: {{{term}: {{weight: ..., {option}: ...}}}}"
    for key, (term, option) in TERM_OPTIONS.items()
}
"""Former dotted key -> what to write instead; an index of a list is left out."""

MARKET = {
    "lookback": 20,
    "oracle_ic": 0.2,
    "persistence": 0.5,
    "cycle_amplitude": 4.0,
    "community": 6,
    "community_share": 0.6,
    "missing": 0.01,
}
"""Former options of a simulated market."""

REMOVED: dict[str, Any] = {
    **{
        f"{section}.{key}": value
        for section in ("data.panel.simulate", "simulate")
        for key, value in MARKET.items()
    },
    "data.cache.rare_weekdays": "error",
    "data.cache.thin_days": "error",
    "data.cache.gaps": "unknown",
    "data.cache.infinite": "refuse",
    "data.graph.threshold": 0.0,
    "data.graph.shrinkage": 10.0,
    "data.graph.market_neutral": True,
    "data.loader.prefetch_factor": 4,
    "data.loader.persistent_workers": True,
    "data.loader.pin_memory": None,
    "data.loader.multiprocessing_context": "spawn",
    "data.loader.worker_threads": 1,
    "data.loader.timeout": 300.0,
    "model.network.fan_components": 2,
    "model.network.head_norm": False,
    "model.optimizer.init_args.degenerated_to_sgd": False,
    "model.optimizer.init_args.fixed_decay": False,
    "model.optimizer.init_args.rectify": True,
    "model.optimizer.init_args.weight_decouple": True,
    "features.non_positive": "exclude",
    "features.frozen_days": 10,
    "features.return_cap": 3.0,
    "features.jump_labels": "null",
    "sweep.direction": "maximize",
    "sweep.threads": None,
    "sweep.heartbeat_seconds": 60,
    "sweep.grace_seconds": 120,
    "sweep.limits.hang_minutes": 30,
    "sweep.pruner.patience": 3,
    "model.shares_every": 50,
    "gradient_monitor.histogram_every": 500,
    "spike_guard.window": 100,
    "collapse_guard.validations": 2,
    "non_finite_guard": None,
    "loss_scale_guard": None,
    "memory_retries": None,
    "throughput": None,
    "tensorboard_layout": None,
    "initial_weights": None,
}
"""Former key -> the value that it always has now, None where it had none. Keys are written as in `MOVED`. A config
file or checkpoint with that value is still read, also where the key has moved: a run's own config runs again."""


def _former(key: str, command: str) -> str:
    prefix = f"{command}." if command in WITH_OWN_KEYS else ""
    return prefix + re.sub(r"\[\d+\]", "", key)


def is_settled(key: str, value: Any, command: str = "") -> bool:
    """Whether a removed key has the value that it always has now, so that leaving it out changes nothing."""
    former = _former(key, command)
    return former in REMOVED and (value == REMOVED[former] or (REMOVED[former] is None and value == {}))


def check_moved(key: str, where: str = "", command: str = "") -> None:
    """Check that a key (``curriculum.phases[0].gate``), or the section that it is in, is no former one.

    Raises:
        InputError: with what to write instead; ``where`` it was written opens the message.
    """
    former = _former(key, command)
    while former:
        if former in MOVED:
            raise InputError(f"{where}key {key!r} has moved; write {MOVED[former]}")
        if former in REMOVED:
            value = REMOVED[former]
            now = "" if value is None else f", it is always {json.dumps(value)}"
            raise InputError(f"{where}key {key!r} was removed{now}; leave it out")
        former = former.rpartition(".")[0]
