"""Schedules: their shape, their floors, the groups' ratio, and exact resumption."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LRScheduler

from atft.errors import InputError
from atft.optim.schedules import Schedule, WarmRestarts, WarmupConstant, WarmupCosine

MAKERS: list[Callable[[Optimizer], Schedule]] = [WarmupCosine, WarmRestarts, WarmupConstant]


def optimizer(lr: float = 0.1, second: float = 0.02) -> SGD:
    groups = [
        {"params": [nn.Parameter(torch.ones(1))]},
        {"params": [nn.Parameter(torch.ones(1))], "lr": second},
    ]
    return SGD(groups, lr=lr)


def rate(schedule: LRScheduler) -> float:
    return float(schedule.optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("make", MAKERS)
def test_a_schedule_is_torchs_and_ours(make: Callable[..., Schedule]) -> None:
    schedule = make(optimizer())
    assert isinstance(schedule, LRScheduler) and isinstance(schedule, Schedule)


def test_warm_up_rises_to_the_peak_and_the_cosine_falls_to_the_floor() -> None:
    schedule = WarmupCosine(optimizer(), warmup_epochs=2, eta_min_ratio=0.1)
    assert rate(schedule) == pytest.approx(0.001)
    schedule.bind(10)
    rates = {}
    for epoch in (1, 2, 6, 10, 11):
        schedule.advance(epoch)
        rates[epoch] = rate(schedule)
    assert rates == pytest.approx({1: 0.0505, 2: 0.1, 6: 0.055, 10: 0.01, 11: 0.01})
    assert schedule.get_last_lr() == [pytest.approx(0.01), pytest.approx(0.002)]


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_the_last_step_of_a_run_has_the_least_rate_and_what_follows_it_the_floor_to_the_bit(
    floor: float,
) -> None:
    schedule, steps, epochs = WarmupCosine(optimizer(), warmup_epochs=0.5, eta_min_ratio=floor), 100, 4
    schedule.bind(epochs)
    rates = []
    for step in range(steps * epochs):
        rates.append(rate(schedule))  # of the step that is taken now
        schedule.advance((step + 1) / steps)
    assert rates.index(max(rates)) == 50 and rates[50:] == sorted(rates[50:], reverse=True)
    assert rate(schedule) == floor * 0.1
    assert rates[-1] - floor * 0.1 == pytest.approx(0.1 * (1 - floor) * (math.pi / 2 / 350) ** 2, rel=1e-3)


def test_a_constant_rate_rises_over_the_warm_up_and_stays_whatever_the_length() -> None:
    schedule = WarmupConstant(optimizer(), warmup_epochs=2)
    rates = {0: rate(schedule)}
    schedule.bind(3)
    for epoch in (1, 2, 3, 30):
        schedule.advance(epoch)
        rates[epoch] = rate(schedule)
    assert rates == pytest.approx({0: 0.001, 1: 0.0505, 2: 0.1, 3: 0.1, 30: 0.1})
    assert rate(WarmupConstant(optimizer(), warmup_epochs=0)) == 0.1


@pytest.mark.parametrize("make", [WarmupCosine, WarmupConstant])
def test_a_warm_up_takes_an_epoch_by_default(make: Callable[..., Schedule]) -> None:
    schedule = make(optimizer())
    schedule.bind(10)
    rates = []
    for epoch in (0.5, 0.9, 1.0):
        schedule.advance(epoch)
        rates.append(rate(schedule))
    assert rates == pytest.approx([0.0505, 0.0901, 0.1])


def test_without_a_warm_up_the_first_step_has_the_full_rate() -> None:
    schedule = WarmupCosine(optimizer(), warmup_epochs=0)
    assert rate(schedule) == 0.1


def test_epochs_of_its_own_win_over_the_runs_length() -> None:
    schedule = WarmupCosine(optimizer(), epochs=4)
    schedule.bind(100)
    schedule.advance(4)
    assert rate(schedule) == 0


@pytest.mark.parametrize("options", [{}, {"T_0": 1, "T_mult": 1}])
def test_warm_restarts_equal_torchs_at_any_fraction_of_an_epoch(options: dict[str, int]) -> None:
    ours, theirs = WarmRestarts(optimizer(second=0.1), eta_min_ratio=0.01, **options), optimizer(second=0.1)
    oracle = CosineAnnealingWarmRestarts(theirs, **{"T_0": 3, "T_mult": 2, **options}, eta_min=1e-3)
    for i in range(210):
        epoch = i / 10
        ours.advance(epoch)
        oracle.step(epoch)
        assert rate(ours) == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-12), epoch
    for restart in (3, 9, 21, 45):
        ours.advance(restart)
        assert rate(ours) == 0.1


@pytest.mark.parametrize(
    "make", [WarmupCosine, WarmupConstant, lambda o: WarmRestarts(o, eta_min_ratio=0.01)]
)
def test_groups_keep_their_ratio(make: Callable[[Optimizer], Schedule]) -> None:
    schedule = make(optimizer())
    schedule.bind(10)
    for i in range(101):
        schedule.advance(i / 10)
        first, second = (g["lr"] for g in schedule.optimizer.param_groups)
        assert second == pytest.approx(first / 5)


def test_warm_restarts_fall_to_a_share_of_the_rate() -> None:
    schedule = WarmRestarts(optimizer(lr=1e-5), eta_min_ratio=0.2)
    schedule.advance(3 - 1e-9)
    assert rate(schedule) == pytest.approx(2e-6)


@pytest.mark.parametrize("make", MAKERS)
def test_a_resumed_schedule_continues_exactly(make: Callable[[Optimizer], Schedule]) -> None:
    whole, first = make(optimizer()), make(optimizer())
    for schedule in (whole, first):
        schedule.bind(10)
    for i in range(37):
        whole.advance(i / 8)
        first.advance(i / 8)
    second = make(optimizer())
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.bind(10)
    assert rate(second) == rate(whole)
    for i in range(37, 80):
        whole.advance(i / 8)
        second.advance(i / 8)
        assert rate(second) == rate(whole)


def test_a_run_resumed_for_longer_keeps_learning() -> None:
    first, second = WarmupCosine(optimizer()), WarmupCosine(optimizer())
    first.bind(10)
    first.advance(10)
    second.bind(20)
    second.load_state_dict(first.state_dict())
    assert rate(first) == 0 and rate(second) == pytest.approx(0.1 * second.factor(10))
    second.advance(10.5)
    assert rate(second) == pytest.approx(0.05, abs=1e-9)


def test_a_state_dict_holds_plain_numbers() -> None:
    for make in MAKERS:
        state = make(optimizer()).state_dict()
        plain = (int, float, bool, str, list, type(None))
        assert all(isinstance(v, plain) for v in state.values()), state


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda o: WarmRestarts(o, eta_min_ratio=1.0),
            r"WarmRestarts.eta_min_ratio must be at least 0 and below 1, got 1.0",
        ),
        (lambda o: WarmRestarts(o, T_0=0), r"T_0 >= 1 and T_mult >= 1, got T_0=0"),
        (lambda o: WarmRestarts(o, T_mult=0), r"got T_0=3, T_mult=0"),
        (lambda o: WarmupCosine(o, warmup_epochs=-1), r"^WarmupCosine.warmup_epochs must be at least 0"),
        (
            lambda o: WarmupConstant(o, warmup_epochs=-1),
            r"WarmupConstant.warmup_epochs must be at least 0 and finite, got -1",
        ),
        (lambda o: WarmupConstant(o, warmup_epochs=math.inf), r"warmup_epochs must be at least 0 and finite"),
        (lambda o: WarmupCosine(o, warmup_epochs=3, epochs=3), r"\(3\), got 3; lengthen the run or"),
        (lambda o: WarmupCosine(o, eta_min_ratio=1.5), r"eta_min_ratio must be at least 0 and below 1"),
        (
            lambda o: WarmupCosine(o).bind(-1),
            r"trainer.max_epochs above warmup_epochs \(1\), got -1; set a number of epochs",
        ),
        (lambda o: WarmupCosine(o).advance(1.5), r"does not know the run's length"),
    ],
)
def test_what_cannot_work_is_an_error_of_one_line(make: Callable[[Optimizer], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(optimizer())


def test_the_rate_is_a_smooth_half_cosine() -> None:
    schedule = WarmupCosine(optimizer(), warmup_epochs=0, epochs=1)
    schedule.advance(0.25)
    assert rate(schedule) == pytest.approx(0.1 * (1 + math.cos(math.pi / 4)) / 2)
