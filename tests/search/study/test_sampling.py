"""Samplers that do not repeat one another, pruners that leave each trial its first epochs, a grid that ends."""

from collections.abc import Callable

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from atft.search.question.options import SweepOptions
from atft.search.question.space import Point, check_point, suggest
from atft.search.study.sampling import make_pruner, make_sampler, points_drawn

optuna.logging.set_verbosity(optuna.logging.WARNING)
MakeSweep = Callable[..., SweepOptions]
GRID = {
    "a": {"type": "int", "low": 1, "high": 3},
    "b": {"type": "categorical", "choices": ["x", "y"]},
}


def first_points(sweep: SweepOptions, count: int = 3, drawn: int = 0, worker: int = 0) -> list[Point]:
    study = optuna.create_study(sampler=make_sampler(sweep, drawn, worker))
    return [suggest(study.ask(), sweep.space) for _ in range(count)]


@pytest.mark.parametrize("name", ["tpe", "gp", "random", "grid"])
def test_a_draw_repeats_and_those_of_two_workers_or_after_other_points_do_not(
    name: str, make_sweep: MakeSweep
) -> None:
    grid = {"a": {"type": "int", "low": 1, "high": 500}, **GRID} if name == "grid" else None
    sweep = make_sweep(sampler={"name": name, "seed": 5}, **({"space": grid} if grid else {}))
    assert first_points(sweep) == first_points(sweep)
    streams = [first_points(sweep), first_points(sweep, worker=1), first_points(sweep, drawn=3)]
    assert all(one != other for i, one in enumerate(streams) for other in streams[:i])


def test_retries_surplus_and_waiting_trials_are_no_new_points() -> None:
    state, point = TrialState, {"params": {"x": 0.5}, "distributions": {"x": FloatDistribution(0, 1)}}
    trials = [
        create_trial(state=state.COMPLETE, value=1.0, **point),
        create_trial(state=state.FAIL, **point),
        create_trial(state=state.RUNNING, **point, user_attrs={"retry_of": 1, "attempt": 1}),
        create_trial(state=state.FAIL, **point, user_attrs={"outcome": "surplus"}),
        create_trial(state=state.FAIL),
        create_trial(state=state.WAITING, system_attrs={"fixed_params": {"x": 0.5}}),
    ]
    assert points_drawn(trials) == 2


