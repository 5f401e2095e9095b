"""Open a sweep's Optuna study. Its user attributes are its question; a sweep that asks another one is invalid."""

import sys
import uuid
from dataclasses import asdict, replace

import optuna

from atft.errors import InputError
from atft.search.question.credentials import hide
from atft.search.question.frozen import Identity, differences, identify
from atft.search.question.options import SweepOptions
from atft.search.study.sampling import make_pruner, make_sampler
from atft.search.study.storage import open_storage, storage_url


def open_study(
    sweep: SweepOptions, create: bool = True, identity: Identity | None = None, worker: int = 0
) -> optuna.Study:
    """Open the sweep's study, made first where it is missing.

    Args:
        create: make it, check that it asks the same question, and enqueue new points; False only opens what is
            there, without a look at the base config.
        identity: what the study's values depend on, where it is known already.
        worker: index of the process on its machine; its sampler draws its own stream.

    Raises InputError where there is no such study, or it asks another question; the difference is printed first.
    """
    if create and identity is None:
        identity = identify(sweep)
    storage, pruner = open_storage(sweep, create), make_pruner(sweep)
    if identity is None:
        try:
            study = optuna.load_study(study_name=sweep.study, storage=storage, pruner=pruner)
        except KeyError as error:
            url = storage_url(sweep)
            raise InputError(f"no study {sweep.study!r} in {hide(url, url)}; start it first") from error
    else:
        study = optuna.create_study(
            study_name=sweep.study,
            storage=storage,
            direction=sweep.direction,
            pruner=pruner,
            load_if_exists=True,
        )
        _check_identity(study, sweep, identity)
        set_identity(study, sweep, identity)
        if "study_id" not in study.user_attrs:
            # Last: a study with an id has all its attributes.
            study.set_user_attr("study_id", uuid.uuid4().hex[:16])
        for point in sweep.enqueue:
            study.enqueue_trial(params=dict(point), skip_if_exists=True)
    study.sampler = make_sampler(sweep, len(study.get_trials(deepcopy=False)), worker)
    return study


def _check_identity(study: optuna.Study, sweep: SweepOptions, identity: Identity) -> None:
    """Raise InputError where the study was made for another question; print each difference first."""
    if "study_id" in study.user_attrs:
        lines = differences(Identity(**study.user_attrs["identity"]), identity)
        if lines:
            print("\n".join(lines), file=sys.stderr)  # noqa: T201
            things, more = (f"{len(lines)} things", ", ...") if len(lines) > 1 else ("1 thing", "")
            raise InputError(
                f"study {sweep.study}: {things} that its values depend on changed ({lines[0]}{more}); change back, "
                f"or give the sweep another study name"
            )
    elif study.get_trials(deepcopy=False):
        raise InputError(
            f"study {sweep.study}: its database holds trials that no sweep made; give the sweep another name"
        )


def set_identity(study: optuna.Study, sweep: SweepOptions, identity: Identity) -> None:
    """Write into a study's attributes what its values depend on, and the budget that was asked for last.

    The budget, ``n_trials``, is what status and report count against: the command line may have changed it.
    """
    study.set_user_attr("identity", asdict(identity))
    study.set_user_attr("config_digest", identity.config_digest)
    study.set_user_attr("data_digest", identity.data_digest)
    # Without its storage: the URL may hold a password, and this is read from that storage.
    study.set_user_attr("sweep", replace(sweep, storage=None).as_json())
    study.set_user_attr("n_trials", sweep.n_trials)
