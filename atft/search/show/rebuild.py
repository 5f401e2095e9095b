"""Make the study's database again from the directories of its trials.

Each trial's ``trial.json`` says what the database said of it; trials that were running are entered as failed, so
that the next start tries them again from their own checkpoints. A database that is there is never touched.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from atft.errors import InputError, counted
from atft.process.console import plain_console
from atft.search.question.frozen import identify
from atft.search.show.arguments import sweep_arguments
from atft.search.study.files import TRIAL, publish_study_files, read_trial
from atft.search.study.outcome import Outcome, finished
from atft.search.study.storage import open_storage, storage_errors
from atft.search.study.study import set_identity

STATES = {Outcome.COMPLETE: TrialState.COMPLETE, Outcome.PRUNED: TrialState.PRUNED}
"""Outcomes of ``trial.json`` that are kept; a trial of any other has no value and becomes FAIL."""


def run(arguments: list[str]) -> int:
    """Make the database again, where there is none, from directories of one study and of the sweep's question."""
    _, sweep = sweep_arguments("rebuild", (__doc__ or "").partition("\n")[0], arguments)
    records = read_trials(sweep.directory)
    identity = identify(sweep)
    now = {"config_digest": identity.config_digest, "data_digest": identity.data_digest}
    for key, digest in now.items():
        if records[0].get(key) != digest:
            raise InputError(
                f"rebuild: the {key} of the trials of study {sweep.study} is {records[0].get(key)}, now it is "
                f"{digest}; restore the sweep's file and the panel as they were then, with the times of its files"
            )
    with storage_errors(sweep):
        study = restore(open_storage(sweep), sweep.study, sweep.direction, records)
        set_identity(study, sweep, identity)
        study.set_user_attr("study_id", str(records[0]["study_id"]))
        publish_study_files(study, sweep)
        ended = len(finished(study.trials))
    plain_console().print(
        f"study {sweep.study}: {counted(len(records), 'trial')} entered again, {ended} of them finished; "
        f"the next start of the sweep goes on from here",
        soft_wrap=True,
    )
    return 0


def read_trials(directory: Path) -> list[dict[str, Any]]:
    """The ``trial.json`` of each trial in a study's folder, in the order of their numbers.

    Raises InputError where no trial left one there, one is damaged, or the trials are of more than one study.
    """
    records = [_read(file) for file in directory.glob(f"trial_*/{TRIAL}")]
    if not records:
        raise InputError(f"rebuild: no trial_*/trial.json in {directory}; there is nothing to rebuild from")
    studies = {str(record.get("study_id")): str(record.get("number")) for record in records}
    if len(studies) > 1:
        named = ", ".join(f"{study} (trial {number})" for study, number in sorted(studies.items()))
        raise InputError(f"rebuild: {directory} has trials of several studies: {named}; move the others away")
    return sorted(records, key=lambda record: int(record["number"]))


def _read(file: Path) -> dict[str, Any]:
    """The record of a trial of its folder's number; raises InputError for a file that is damaged or a copy."""
    record = read_trial(file.parent) or {}
    try:
        whole = file.parent.name == f"trial_{record['number']}"
        _frozen(record, STATES.get(Outcome(record["outcome"]), TrialState.FAIL))
    except (AttributeError, KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise InputError(
            f"rebuild: {file} does not describe a trial of that number; move {file.parent} away, and another trial "
            "is trained in its place"
        )
    return record


def restore(
    storage: optuna.storages.BaseStorage,
    name: str,
    direction: Literal["maximize", "minimize"],
    records: Sequence[Mapping[str, Any]],
) -> optuna.Study:
    """Make the study with its trials from `read_trials`, numbers included.

    A number whose directory is lost is filled by an empty failed trial that no retry follows: directories and
    receipts name trials by number. Raises InputError where the storage has a study of that name already.
    """
    try:
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
    except optuna.exceptions.DuplicatedStudyError as error:
        raise InputError(
            f"rebuild: the database has study {name!r} already; it is not lost, or move the file away first"
        ) from error
    # A process may be killed between the file of its trial and the study: then the retry has the outcome.
    retried = {record["user_attrs"].get("retry_of") for record in records}
    number = 0
    for record in records:
        for _ in range(number, int(record["number"])):
            lost = {"outcome": Outcome.SURPLUS}
            study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=lost))
        outcome = Outcome.FAILED if record["number"] in retried else record["outcome"]
        study.add_trial(_frozen(record, STATES.get(outcome, TrialState.FAIL)))
        number = int(record["number"]) + 1
    return study


def _frozen(record: Mapping[str, Any], state: TrialState) -> FrozenTrial:
    enqueued = record["enqueued"]
    # A value that is no number is null in the file.
    reported = {int(k): math.nan if v is None else v for k, v in record["values"].items()}
    value = record["value"] if state == TrialState.COMPLETE else None
    if state == TrialState.PRUNED and reported and not math.isnan(last := reported[max(reported)]):
        value = last  # as Optuna does
    trial = create_trial(
        state=state,
        value=value,
        params=record["params"],
        distributions={k: json_to_distribution(json.dumps(d)) for k, d in record["distributions"].items()},
        intermediate_values=reported,
        user_attrs={**record["user_attrs"]},
        system_attrs={"fixed_params": enqueued} if enqueued else {},
    )
    trial.datetime_start = _local_time(record["started"]) or trial.datetime_start
    trial.datetime_complete = _local_time(record["ended"]) or trial.datetime_complete
    return trial


def _local_time(text: str | None) -> datetime | None:
    """Local time without a zone, as Optuna keeps it."""
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    return time.astimezone().replace(tzinfo=None) if time.tzinfo else time
