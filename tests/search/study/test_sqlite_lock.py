import threading
from pathlib import Path

import optuna

from atft.search.study.sqlite_lock import one_at_a_time


def opened(path: Path) -> optuna.Study:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})
    one_at_a_time(storage)
    return optuna.create_study(study_name="s", storage=storage, load_if_exists=True)


def test_a_waiting_trial_is_taken_once_however_many_want_it(tmp_path: Path) -> None:
    study, taken = opened(tmp_path / "s.db"), []
    for x in range(60):
        study.enqueue_trial({"x": x})

    def take(own: optuna.Study) -> None:
        while (found := own._pop_waiting_trial_id()) is not None:
            taken.append(found)

    workers = [threading.Thread(target=take, args=(opened(tmp_path / "s.db"),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == len(set(taken)) == 60


def test_a_study_runs_as_ever(tmp_path: Path) -> None:
    study = opened(tmp_path / "s.db")
    study.enqueue_trial({"x": 1})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
