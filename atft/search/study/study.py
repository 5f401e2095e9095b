"""Begin or open a sweep's Optuna study, whose user attributes are its question: another one is an error."""

import sys
import uuid
from dataclasses import asdict, replace

import optuna

from atft.errors import InputError
from atft.search.question.credentials import hide
from atft.search.question.frozen import Identity, differences
from atft.search.question.options import SweepOptions
from atft.search.study.sampling import make_pruner
from atft.search.study.storage import NoStudy, check_database, open_storage, storage_url


def begin_study(sweep: SweepOptions, identity: Identity) -> optuna.Study:
    """Make the sweep's study where it is missing, and enqueue new points; ``identity`` is its question.

    Raises InputError where the study that is there asks another question; the differences are printed first.
    """
    study = optuna.create_study(
        study_name=sweep.study,
        storage=open_storage(sweep),
        direction=sweep.direction,
        pruner=make_pruner(sweep),
        load_if_exists=True,
    )
    check_identity(study, sweep, identity)
    set_identity(study, sweep, identity)
    if "study_id" not in study.user_attrs:
        # Last: a study with an id has all its attributes.
        study.set_user_attr("study_id", uuid.uuid4().hex[:16])
    for point in sweep.enqueue:
        study.enqueue_trial(params=dict(point), skip_if_exists=True)
    return study


def open_study(sweep: SweepOptions) -> optuna.Study:
    """Open the study that is there, whatever the base config says now; NoStudy where there is none."""
    check_database(sweep)
    storage = open_storage(sweep)
    try:
        return optuna.load_study(study_name=sweep.study, storage=storage, pruner=make_pruner(sweep))
    except KeyError as error:
        url = storage_url(sweep)
        raise NoStudy(f"no study {sweep.study!r} in {hide(url, url)}; start it first") from error


def check_identity(study: optuna.Study, sweep: SweepOptions, identity: Identity) -> None:
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
