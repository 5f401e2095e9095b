"""A trial's directory and its ``trial.json``, which is enough to rebuild its row of a lost database.

Imports no torch: commands that look at a study read these files.
"""

import json
from pathlib import Path
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from atft.callbacks.record.receipt import publish_json
from atft.errors import InputError
from atft.publish import disk_errors
from atft.search.study.files import now, plain_trial
from atft.search.study.outcome import Outcome

CONFIG, TRIAL = "config.yaml", "trial.json"


def make_trial_directory(directory: Path, labels: dict[str, str]) -> None:
    """Make the directory of a trial that begins; it is never mixed with what another one left there.

    Raises:
        InputError: files are there, the message says whose; or the disk does not take the directory.
    """
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


def read_json(path: Path) -> dict[str, Any] | None:
    """A published JSON mapping; None where there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None


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

    Args:
        directory: the trial's.
        labels: the study's, see `atft.search.study.files.study_labels`.
        trial: as the study has it now, before it is updated.
        outcome: running for a trial that has not ended.
        value: the objective of a complete trial.
        reason: why it was pruned, failed or interrupted, in one line.
        failure: class of a failed one.
    """
    attributes = dict(trial.user_attrs)
    if failure is not None:
        attributes["failure"] = {"class": failure, "reason": reason}
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
        "ended": None if outcome == Outcome.RUNNING else now(),
    }
    publish_json(directory / TRIAL, content)
