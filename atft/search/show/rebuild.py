"""`sweep.py rebuild`: the study's database made again from the directories of its trials.

Each trial's ``trial.json`` says of it what the database said; trials that were running are entered as failed, so
that the next start tries them again from their own checkpoints. A database that is there is never touched.
"""

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from atft.errors import InputError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from atft.search.question.frozen import Identity

STATES = {"complete": "COMPLETE", "pruned": "PRUNED"}
"""Outcomes of ``trial.json`` that are kept; a trial of any other has no value and becomes FAIL."""


def run(arguments: list[str]) -> int:
    """Make the database again and say what came of it.

    Args:
        arguments: what follows ``sweep.py rebuild``.

    Raises:
        InputError: the database is there, no trial directory is, or directories of several studies are.
    """
    parser = argparse.ArgumentParser("sweep.py rebuild", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", required=True, type=Path, help="the sweep, for instance hpo/quick.yaml")
    parser.add_argument("--storage", help="URL of the new storage, in place of the sweep's")
    given = parser.parse_args(arguments)
    from rich.console import Console

    from atft.search.question.frozen import identify
    from atft.search.question.options import read_sweep
    from atft.search.study.files import publish_study_files
    from atft.search.study.study import describe, open_storage, study_directory

    changes = {"storage": given.storage} if given.storage else {}
    sweep = read_sweep(given.config, changes)
    held = read_trials(study_directory(sweep))
    identity = identify(sweep)
    refuse_foreign(held[0], identity, sweep.study)
    study = restore(open_storage(sweep), sweep.study, sweep.direction, held)
    describe(study, sweep, identity)
    study.set_user_attr("study_id", str(held[0]["study_id"]))
    publish_study_files(study, sweep)
    kept = sum(row["outcome"] in STATES for row in held)
    Console(highlight=False).print(
        f"study {sweep.study}: {len(held)} trials entered again, {kept} of them finished; "
        f"the next start of the sweep goes on from here",
        soft_wrap=True,
    )
    return 0


def read_trials(directory: Path) -> list[dict[str, Any]]:
    """What the trials of a study say of themselves, in the order of their numbers.

    Args:
        directory: the study's.

    Raises:
        InputError: no trial left anything there, or the trials are of more than one study.
    """
    from atft.search.trial.record import read_trial

    found = [held for place in directory.glob("trial_*") if (held := read_trial(place)) is not None]
    if not found:
        raise InputError(f"rebuild: no trial_*/trial.json in {directory}; there is nothing to rebuild from")
    studies = {str(held.get("study_id")): str(held.get("number")) for held in found}
    if len(studies) > 1:
        named = ", ".join(f"{study} (trial {number})" for study, number in sorted(studies.items()))
        raise InputError(
            f"rebuild: {directory} holds trials of several studies: {named}; move the others away"
        )
    return sorted(found, key=lambda held: int(held["number"]))


def refuse_foreign(held: dict[str, Any], identity: "Identity", study: str) -> None:
    """Refuse trials that answered another question than the sweep asks now.

    Args:
        held: what a trial says of itself.
        identity: what the sweep's values depend on now.
        study: its name.

    Raises:
        InputError: configuration or data have changed since.
    """
    for what, was, now in (
        ("configuration", held.get("config_digest"), identity.config_digest),
        ("data", held.get("data_digest"), identity.data_digest),
    ):
        if was != now:
            raise InputError(
                f"rebuild: the trials of study {study} were trained with another {what} (digest {was}, now "
                f"{now}); give the sweep's file back the state of that time"
            )


def restore(
    storage: "optuna.storages.BaseStorage",
    name: str,
    direction: Literal["maximize", "minimize"],
    held: list[dict[str, Any]],
) -> "optuna.Study":
    """Make the study with its trials, numbers included.

    A number whose directory is lost is filled by an empty failed trial that no retry follows: directories and
    receipts name trials by number.

    Args:
        storage: it has no study of that name.
        name: the study's.
        direction: maximize or minimize.
        held: from `read_trials`.

    Raises:
        InputError: the storage has that study already.
    """
    import optuna

    try:
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
    except optuna.exceptions.DuplicatedStudyError as error:
        raise InputError(
            f"rebuild: the database has study {name!r} already; it is not lost, or move the file away first"
        ) from error
    for held_trial in held:
        while len(study.get_trials(deepcopy=False)) < int(held_trial["number"]):
            study.add_trial(_lost())
        study.add_trial(_frozen(held_trial))
    return study


def _frozen(held: dict[str, Any]) -> "FrozenTrial":
    import json

    from optuna.distributions import json_to_distribution
    from optuna.trial import TrialState, create_trial

    state = STATES.get(str(held["outcome"]), "FAIL")
    trial = create_trial(
        state=TrialState[state],
        value=held["value"] if state == "COMPLETE" else None,
        params=held["params"],
        distributions={k: json_to_distribution(json.dumps(d)) for k, d in held["distributions"].items()},
        intermediate_values={int(step): value for step, value in held["values"].items()},
        user_attrs=held["user_attrs"],
    )
    trial.datetime_start = _moment(held["started"]) or trial.datetime_start
    trial.datetime_complete = _moment(held["ended"]) or trial.datetime_complete
    return trial


def _lost() -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    return create_trial(state=TrialState.FAIL, user_attrs={"outcome": "surplus"})


def _moment(text: str | None) -> datetime | None:
    """Local time without a zone, as Optuna keeps it."""
    if text is None:
        return None
    told = datetime.fromisoformat(text)
    return told.astimezone().replace(tzinfo=None) if told.tzinfo else told
