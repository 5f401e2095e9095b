"""Parts of a network step at their own multiple of the schedule's rate, or rest."""

from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import StepLR

from atft.optim.adabelief import AdaBelief
from atft.optim.phase_rates import largest_rate, named_groups, phase_rates, set_factors


def parts() -> dict[str, list[torch.nn.Parameter]]:
    return {name: [torch.nn.Parameter(torch.ones(3))] for name in ("graph", "heads")}


def step(optimizer: torch.optim.Optimizer, *trained: torch.nn.Parameter) -> None:
    for parameter in trained:
        parameter.grad = torch.ones_like(parameter)
    with phase_rates(optimizer):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def test_a_part_that_asks_for_no_gradient_has_no_group() -> None:
    groups = parts()
    groups["graph"][0].requires_grad_(False)
    assert [g["name"] for g in named_groups(groups)] == ["heads"]


def test_a_factor_multiplies_the_schedules_rate_and_never_enters_it() -> None:
    groups = parts()
    optimizer = torch.optim.SGD(named_groups(groups), lr=0.1)
    schedule = StepLR(optimizer, 1, gamma=0.5)  # computes its next rate from the present one
    set_factors(optimizer, {"graph": 0.1})
    step(optimizer, *(p for part in groups.values() for p in part))
    assert float(groups["graph"][0].detach()[0]) == pytest.approx(1 - 0.01)
    assert float(groups["heads"][0].detach()[0]) == pytest.approx(1 - 0.1)
    schedule.step()
    assert [g["lr"] for g in optimizer.param_groups] == [0.05, 0.05]


def test_where_no_phase_has_set_a_factor_a_group_steps_at_its_own_rate() -> None:
    groups = parts()
    optimizer = torch.optim.SGD(named_groups(groups), lr=0.1)
    step(optimizer, *(p for part in groups.values() for p in part))
    assert all(part[0].tolist() == pytest.approx([0.9] * 3) for part in groups.values())
    assert largest_rate(optimizer) == 0.1


def test_the_rates_are_back_when_a_step_fails() -> None:
    optimizer = torch.optim.SGD(named_groups(parts()), lr=0.1)
    set_factors(optimizer, {"graph": 0.1, "heads": 0.1})
    with pytest.raises(RuntimeError, match="out of memory"), phase_rates(optimizer):
        raise RuntimeError("out of memory")
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.1]


def test_the_largest_rate_is_that_of_a_part_that_trains() -> None:
    groups = parts()
    optimizer = torch.optim.SGD(named_groups(groups), lr=0.1)
    set_factors(optimizer, {"graph": 2.0, "heads": 0.5})
    assert largest_rate(optimizer) == pytest.approx(0.2)
    groups["graph"][0].requires_grad_(False)
    assert largest_rate(optimizer) == pytest.approx(0.05)
    groups["heads"][0].requires_grad_(False)
    assert largest_rate(optimizer) == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [(torch.optim.AdamW, {"weight_decay": 0.5}), (AdaBelief, {"weight_decay": 0.5})],
    ids=["AdamW", "AdaBelief"],
)
def test_a_frozen_part_is_not_even_decayed_and_keeps_its_moments(kind: Any, options: Any) -> None:
    groups = parts()
    graph, heads = groups["graph"][0], groups["heads"][0]
    optimizer = kind(named_groups(groups), lr=0.1, **options)
    step(optimizer, graph, heads)
    before, moments = (
        graph.detach().clone(),
        {k: torch.as_tensor(v).clone() for k, v in optimizer.state[graph].items()},
    )
    graph.requires_grad_(False)
    for _ in range(3):
        step(optimizer, heads)
    assert torch.equal(graph, before)
    assert all(torch.equal(torch.as_tensor(optimizer.state[graph][k]), v) for k, v in moments.items())
    graph.requires_grad_(True)
    step(optimizer, graph, heads)
    assert not torch.equal(graph, before)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, AdaBelief, torch.optim.SGD])
def test_groups_of_one_rate_step_as_a_single_group_does(kind: Any) -> None:
    grouped, single = parts(), parts()
    apart = kind(named_groups(grouped), lr=0.1)
    together = kind([p for part in single.values() for p in part], lr=0.1)
    for _ in range(3):
        step(apart, *(p for part in grouped.values() for p in part))
        step(together, *(p for part in single.values() for p in part))
    assert all(torch.equal(grouped[n][0], single[n][0]) for n in grouped)