def test_two_processes_at_one_server_draw_from_different_streams(
    make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(storage="postgresql://me@host/db")
    one = first_points(sweep)
    monkeypatch.setattr("socket.gethostname", lambda: "another machine")
    assert first_points(sweep) != one


def test_without_a_seed_every_start_differs(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(sampler={"name": "random", "seed": None})
    assert first_points(sweep) != first_points(sweep)


@pytest.mark.parametrize("name", ["tpe", "gp", "random"])
def test_a_sampler_learns_from_trials_and_stays_inside_the_space(name: str, make_sweep: MakeSweep) -> None:
    sweep = make_sweep(sampler={"name": name, "startup_trials": 4})
    study = optuna.create_study(sampler=make_sampler(sweep), direction="maximize")
    for _ in range(7):
        trial = study.ask()
        point = suggest(trial, sweep.space)
        check_point(sweep.space, point, "point")
        study.tell(trial, -abs(float(point["model.network.init_args.gat_dropout"] or 0) - 0.3))


def test_a_grid_tries_each_point_once_and_a_failed_one_again(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(space=GRID, sampler={"name": "grid"}, enqueue=[{"a": 2, "b": "y"}, {"a": 1}])
    study = optuna.create_study(sampler=make_sampler(sweep))
    for point in sweep.enqueue:
        study.enqueue_trial(point)
    failed: list[Point] = []

    def objective(trial: optuna.Trial) -> float:
        point = suggest(trial, sweep.space)
        if trial.number == 3:
            failed.append(point)
            raise ArithmeticError
        return 0.0

    study.optimize(objective, n_trials=7, catch=(ArithmeticError,))
    done = [tuple(t.params.values()) for t in study.get_trials(states=[TrialState.COMPLETE])]
    assert len(done) == len(set(done)) == 6 and tuple(failed[0].values()) in done
    assert done[0] == (2, "y") and done[1][0] == 1
    study.optimize(objective, n_trials=1)  # nothing is open: it draws again instead of failing


def test_a_grid_knows_an_enqueued_point_whose_steps_are_rounded(make_sweep: MakeSweep) -> None:
    # The third step of 0.1 is 0.30000000000000004, which nobody writes.
    step = {"type": "float", "low": 0.1, "high": 0.6, "step": 0.1}
    sweep = make_sweep(space={"a": step}, n_trials=6, sampler={"name": "grid"}, enqueue=[{"a": 0.3}])
    study = optuna.create_study(sampler=make_sampler(sweep))
    study.enqueue_trial(sweep.enqueue[0])
    study.optimize(lambda trial: float(suggest(trial, sweep.space)["a"]), n_trials=6)
    assert sorted(round(t.params["a"], 6) for t in study.trials) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    two = make_sweep(space={"a": step, "b": GRID["b"]}, sampler={"name": "grid"})
    study = optuna.create_study(sampler=make_sampler(two))
    for _ in range(2):
        study.enqueue_trial({"a": 0.3})
    study.optimize(lambda trial: float(suggest(trial, two.space)["a"]), n_trials=2)
    assert sorted(tuple(t.params.values()) for t in study.trials) == [(0.3, "x"), (0.3, "y")]


def test_a_grid_of_any_size_is_drawn_from_at_once(make_sweep: MakeSweep) -> None:
    keys = {f"k{i}": {"type": "int", "low": 1, "high": 10**9} for i in range(4)}
    sweep = make_sweep(space=keys, sampler={"name": "grid", "seed": 1}, enqueue=[{"k1": 7}])
    study = optuna.create_study(sampler=make_sampler(sweep))
    study.enqueue_trial(sweep.enqueue[0])
    study.optimize(lambda trial: float(sum(map(int, suggest(trial, sweep.space).values()))), n_trials=20)
    assert study.trials[0].params["k1"] == 7
    assert len({tuple(t.params.values()) for t in study.trials}) == 20


def stopped_after(sweep: SweepOptions, values: list[float]) -> int | None:
    """Epochs that a trial with these values gets, after 6 trials that were better at every epoch."""
    study = optuna.create_study(pruner=make_pruner(sweep), direction=sweep.direction)
    for _ in range(6):
        good = study.ask()
        for step in range(len(values)):
            good.report(1.0, step)
        study.tell(good, 1.0)
    trial = study.ask()
    for step, value in enumerate(values):
        trial.report(value, step)
        if trial.should_prune():
            return step + 1
    return None


@pytest.mark.parametrize("floor", [1, 2, 4])
@pytest.mark.parametrize("name", ["median", "hyperband"])
def test_no_trial_is_stopped_before_its_floor(name: str, floor: int, make_sweep: MakeSweep) -> None:
    sweep = make_sweep(pruner={"name": name, "floor_epochs": floor}, limits={"epochs": 9})
    stopped = stopped_after(sweep, [0.0] * 9)
    assert stopped == floor if name == "median" else stopped is None or stopped >= floor


def test_hyperband_stops_the_poor_and_spares_the_best(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(pruner={"name": "hyperband", "floor_epochs": 2}, limits={"epochs": 27})
    study = optuna.create_study(pruner=make_pruner(sweep), direction="maximize")
    epochs = []
    for number in range(30):
        trial = study.ask()
        for step in range(27):
            trial.report(float(number % 7), step)
            if trial.should_prune():
                break
        epochs.append(step + 1)
        study.tell(trial, float(number % 7))
    assert min(epochs) >= 2 and sum(epochs) < 0.8 * 30 * 27
    assert any(e == 27 for e, n in zip(epochs, range(30), strict=True) if n % 7 == 6)


def test_patient_waits_while_a_trial_still_improves(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(pruner={"name": "patient", "floor_epochs": 1}, limits={"epochs": 9})
    assert stopped_after(sweep, [0.1 * i for i in range(9)]) is None
    assert stopped_after(sweep, [0.5] + [0.1] * 8) == 5


def test_none_stops_nothing(make_sweep: MakeSweep) -> None:
    assert stopped_after(make_sweep(pruner={"name": "none"}), [0.0] * 9) is None
