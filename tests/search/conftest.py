"""Sweeps over the small training config, and sweeps whose trials train nothing."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from atft.search.question.frozen import Identity
from atft.search.question.options import SweepOptions, read_sweep, sweep_of
from atft.search.study.study import begin_study

TOY_WORKER = Path(__file__).parent / "toy_worker.py"

SPACE = {
    "model.optimizer.init_args.lr": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
    "data.loader.batch_size": {"type": "categorical", "choices": [60, 100]},
    "model.network.init_args.gat_dropout": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    "model.network.init_args.hidden_size": {"type": "int", "low": 4, "high": 12, "step": 4},
}


@pytest.fixture
def write_sweep(tmp_path: Path) -> Callable[..., Path]:
    """Write a sweep's YAML: ``write_sweep(study="x", space={...})``; a key that is None is left out."""

    def write(**changes: Any) -> Path:
        plain = {
            "study": "small",
            "base": str(tmp_path / "tiny.yaml"),
            "root": str(tmp_path / "logs"),
            "n_trials": 4,
            "limits": {"epochs": 2},
            "space": SPACE,
            **changes,
        }
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in plain.items() if v is not None}, sort_keys=False))
        return path

    return write


@pytest.fixture
def make_sweep(write_sweep: Callable[..., Path]) -> Callable[..., SweepOptions]:
    """Read a sweep that ``write_sweep`` writes."""

    def make(**changes: Any) -> SweepOptions:
        return read_sweep(write_sweep(**changes))

    return make


@pytest.fixture
def make_study() -> Callable[..., Any]:
    """A study in memory with trials of every kind: ``make_study(values=[0.1], pruned=1, running=1)``."""
    return _study


def _study(
    values: Sequence[float] = (),
    pruned: int = 0,
    running: int = 0,
    failed: int = 0,
    surplus: int = 0,
    interrupted: int = 0,
    minutes: float = 1.0,
    direction: str = "maximize",
    owner: dict[str, Any] | None = None,
    name: str = "small",
    storage: Any = None,
) -> Any:
    import optuna
    from optuna.trial import TrialState, create_trial

    from atft.search.question.space import check_space, distribution
    from atft.search.study.owner import this_process

    kinds = {key: distribution(dimension) for key, dimension in check_space(SPACE).items()}
    study = optuna.create_study(study_name=name, direction=direction, storage=storage)
    study.set_user_attr("study_id", "0123456789abcdef")
    wanted: list[tuple[TrialState, float | None, dict[str, Any]]] = [
        *((TrialState.COMPLETE, value, {}) for value in values),
        *((TrialState.PRUNED, None, {}) for _ in range(pruned)),
        *((TrialState.RUNNING, None, {"owner": owner or this_process()}) for _ in range(running)),
        *(
            (TrialState.FAIL, None, {"failure": {"class": "config", "reason": "a & <b>"}})
            for _ in range(failed)
        ),
        *((TrialState.FAIL, None, {"outcome": "surplus"}) for _ in range(surplus)),
        *((TrialState.FAIL, None, {"outcome": "interrupted"}) for _ in range(interrupted)),
    ]
    for number, (state, value, attributes) in enumerate(wanted):
        if state is TrialState.PRUNED:
            value = 0.002 * number  # Optuna's own have the last that was reported
        trial = create_trial(
            state=state,
            value=value,
            params={
                "model.optimizer.init_args.lr": 0.001 * (1 + number),
                "data.loader.batch_size": 60 if number % 2 else 100,
                "model.network.init_args.gat_dropout": 0.1 * (1 + number % 4),
                "model.network.init_args.hidden_size": 4 * (1 + number % 3),
            },
            distributions=kinds,
            intermediate_values={} if state is TrialState.RUNNING else {0: 0.001 * number, 1: 0.002 * number},
            user_attrs={"directory": f"{name}/trial_{number}", **attributes},
        )
        trial.datetime_start = datetime.now() - timedelta(minutes=minutes)
        study.add_trial(trial)
    return study


@pytest.fixture
def toy_sweep(tmp_path: Path) -> Callable[..., SweepOptions]:
    """A factory of sweeps over one number: ``toy_sweep(base="hangs", n_trials=3)``."""

    def make(**changes: Any) -> SweepOptions:
        plain = {
            "study": "toy",
            "base": "trains",
            "root": str(tmp_path / "logs"),
            "space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
            "sampler": {"name": "random"},
            "pruner": {"name": "none"},
            "n_trials": 4,
            "limits": {"epochs": 3},
        }
        return sweep_of({**plain, **changes})

    return make


@pytest.fixture
def toy_study() -> Iterator[Callable[[SweepOptions], optuna.Study]]:
    """Make and open the study of a toy sweep; its connections are closed after the test."""
    opened: list[Any] = []

    def make(sweep: SweepOptions) -> optuna.Study:
        study = begin_study(sweep, Identity({}, "none"))
        opened.append(study._storage)
        return study

    yield make
    for storage in opened:
        if isinstance(storage, optuna.storages.GrpcStorageProxy):
            storage.close()
        else:
            storage._backend.engine.dispose()


@pytest.fixture
def toy_command() -> Callable[[SweepOptions, int], list[str]]:
    """The command line of workers that train nothing."""
    return lambda sweep, parent: [
        *(sys.executable, str(TOY_WORKER), "--sweep", sweep.as_json(), "--parent", str(parent))
    ]
