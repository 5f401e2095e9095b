"""A phase computes what a network built without the part computes; one that did not hold is caught."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.curriculum.phase import Phase
from atft.callbacks.curriculum.plan import ResolvedPhase, resolve
from atft.callbacks.curriculum.state import apply_phase, check_state, fingerprints
from atft.errors import PhaseNotApplied
from atft.losses.objective import ObjectiveOptions
from atft.nn.network import ATFTGATFAN
from atft.nn.options import PARTS, NetworkOptions
from atft.tasks.ranking import RankingTask

OPTIONS = NetworkOptions(hidden_size=8, gat_layers=1, horizons=[1, 5], dropout=0.0, gat_dropout=0.0)


def task() -> RankingTask:
    torch.manual_seed(0)
    return RankingTask(
        network=OPTIONS,
        objective=ObjectiveOptions(terms={"ic": 1.0, "rank_ic": 0.0}),
        optimizer=partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5),
        features=[f"x_{i}" for i in range(5)],
    )


def resolved(owner: RankingTask, **options: Any) -> ResolvedPhase:
    (phase,) = resolve([Phase("p", 1, **options)], OPTIONS, owner.objective.options)
    return phase


@pytest.mark.parametrize("part", PARTS)
def test_a_phase_computes_what_a_network_built_without_the_part_computes(
    part: str, make_batch: Callable[..., DayBatch]
) -> None:
    phased, batch = task(), make_batch()
    apply_phase(resolved(phased, parts={part: False}), phased, phased.build_optimizer(1)[0])
    switched: dict[str, Any] = {part: False}
    without = ATFTGATFAN(replace(OPTIONS, **switched), n_features=5)
    without.load_state_dict(phased.network.state_dict())
    ours, theirs = phased.network(batch).score, without(batch).score
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, task().network(batch).score)
    for score in (ours, theirs):
        score.square().sum().backward()
    for (name, one), other in zip(phased.network.named_parameters(), without.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        assert one.grad is None or torch.equal(one.grad, other.grad), name  # type: ignore[arg-type]


COMPILED = """
import sys
import torch
from atft.batch import DayBatch
from atft.nn.network import ATFTGATFAN, NetworkOptions

torch.manual_seed(0)
batch = DayBatch(*torch.load(sys.argv[1]))
options = NetworkOptions(hidden_size=8, gat_layers=1, horizons=[1, 5], dropout=0.0, gat_dropout=0.0)
network = ATFTGATFAN(options, n_features=5)
compiled = torch.compile(network, backend="aot_eager")
seen = []
for switches in ({"graph": False}, {"graph": True, "fan": False}, {"fan": True}):
    network.set_parts(**switches)
    trained = [p for p in network.parameters() if p.requires_grad]
    scores = [compiled(batch).score, network(batch).score]
    ours, theirs = (torch.autograd.grad(s.square().sum(), trained) for s in scores)
    torch.testing.assert_close(scores[0], scores[1])
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    seen.append(scores[0].detach())
assert not torch.allclose(seen[0], seen[1]) and not torch.allclose(seen[1], seen[2])
print("followed")
"""


@pytest.mark.slow
def test_a_compiled_network_follows_a_switch(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    # In a process of its own: the tests' shape checker cannot be traced.
    torch.save(tuple(make_batch()), tmp_path / "batch.pt")
    words = [sys.executable, "-c", COMPILED, str(tmp_path / "batch.pt")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout == "followed\n", done.stderr[-2000:]


def stepped(owner: RankingTask, phase: ResolvedPhase, batch: DayBatch) -> tuple[Any, dict[str, torch.Tensor]]:
    """One step of a phase: the optimiser, and what rested before it."""
    optimizer = owner.build_optimizer(1)[0]
    apply_phase(phase, owner, optimizer)
    resting = fingerprints(owner, phase)
    owner.objective(owner(batch), batch).loss.mean().backward()
    optimizer.step()
    return optimizer, resting


def test_a_step_moves_exactly_the_groups_that_train(make_batch: Callable[..., DayBatch]) -> None:
    phased = task()
    phase = resolved(phased, train=["heads", "graph"])
    before = {n: [p.detach().clone() for p in g] for n, g in phased.network.parameter_groups().items()}
    check_state(phase, phased, *stepped(phased, phase, make_batch()))
    moved = {
        name
        for name, group in phased.network.parameter_groups().items()
        if any(not torch.equal(p, q) for p, q in zip(group, before[name], strict=True))
    }
    assert moved == {"heads", "graph"}


def switch_on(owner: RankingTask, optimizer: Any) -> None:
    owner.network.switches["fan"] = True


def rest(owner: RankingTask, optimizer: Any) -> None:
    next(owner.network.heads.parameters()).requires_grad_(False)


def train_more(owner: RankingTask, optimizer: Any) -> None:
    owner.network.set_parts(fan=True)
    owner.network.switches["fan"] = False


def move_resting(owner: RankingTask, optimizer: Any) -> None:
    with torch.no_grad():
        next(owner.network.part_parameters("fan")).mul_(1.001)


def forget_factor(owner: RankingTask, optimizer: Any) -> None:
    optimizer.param_groups[0]["phase_factor"] = 1.0


def forget_weight(owner: RankingTask, optimizer: Any) -> None:
    owner.objective.set_weights({})


def forget_group(owner: RankingTask, optimizer: Any) -> None:
    optimizer.param_groups[-1]["params"] = []


@pytest.mark.parametrize(
    ("sabotage", "message"),
    [
        (switch_on, "part fan was switched otherwise"),
        (rest, "heads rested"),
        (train_more, "fan trained"),
        (move_resting, "fan rests and has moved"),
        (forget_factor, "variable_selection stepped at x1.0"),
        (forget_weight, "term rank_ic weighed 0.0"),
        (forget_group, "heads is unknown to the optimiser"),
    ],
)
def test_a_phase_that_did_not_hold_is_caught(
    sabotage: Callable[..., None], message: str, make_batch: Callable[..., DayBatch]
) -> None:
    phased = task()
    phase = resolved(phased, parts={"fan": False}, lr_factor=0.5, terms={"rank_ic": 0.3})
    optimizer, resting = stepped(phased, phase, make_batch())
    check_state(phase, phased, optimizer, resting)
    sabotage(phased, optimizer)
    with pytest.raises(PhaseNotApplied, match=f"phase p was not applied: {message}"):
        check_state(phase, phased, optimizer, resting)
