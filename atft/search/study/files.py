"""Files of a study and its trials, beside the database, which can be rebuilt from them.

``trial_<n>/trial.json`` is a trial's row of the database: point, distributions, values, outcome and reason. After
every trial ``all_trials.json``, ``best_params.json`` and ``study.backup.db`` are rewritten; the backup is a whole
copy of an sqlite database, taken by sqlite itself while others write. Every file carries the study's id and the
digests of its configuration and its data: a name can be used twice, an id cannot.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from atft.errors import InputError
from atft.files.publish import disk_errors, publish_json, published, read_json
from atft.search.question.options import SweepOptions
from atft.search.study.outcome import Failure, Outcome, best_trial, failure_of, outcome_of

CONFIG, TRIAL, PROGRESS = "config.yaml", "trial.json", "progress.json"
ALL, BEST, BACKUP = "all_trials.json", "best_params.json", "study.backup.db"


def study_labels(study: optuna.Study) -> dict[str, str]:
    """Labels of every file of a study: ``study``, ``study_id``, ``config_digest``, ``data_digest``."""
    keys = ("study_id", "config_digest", "data_digest")
    return {"study": study.study_name, **{key: str(study.user_attrs.get(key, "")) for key in keys}}


# -- a trial


def make_trial_directory(directory: Path, labels: dict[str, str]) -> None:
    """Make the directory of a trial that begins; raise InputError, naming their trial, where files are there."""
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if not any(directory.iterdir()):
            return
    other = read_trial(directory)
    if other is None:
        whose = "files that no trial of a sweep left"
    elif other.get("study_id") != labels["study_id"]:
        whose = f"a trial of another study of that name (id {other.get('study_id')}, begun {other.get('started')})"
    else:
        whose = f"trial {other.get('number')} of this study"
    raise InputError(f"{directory}: holds {whose}; move it away, or give the sweep another study name")


def receipt_digests(labels: dict[str, str]) -> dict[str, str]:
    """The study's labels as a receipt names them, beside digests of its own."""
    return {
        "study_id": labels["study_id"],
        "study_config": labels["config_digest"],
        "study_data": labels["data_digest"],
    }


def read_trial(directory: Path) -> dict[str, Any] | None:
    """The ``trial.json`` of a directory; None where there is none, or none that can be read."""
    return read_json(directory / TRIAL)


def publish_trial(
    directory: Path,
    labels: dict[str, str],
    trial: FrozenTrial,
    outcome: Outcome = Outcome.RUNNING,
    value: float | None = None,
    reason: str = "",
    failure: str | None = None,
) -> None:
    """Publish ``trial.json``: what the study knows of the trial so far, and how it ended.

    ``trial`` is as the study has it, before it is updated; ``value``, ``reason`` and ``failure`` (the class) are
    those of its outcome.
    """
    # The study gets these attributes after the file is written; a rebuilt one needs them.
    attributes = dict(trial.user_attrs)
    if failure is not None:
        attributes["failure"] = Failure(failure, reason).as_attribute()
    if outcome == Outcome.INTERRUPTED:
        attributes["outcome"] = outcome
    content = {
        **labels,
        **plain_trial(trial),
        "outcome": outcome,
        "value": value,
        "reason": reason,
        "distributions": {k: json.loads(distribution_to_json(d)) for k, d in trial.distributions.items()},
        "user_attrs": attributes,
        "enqueued": trial.system_attrs.get("fixed_params"),
        "ended": None if outcome == Outcome.RUNNING else utc(trial.datetime_complete) or now(),
    }
    publish_json(directory / TRIAL, content)


# -- the study


def check_no_trials(sweep: SweepOptions) -> None:
    """Raise InputError where a study that is to be made finds trials of a former one in its folder."""
    if any(sweep.directory.glob(f"trial_*/{TRIAL}")):
        raise InputError(
            f"{sweep.directory}: holds trials of a study that the database does not have; run rebuild if it was "
            "lost, else move the folder away or give the sweep another study name"
        )


