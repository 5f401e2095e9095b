"""What a sweep leaves on the disk beside its database, and from which the database can be made again.

``trial_<n>/trial.json`` says of one trial what the database says of it: point, distributions, values by step, state
and why it ended. ``all_trials.json`` and ``best_params.json`` say it of the study, rewritten after every trial, and
``study.backup.db`` is a whole copy of an sqlite database, taken by sqlite itself while others write. Every file
carries the study's id and the digests of its configuration and its data: a name can be used twice, an id cannot.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.callbacks.record.receipt import publish_json
from atft.errors import InputError
from atft.publish import disk_refusals, published
from atft.search.study.outcome import Outcome, best_trial, outcome_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from atft.search.question.options import SweepOptions

CONFIG = "config.yaml"
"""A trial's resolved configuration, as every run keeps it; with folds that of all but the split."""
TRIAL, ALL, BEST, BACKUP = "trial.json", "all_trials.json", "best_params.json", "study.backup.db"


def study_labels(study: "optuna.Study") -> dict[str, str]:
    """What every file of a study carries: ``study``, ``study_id``, ``config_digest``, ``data_digest``."""
    held = study.user_attrs
    keys = ("study_id", "config_digest", "data_digest")
    return {"study": study.study_name, **{key: str(held.get(key, "")) for key in keys}}


# -- one trial


def make_trial_directory(directory: Path, labels: dict[str, str]) -> None:
    """Make the directory of a trial that begins; what another one left there is never mixed with it.

    Args:
        directory: ``<root>/<study>/trial_<n>``.
        labels: the study's, see `study_labels`.

    Raises:
        InputError: files lie there, the message says whose; or the disk refuses the directory.
    """
    with disk_refusals(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if not any(directory.iterdir()):
            return
    held = read_trial(directory)
    if held is None:
        whose = "files that no trial of a sweep left"
    elif held.get("study_id") != labels["study_id"]:
        whose = (
            f"a trial of another study of that name (id {held.get('study_id')}, begun {held.get('started')})"
        )
    else:
        whose = f"trial {held.get('number')} of this study"
    raise InputError(f"{directory}: holds {whose}; move it away, or give the sweep another study name")


def digests_of(labels: dict[str, str]) -> dict[str, str]:
    """What a receipt carries of its study, beside the digests of its own configuration, data and code."""
    return {
        "study_id": labels["study_id"],
        "study_config": labels["config_digest"],
        "study_data": labels["data_digest"],
    }


def read_trial(directory: Path) -> dict[str, Any] | None:
    """What ``trial.json`` of a directory says; None where there is none, or nothing that can be read."""
    return read_json(directory / TRIAL)


def read_json(path: Path) -> dict[str, Any] | None:
    """A published JSON mapping; None where there is none, or nothing that can be read."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return held if isinstance(held, dict) else None


def publish_trial(
    directory: Path,
    labels: dict[str, str],
    trial: "FrozenTrial",
    outcome: Outcome = Outcome.RUNNING,
    value: float | None = None,
    reason: str = "",
    failure: str | None = None,
) -> None:
    """Publish ``trial.json``: what the study knows of the trial, and how it ended.

    Args:
        directory: the trial's.
        labels: the study's, see `study_labels`.
        trial: as the study holds it now.
        outcome: what became of it; running for one that has not ended.
        value: the objective of a complete trial.
        reason: one line; why it was pruned, failed or interrupted.
        failure: the class of a failed one.
    """
    from optuna.distributions import distribution_to_json

    attributes = dict(trial.user_attrs)
    if failure is not None:
        attributes["failure"] = {"class": failure, "reason": reason}
    if outcome == Outcome.INTERRUPTED:
        attributes["outcome"] = outcome
    publish_json(
        directory / TRIAL,
        {
            **labels,
            "number": trial.number,
            "outcome": outcome,
            "value": value,
            "reason": reason,
            "params": trial.params,
            "distributions": {k: json.loads(distribution_to_json(d)) for k, d in trial.distributions.items()},
            "values": {str(step): v for step, v in sorted(trial.intermediate_values.items())},
            "user_attrs": attributes,
            "started": trial.datetime_start.isoformat() if trial.datetime_start else None,
            "ended": None if outcome == Outcome.RUNNING else now(),
        },
    )


def now() -> str:
    """The time of day as ISO 8601, UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# -- the study


def publish_study_files(study: "optuna.Study", sweep: "SweepOptions") -> None:
    """Rewrite ``all_trials.json`` and ``best_params.json`` and back up an sqlite database.

    Args:
        study: the study.
        sweep: says where the study's folder is, and the metric.

    Raises:
        InputError: the disk is full, or refuses the files.
    """
    folder = Path(sweep.root) / sweep.study
    trials = study.get_trials(deepcopy=False)
    head = {**study_labels(study), "metric": sweep.metric, "direction": sweep.direction, "written": now()}
    publish_json(folder / ALL, {**head, "counts": counts(trials), "trials": [_row(t) for t in trials]})
    publish_json(folder / BEST, {**head, **best_of(trials, sweep)})
    back_up(study, folder / BACKUP)


def counts(trials: "Sequence[FrozenTrial]") -> dict[str, int]:
    """Trials by outcome, in alphabetical order."""
    return dict(sorted(Counter(map(outcome_of, trials)).items()))


def best_of(trials: "Sequence[FrozenTrial]", sweep: "SweepOptions") -> dict[str, Any]:
    """The best complete trial's number, value, point and place; nulls and the reason where none is complete.

    Args:
        trials: all of the study's.
        sweep: its direction decides what is best.
    """
    best = best_trial(trials, sweep.direction)
    if best is None:
        seen = ", ".join(f"{count} {name}" for name, count in counts(trials).items()) or "none began"
        return {"trial": None, "value": None, "params": None, "reason": f"no trial is complete: {seen}"}
    place = Path(sweep.root) / str(best.user_attrs.get("directory", f"{sweep.study}/trial_{best.number}"))
    return {
        "trial": best.number,
        "value": best.value,
        "params": best.params,
        "directory": str(place),
        "checkpoint": str(place / "best_model.ckpt") if sweep.folds is None else None,
        "reason": f"best of {counts(trials)[Outcome.COMPLETE]} complete trials; the best of many is better than it "
        "is, see report",
    }


def back_up(study: "optuna.Study", path: Path) -> None:
    """Copy an sqlite database to ``path``, whole whatever others write meanwhile; other storages are left alone."""
    import sqlite3

    source = sqlite_file(study)
    if source is None:
        return
    with published(path) as beside:
        held = sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=60)
        with closing(held), closing(sqlite3.connect(beside)) as copy:
            held.backup(copy)


def sqlite_file(study: "optuna.Study") -> Path | None:
    """The file of a study's sqlite database; None for a server, a proxy, or a study in memory."""
    storage = getattr(study._storage, "_backend", study._storage)
    engine = getattr(storage, "engine", None)
    if engine is None or engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    return Path(engine.url.database).resolve()


def _row(trial: "FrozenTrial") -> dict[str, Any]:
    took = trial.duration.total_seconds() if trial.duration else None
    return {
        "number": trial.number,
        "outcome": outcome_of(trial),
        "value": trial.value,
        "params": trial.params,
        "values": {str(step): v for step, v in sorted(trial.intermediate_values.items())},
        "user_attrs": trial.user_attrs,
        "started": trial.datetime_start.isoformat() if trial.datetime_start else None,
        "seconds": took,
    }
