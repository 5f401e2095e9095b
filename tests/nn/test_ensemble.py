"""Members side by side: each trains as it would alone, has one vote, and is built by the task's own key."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.daily.network_scorer import load_network
from atft.errors import InputError
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.network import Explainable, Network, NetworkInputs, Pretrainable, Scaling, build_network
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.ensemble import Ensemble, ensemble_of, member_of
from atft.nn.member_ranks import mean_of_ranks
from atft.nn.ranking_network import RankingNetwork
from atft.nn.tabm import TabM
from atft.tasks.network_check import try_states
from atft.tasks.ranking import RankingTask
from networks import inputs_of
from small_task import IN_MEMORY, fit, small_task

MakeBatch = Callable[..., DayBatch]
pytestmark = IN_MEMORY
SMALL = partial(ATFTGATFAN, hidden_size=8, gat_layers=1)


def ensemble(members: int = 3, network: Callable[..., torch.nn.Module] = SMALL) -> Ensemble:
    torch.manual_seed(0)
    return Ensemble(inputs_of(), network, members)


def test_members_are_what_so_many_networks_built_in_a_row_are(make_batch: MakeBatch) -> None:
    batch, both = make_batch(stocks=30), ensemble(2).eval()
    torch.manual_seed(0)
    alone = [SMALL(inputs_of()).eval() for _ in range(2)]
    forecast = both(batch)
    scores = torch.stack([network(batch).score for network in alone], dim=-1)
    assert torch.equal(forecast.members, scores) and not torch.equal(scores[..., 0], scores[..., 1])
    assert torch.equal(forecast.score, mean_of_ranks(scores, batch.universe))


def test_each_member_gets_the_gradient_of_its_own_loss(make_batch: MakeBatch) -> None:
    batch, both = make_batch(stocks=30), ensemble(2).eval()
    objective = DayObjective(ObjectiveOptions(terms={"ic": 1.0}), (1, 5), ())
    objective(both(batch), batch).loss.mean().backward()
    torch.manual_seed(0)
    for member in both.networks:
        network = SMALL(inputs_of()).eval()
        objective(network(batch), batch).loss.mean().backward()
        for ours, alone in zip(member.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, alone.grad / 2, atol=1e-6, rtol=1e-4)


def test_scaling_reaches_each_member_and_while_training_the_score_is_their_mean(
    make_batch: MakeBatch,
) -> None:
    batch, both = make_batch(stocks=30), ensemble(2).eval()
    before = both(batch).members
    both.set_scaling(Scaling(torch.full((5,), 0.5), torch.full((5,), 3.0), torch.zeros(0), torch.ones(0)))
    forecast = both(batch)
    for number, member in enumerate(both.networks):
        assert not torch.allclose(forecast.members[..., number], before[..., number])
        assert torch.equal(forecast.members[..., number], member(batch).score)
    trained = both.train()(batch)
    torch.testing.assert_close(trained.score, trained.members.mean(-1))


def test_explanations_are_the_members_mean_and_states_stand_side_by_side(make_batch: MakeBatch) -> None:
    batch, both = make_batch(stocks=30), ensemble(2).eval()
    for parts_on in ({}, {"graph": True}, {"graph": False}):
        both.set_parts(**parts_on)
        of_members = [member.explain(batch) for member in both.networks]
        for whole, *parts in zip(both.explain(batch), *of_members, strict=True):
            assert (whole is None) == (parts[0] is None)
            if whole is not None:
                torch.testing.assert_close(whole, (parts[0] + parts[1]) / 2)
    assert both.explain(batch).neighbours is None
    states = [member.encode(batch) for member in both.networks]
    assert torch.equal(both.encode(batch), torch.cat(states, dim=2))


def test_parts_and_groups_are_those_of_all_members() -> None:
    both = ensemble(2)
    alone = [member.parameter_groups() for member in both.networks]
    groups = both.parameter_groups()
    for name, group in groups.items():
        assert list(map(id, group)) == [id(p) for of_member in alone for p in of_member[name]]
    assert groups.keys() == alone[0].keys()
    both.set_parts(graph=False)
    assert not both.parts["graph"] and not any(p.requires_grad for p in groups["graph"])
    assert both.reads == both.networks[0].reads and both.horizons == (1, 5)
    with pytest.raises(InputError, match="no part 'no_such'"):
        both.set_parts(no_such=False)


def test_an_ensemble_of_ensembles_has_each_of_their_members(make_batch: MakeBatch) -> None:
    inner = partial(TabM, k=4, hidden_size=8, encoding="none")
    assert ensemble(3, inner)(make_batch()).members.shape[-1] == 12


def test_quantiles_are_the_mean_and_ascend(make_batch: MakeBatch) -> None:
    both = ensemble(2, partial(SMALL, quantiles=[0.1, 0.5, 0.9])).eval()
    batch = make_batch()
    of_members = torch.stack([member(batch).quantiles for member in both.networks])
    assert both.quantiles == (0.1, 0.5, 0.9)
    assert torch.equal(both(batch).quantiles, of_members.mean(0))


def test_it_explains_and_pretrains_only_where_its_members_do() -> None:
    class Plain(RankingNetwork):
        def __init__(self, inputs: NetworkInputs) -> None:
            super().__init__(inputs)
            self.bias = torch.nn.Parameter(torch.zeros(1))

        def forward(self, batch: DayBatch) -> None: ...

    able, plain = ensemble(2), ensemble(2, Plain)
    for kind in (Explainable, Pretrainable):
        assert isinstance(able, kind) and not isinstance(plain, kind)
    assert isinstance(plain, Network)


@pytest.mark.parametrize("members", [0, -1, 65])
def test_a_number_of_members_out_of_range_is_named(members: int) -> None:
    with pytest.raises(InputError, match=f"model.members must be 1 to 64, got {members}"):
        ensemble_of(SMALL, members)


def test_what_a_member_cannot_be_built_with_is_named_as_without_members() -> None:
    with pytest.raises(InputError, match="encoder must be one of scan, lstm, none, got 'lsmt'"):
        build_network(ensemble_of(partial(SMALL, encoder="lsmt"), 2), inputs_of())


def test_a_checkpoint_restores_the_members_of_its_task(make_batch: MakeBatch, tmp_path: Path) -> None:
    assert ensemble_of(SMALL, 1) is SMALL
    task, batch = small_task(members=3), make_batch()
    trainer = fit(task, [batch], tmp_path)
    trainer.save_checkpoint(tmp_path / "three.ckpt")
    again = RankingTask.load_from_checkpoint(tmp_path / "three.ckpt")
    assert isinstance(again.network, Ensemble)
    members = task.eval()(batch).members
    loaded = load_network(tmp_path / "three.ckpt").score.args[0]  # as predict --last reads it
    assert torch.equal(again.eval()(batch).members, members) and members.shape[-1] == 3
    assert torch.equal(loaded(batch).members, members)


def test_scores_of_eight_bits_are_ranked_in_full_precision(make_batch: MakeBatch) -> None:
    class Coarse(RankingNetwork):
        def __init__(self, inputs: NetworkInputs) -> None:
            super().__init__(inputs)
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, batch: DayBatch) -> Forecast:
            stocks = torch.arange(batch.universe.shape[1]).expand(batch.universe.shape)
            return Forecast((self.scale * stocks)[..., None].expand(-1, -1, 2).bfloat16())

    batch = make_batch(stocks=200)
    score = ensemble(2, Coarse).eval()(batch).score
    assert score.dtype == torch.float32
    # Numbers up to 256 are exact in bfloat16, so no two stocks tie.
    assert len(score[0, batch.universe[0], 0].unique()) == int(batch.universe[0].sum())


def test_messages_name_the_class_of_a_member() -> None:
    class Lazy(RankingNetwork):
        def __init__(self, inputs: NetworkInputs) -> None:
            super().__init__(inputs)
            self.bias = torch.nn.Parameter(torch.zeros(1))

    both = ensemble(2, Lazy)
    assert type(member_of(both)) is Lazy and member_of(both.networks[1]) is both.networks[1]
    with pytest.raises(InputError, match="Lazy: has no encode"):
        try_states(both, inputs_of())