def publish_study_files(study: optuna.Study, sweep: SweepOptions) -> None:
    """Rewrite the study's files; raise InputError where the disk is full, or takes no files there."""
    folder = sweep.directory
    trials = study.get_trials(deepcopy=False)
    head = {**study_labels(study), "metric": sweep.metric, "direction": sweep.direction, "written": now()}
    rows = [{**plain_trial(t), "seconds": t.duration.total_seconds() if t.duration else None} for t in trials]
    publish_json(folder / ALL, {**head, "counts": _counts(trials), "trials": rows})
    publish_json(folder / BEST, {**head, **best_params(trials, sweep)})
    for trial in trials:
        if trial.state.is_finished():
            _correct_outcome(sweep, study_labels(study), trial)
    back_up(study, folder / BACKUP)


def _correct_outcome(sweep: SweepOptions, labels: dict[str, str], trial: FrozenTrial) -> None:
    """Publish ``trial.json`` again where a trial's process could not write how it ended: killed, or a full disk."""
    directory = Path(sweep.root) / str(trial.user_attrs.get("directory", ""))
    written, outcome = read_trial(directory) or {}, outcome_of(trial)
    whose = {**labels, "number": trial.number, "started": utc(trial.datetime_start)}
    # Another trial's file may be there: this one has failed because of that.
    if whose.items() <= written.items() and written.get("outcome") != outcome:
        failure = failure_of(trial) if outcome == Outcome.FAILED else None
        reason, kind = (failure.reason, failure.kind) if failure is not None else ("", None)
        publish_trial(directory, labels, trial, outcome, trial.value, reason, kind)


def best_params(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> dict[str, Any]:
    """The best trial's number, value, point and directory; nulls and the reason where none is complete."""
    best, counts = best_trial(trials, sweep.direction), _counts(trials)
    if best is None:
        outcomes = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none began"
        return {"trial": None, "value": None, "params": None, "reason": f"no trial is complete: {outcomes}"}
    directory = sweep.trial_directory(best.number)
    return {
        "trial": best.number,
        "value": best.value,
        "params": best.params,
        "directory": str(directory),
        "checkpoint": str(directory / "best_model.ckpt") if sweep.folds is None else None,
        "reason": f"best of {counts[Outcome.COMPLETE]} complete trials; the best of many is better than it is, see "
        "report",
    }


def plain_trial(trial: FrozenTrial) -> dict[str, Any]:
    """The fields that ``all_trials.json`` and ``trial.json`` have in common."""
    return {
        "number": trial.number,
        "outcome": outcome_of(trial),
        "value": trial.value,
        "params": trial.params,
        "values": {str(step): v for step, v in sorted(trial.intermediate_values.items())},
        "user_attrs": trial.user_attrs,
        "started": utc(trial.datetime_start),
    }


def _counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    return dict(sorted(Counter(map(outcome_of, trials)).items()))


def utc(time: datetime | None) -> str | None:
    """A time as Optuna keeps it, local and without a zone, as ISO 8601, UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z") if time is not None else None


def now() -> str:
    """The time of day as ISO 8601, UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def back_up(study: optuna.Study, path: Path) -> None:
    """Copy an sqlite database to ``path`` while others may write to it; other storages have no copy.

    Raises InputError where the disk takes no copy: sqlite's own error is no OSError.
    """
    source = sqlite_file(study)
    if source is None:
        return
    with published(path) as beside:
        database = sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=60)
        try:
            with closing(database), closing(sqlite3.connect(beside)) as copy:
                database.backup(copy)
        except sqlite3.Error as error:
            raise InputError(
                f"{path}: the copy of {source} failed ({error}); make room on that disk"
            ) from error


def sqlite_file(study: optuna.Study) -> Path | None:
    """The file of a study's sqlite database; None for a server, a proxy, or a study in memory."""
    storage = getattr(study._storage, "_backend", study._storage)
    engine = getattr(storage, "engine", None)
    if engine is None or engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    return Path(engine.url.database).resolve()
