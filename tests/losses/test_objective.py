"""The objective: weights do what they say, days without labels weigh nothing, moments survive a
checkpoint.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.cross_section import pearson, rank_uniform
from atft.errors import InputError
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.losses.portfolio import book_return, turnover
from gradient_shares import gradient_shares

MakeBatch = Callable[..., DayBatch]


def forecast(batch: DayBatch, seed: int = 0) -> Forecast:
    noise = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(seed))
    return Forecast((noise + 10 * batch.target.nan_to_num(0)).requires_grad_())


def test_the_loss_is_the_weighted_sum_of_the_terms_of_each_day(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=30)
    options = ObjectiveOptions()
    value = DayObjective(options, [1, 5])(forecast(batch), batch)
    assert list(value.terms) == list(options.terms) and value.loss.shape == (4,)
    total = sum(weight * value.terms[name] for name, weight in options.terms.items())
    torch.testing.assert_close(value.loss.detach(), total)
    assert not any(t.requires_grad for t in value.terms.values()) and value.loss.requires_grad


def test_horizon_weights_choose_between_the_horizons(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=30)
    scores = forecast(batch)

    def loss(weights: list[float] | dict[int, float] | None) -> torch.Tensor:
        options = ObjectiveOptions(terms={"ic": 1.0}, horizon_weights=weights)
        return DayObjective(options, [1, 5])(scores, batch).loss

    first, second = loss([1.0, 0.0]), loss([0.0, 1.0])
    torch.testing.assert_close(loss([1.0, 3.0]), 0.25 * first + 0.75 * second)
    torch.testing.assert_close(loss({5: 3.0, 1: 1.0}), 0.25 * first + 0.75 * second)
    torch.testing.assert_close(loss(None), 0.5 * first + 0.5 * second)


def test_a_horizon_that_a_day_cannot_rank_drops_out_and_the_others_share_its_weight(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=3, stocks=30)
    valid = batch.valid.clone()
    valid[1, :, 1] = False
    valid[1, 4, 1] = True
    batch = batch._replace(valid=valid)
    scores = forecast(batch)
    terms = {"huber": 0.5, "rank_ic": 0.5}
    both = DayObjective(ObjectiveOptions(terms=terms, horizon_weights=[1.0, 3.0]), [1, 5])(scores, batch).loss
    first = DayObjective(ObjectiveOptions(terms=terms, horizon_weights=[1.0, 0.0]), [1, 5])(
        scores, batch
    ).loss
    torch.testing.assert_close(both[1], first[1])
    assert not torch.isclose(both[0], first[0])
    valid[1, 7, 1] = True  # two stocks have an order
    pair = batch._replace(valid=valid, target=batch.target.nan_to_num(0.01))
    objective = DayObjective(ObjectiveOptions(terms={"huber": 1.0}, horizon_weights=[0.0, 1.0]), [1, 5])
    assert objective(scores, pair).loss[1] > 0


def test_quantiles_are_compared_with_the_transformed_returns_of_the_valid_stocks(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=3, stocks=30)
    batch = batch._replace(target=batch.target.double())
    for target, transform in (("raw", lambda t, v: t), ("rank", rank_uniform)):
        compared = DayObjective(ObjectiveOptions(target=target), [1, 5]).compared(batch)
        assert compared.dtype == torch.float32 and compared.shape == batch.target.shape
        for day, horizon in np.ndindex(3, 2):
            valid = batch.valid[day, :, horizon]
            expected = transform(batch.target[day, :, horizon], valid).float()
            torch.testing.assert_close(compared[day, valid, horizon], expected[valid])
        assert compared[~batch.valid].isnan().all()


def test_present_weights_make_the_loss_and_the_gradient_shares_and_can_be_given_back(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=4, stocks=30)
    scores = forecast(batch)
    terms = {"huber": 0.1, "ic": 0.3, "rank_ic": 0.5}
    objective = DayObjective(ObjectiveOptions(terms=terms), [1, 5]).eval()
    built = objective(scores, batch)
    objective.set_weights({"huber": 0.0, "ic": 2.0}, horizons={5: 3.0, 1: 1.0})
    assert objective.term_weights == {"huber": 0.0, "ic": 2.0, "rank_ic": 0.5}
    asked = ObjectiveOptions(terms={"huber": 0.0, "ic": 2.0, "rank_ic": 0.5}, horizon_weights=[1.0, 3.0])
    same = DayObjective(asked, [1, 5]).eval()
    torch.testing.assert_close(objective(scores, batch).loss, same(scores, batch).loss, rtol=0, atol=0)
    assert objective(scores, batch).terms["huber"].gt(0).all(), "a weight of 0 is still reported"
    shares = gradient_shares(objective, scores, batch)
    assert shares == gradient_shares(same, scores, batch) and shares["huber"] == 0 < shares["ic"]
    objective.set_weights({"ic": 0.1})
    assert objective.term_weights == {**terms, "ic": 0.1}, (
        "what is not named has the weight it was built with"
    )
    assert objective.horizon_weights.tolist() == [0.25, 0.75], "None leaves the horizons"
    objective.set_weights(horizons=[1.0, 1.0])
    assert objective.term_weights["ic"] == 0.1, "None leaves the terms"
    objective.set_weights({})
    torch.testing.assert_close(objective(scores, batch).loss, built.loss, rtol=0, atol=0)
    assert set(objective.state_dict()) == {"moments.mean", "moments.square", "moments.days"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"terms": {"rankic": 1.0}}, r"no term 'rankic' to weigh; did you mean 'rank_ic'\?$"),
        ({"terms": {"huber": 1.0}}, r"no term 'huber' to weigh; known: ic, rank_ic$"),
        ({"terms": {"ic": float("inf")}}, r"model.objective.terms.ic must be a number >= 0, got inf$"),
        ({"terms": {"ic": 0.0, "rank_ic": 0.0}}, r"at least one term a weight above 0$"),
        ({"horizons": {1: 1.0}}, r"must name each of the horizons \[1, 5\], got \[1\]$"),
        ({"horizons": [0.0, 0.0]}, r"must be >= 0 and not all 0"),
    ],
)
def test_weights_that_do_not_fit_the_objective_are_errors_and_change_nothing(
    weights: dict[str, Any], message: str
) -> None:
    objective = DayObjective(ObjectiveOptions(terms={"ic": 1.0, "rank_ic": 0.5}), [1, 5])
    with pytest.raises(InputError, match=message):
        objective.set_weights(**weights)
    assert objective.term_weights == {"ic": 1.0, "rank_ic": 0.5}
    assert objective.horizon_weights.tolist() == [0.5, 0.5]


def test_a_phase_and_the_balance_cannot_both_weigh_the_terms() -> None:
    options = ObjectiveOptions(terms={"ic": 1.0, "rank_ic": 1.0}, gradient_shares={"ic": 1.0, "rank_ic": 3.0})
    objective = DayObjective(options, [1, 5])
    objective.set_weights(horizons=[1.0, 3.0])
    with pytest.raises(InputError, match=r"gradient_shares adapts .* and a phase sets them; leave out one"):
        objective.set_weights({"ic": 0.5})
    assert objective.term_weights == options.terms


def test_neutral_targets_change_what_scores_are_compared_with_and_not_what_the_book_earns(
    make_batch: MakeBatch,
) -> None:
    batch, names = make_batch(days=4, stocks=60), ["exposure_a", "exposure_b"]
    options = ObjectiveOptions(terms={"ic": 1.0, "sharpe": 0.1}, target="rank", neutral_to=["sector", *names])
    plain, neutral = DayObjective(replace(options, neutral_to=[]), [1, 5]), DayObjective(options, [1, 5])
    neutral.neutral_targets.set_columns(names)
    assert neutral.state_dict().keys() == plain.state_dict().keys()
    scores = forecast(batch)
    before, after = plain.eval()(scores, batch), neutral.eval()(scores, batch)
    assert torch.equal(before.terms["sharpe"], after.terms["sharpe"])
    assert not torch.isclose(before.terms["ic"], after.terms["ic"]).any()
    valid = batch.valid.movedim(-1, 1)
    left = neutral.neutral_targets(batch.target.movedim(-1, 1), valid, batch.sector, batch.exposure)
    score = scores.score.detach().movedim(-1, 1)
    ic = 1 - pearson(score, rank_uniform(left, valid), valid).mean(-1)
    torch.testing.assert_close(after.terms["ic"], ic)


def test_days_without_labels_have_loss_zero_and_no_gradient(make_batch: MakeBatch) -> None:
    batch = make_batch(days=2, stocks=10)
    batch = batch._replace(
        valid=torch.zeros_like(batch.valid), target=torch.full_like(batch.target, torch.nan)
    )
    objective, scores = DayObjective(ObjectiveOptions(), [1, 5]), forecast(batch)
    value = objective(scores, batch)
    value.loss.sum().backward()
    assert value.loss.eq(0).all() and scores.score.grad is not None and scores.score.grad.eq(0).all()
    assert objective.moments.days.eq(0).all() and objective.moments.square.eq(0).all()


def test_low_precision_scores_are_valued_in_float32_and_double_ones_in_float64(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=50)
    objective = DayObjective(ObjectiveOptions(), [1, 5]).eval()
    half = Forecast(forecast(batch).score.detach().bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = objective(half, batch)
    assert value.loss.dtype == torch.float32
    torch.testing.assert_close(value.loss, objective(Forecast(half.score.float()), batch).loss)
    assert objective(Forecast(half.score.double()), batch).loss.dtype == torch.float64


def test_moments_follow_the_book_and_only_while_training(make_batch: MakeBatch) -> None:
    objective = DayObjective(
        ObjectiveOptions(terms={"sharpe": {"weight": 1.0, "half_life_days": 1e9}}), [1, 5]
    )
    batches = [make_batch(days=4, stocks=30, seed=s) for s in range(3)]
    for i, batch in enumerate(batches):
        objective(forecast(batch, i), batch)
    returns = torch.cat(
        [
            book_return(
                forecast(b, i).score.movedim(-1, 1).detach(), b.target.movedim(-1, 1), b.valid.movedim(-1, 1)
            )
            for i, b in enumerate(batches)
        ]
    )
    # With an endless half-life the mean square is that of all days; a short one follows.
    torch.testing.assert_close(objective.moments.square, (returns**2).mean(0))
    assert objective.moments.days.eq(12).all() and objective.moments.mean.abs().max() < 1e-6
    quick = DayObjective(ObjectiveOptions(terms={"sharpe": {"weight": 1.0, "half_life_days": 1e-3}}), [1, 5])
    for i, batch in enumerate(batches):
        quick(forecast(batch, i), batch)
    torch.testing.assert_close(quick.moments.mean, returns[8:].mean(0))
    torch.testing.assert_close(quick.moments.square, (returns[8:] ** 2).mean(0))
    before = quick.moments.mean.clone()
    quick.eval()(forecast(batches[0]), batches[0])
    assert torch.equal(quick.moments.mean, before)


def test_a_checkpoint_carries_the_moments(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=30)
    one, two = (DayObjective(ObjectiveOptions(), [1, 5]) for _ in range(2))
    one(forecast(batch), batch)
    two.load_state_dict(one.state_dict())
    torch.testing.assert_close(two(forecast(batch, 1), batch).loss, one(forecast(batch, 1), batch).loss)
    assert set(one.state_dict()) == {"moments.mean", "moments.square", "moments.days"}


def test_a_score_that_is_not_finite_does_not_poison_the_moments(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=30)
    objective = DayObjective(ObjectiveOptions(), [1, 5])
    value = objective(Forecast(torch.full_like(batch.target, torch.nan)), batch)
    assert value.loss.isnan().all(), "a broken score must be seen"
    assert objective.moments.square.eq(0).all()


def test_gradient_shares_sum_to_one_and_follow_the_weights(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=60)
    scores = forecast(batch)
    even = gradient_shares(
        DayObjective(ObjectiveOptions(terms={"ic": 1.0, "rank_ic": 1.0}), [1, 5]), scores, batch
    )
    tilted = gradient_shares(
        DayObjective(ObjectiveOptions(terms={"ic": 3.0, "rank_ic": 1.0, "huber": 0.0}), [1, 5]), scores, batch
    )
    assert sum(even.values()) == pytest.approx(1) and min(even.values()) > 0.3
    ratio = even["ic"] / even["rank_ic"]
    assert tilted["ic"] / tilted["rank_ic"] == pytest.approx(3 * ratio, rel=1e-4)
    assert tilted["huber"] == 0 and scores.score.grad is None


def test_gradient_shares_leave_the_moments_and_days_without_labels_at_zero(make_batch: MakeBatch) -> None:
    batch = make_batch(days=2, stocks=10)
    objective = DayObjective(ObjectiveOptions(), [1, 5])
    with torch.no_grad():
        gradient_shares(objective, forecast(batch), batch)
    assert objective.moments.days.eq(0).all()
    empty = batch._replace(valid=torch.zeros_like(batch.valid))
    assert set(gradient_shares(objective, forecast(batch), empty).values()) == {0.0}


def test_quantiles_are_asked_for_in_one_line_and_their_gradient_is_measured_at_the_quantiles(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=4, stocks=60)
    options = ObjectiveOptions(terms={"pinball": 1.0, "ic": 1.0})
    with pytest.raises(
        InputError, match=r"pinball reads quantiles and the network has none; leave the term out, or"
    ):
        DayObjective(options, [1, 5])
    objective = DayObjective(options, [1, 5], [0.1, 0.9])
    with pytest.raises(InputError, match=r"the forecast has none"):
        objective(forecast(batch), batch)
    score = forecast(batch).score
    shares = gradient_shares(objective, Forecast(score, torch.stack((score - 1, score + 1), dim=-1)), batch)
    assert sum(shares.values()) == pytest.approx(1) and min(shares.values()) > 0


def test_recent_days_and_wanted_regimes_count_more_in_loss_and_gradient_shares(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=30)
    scores = forecast(batch)
    terms = {"ic": 1.0, "huber": 1.0}
    plain = DayObjective(ObjectiveOptions(terms=terms), [1, 5])
    options = ObjectiveOptions(terms=terms, recency_half_life_days=1.0, regime_weights={"regime_b": 0.5})
    weighed = DayObjective(options, [1, 5])
    with pytest.raises(RuntimeError, match="call fit"):
        weighed(scores, batch)
    weighed.day_weights.fit(batch.day, batch.regime, ["regime_a", "regime_b"])
    weight = weighed.day_weights(batch.day, batch.regime)
    assert weight.mean().item() == pytest.approx(1) and weight.dtype == torch.float64
    value, usual = weighed(scores, batch), plain(scores, batch)
    torch.testing.assert_close(value.loss, usual.loss * weight.float())
    torch.testing.assert_close(value.terms["ic"], usual.terms["ic"])
    shared = batch._replace(weight=batch.weight * weight.float())
    assert gradient_shares(weighed, scores, batch) == pytest.approx(gradient_shares(plain, scores, shared))
    assert not any(name.startswith("day_weights") for name in weighed.state_dict())


def test_turnover_compares_the_days_of_a_block_and_leaves_the_first_alone(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=30)
    scores = forecast(batch)
    loss = DayObjective(ObjectiveOptions(terms={"turnover": 1.0}), [1, 5])(scores, batch).loss
    (gradient,) = torch.autograd.grad(loss.sum(), scores.score)
    assert loss[0] == 0 and gradient[0].eq(0).all() and loss[1:].gt(0).all()
    s, v = scores.score.detach().movedim(-1, 1), batch.valid.movedim(-1, 1)
    torch.testing.assert_close(loss[2].detach(), turnover(s[2], v[2], s[1], v[1]).mean())


def test_days_from_anywhere_have_no_day_before(make_batch: MakeBatch) -> None:
    batch = make_batch()
    objective = DayObjective(ObjectiveOptions(terms={"turnover": 1.0}), [1, 5])
    score = Forecast(torch.randn(batch.target.shape))
    assert objective(score, batch).loss[1:].gt(0).all()
    assert objective(score, batch._replace(joined=True)).loss.eq(0).all()


def test_exposures_and_sectors_reach_their_term(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=100)
    objective = DayObjective(ObjectiveOptions(terms={"exposure": 1.0}), [1, 5])
    own, bet = forecast(batch), Forecast(batch.exposure[..., :1].expand(-1, -1, 2))
    assert objective(bet, batch).loss.min() > 0.8 > 0.4 > objective(own, batch).loss.max()
    risky = batch._replace(sector=own.score[..., 0].gt(0).long())
    assert (objective(own, risky).loss > objective(own, batch).loss + 0.1).all()


def test_only_what_a_configured_term_reads_is_made(make_batch: MakeBatch) -> None:
    batch = make_batch()
    score = forecast(batch).score
    both = Forecast(score, torch.stack((score - 1, score + 1), dim=-1))
    made = set(DayObjective(ObjectiveOptions(), [1, 5], [0.1, 0.9])._inputs(both, batch))
    assert made == {"score", "target", "realised", "valid", "earned", "return_mean", "return_square"}


def test_each_member_of_an_ensemble_has_the_loss_that_it_would_have_alone(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=30)
    terms = {"ic": 0.3, "rank_ic": 0.5, "huber": 0.1, "turnover": 0.2, "exposure": 0.1, "pinball": 0.2}
    options = ObjectiveOptions(terms=terms, horizon_weights=[1.0, 3.0])
    objective = DayObjective(options, [1, 5], [0.2, 0.8]).eval()
    quantiles = forecast(batch, 3).score.detach()[..., None] + torch.tensor([-0.5, 0.5])
    alone = [forecast(batch, seed)._replace(quantiles=quantiles) for seed in range(3)]
    members = torch.stack([f.score.detach() for f in alone], dim=-1).requires_grad_()
    together = objective(Forecast(members.mean(-1), quantiles, members), batch)
    values = [objective(f, batch) for f in alone]
    torch.testing.assert_close(together.loss, torch.stack([v.loss for v in values]).mean(0))
    for name in terms:
        each = torch.stack([v.terms[name] for v in values])
        torch.testing.assert_close(together.terms[name], each.mean(0))
    together.loss.sum().backward()
    for number, one in enumerate(alone):
        (gradient,) = torch.autograd.grad(values[number].loss.sum(), one.score)
        torch.testing.assert_close(members.grad[..., number], gradient / 3)


def test_the_book_of_an_ensemble_is_that_of_its_averaged_score(make_batch: MakeBatch) -> None:
    batch = make_batch(days=4, stocks=30)
    members = torch.stack([forecast(batch, seed).score.detach() for seed in range(3)], dim=-1)
    plain, ensemble = (DayObjective(ObjectiveOptions(), [1, 5]).train() for _ in range(2))
    plain(Forecast(members.mean(-1)), batch)
    ensemble(Forecast(members.mean(-1), members=members), batch)
    assert torch.equal(plain.moments.mean, ensemble.moments.mean) and plain.moments.mean.abs().min() > 0


def test_the_gradient_of_a_term_is_measured_at_the_members_and_by_the_weights_of_the_days(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=4, stocks=30)._replace(weight=torch.tensor([1.0, 4.0, 0.2, 3.0]))
    members = torch.stack([forecast(batch, seed).score.detach() for seed in range(3)], dim=-1)
    members[..., 1] *= 5
    terms = {"ic": 0.5, "huber": 2.0}

    def loss_of(weights: dict[str, float], at: torch.Tensor) -> torch.Tensor:
        objective = DayObjective(ObjectiveOptions(terms=weights), [1, 5]).eval()
        return objective(Forecast(members.mean(-1), members=at), batch).loss

    norms = {}
    for name, weight in terms.items():
        at = members.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((batch.weight * loss_of({name: weight}, at)).sum(), at)
        norms[name] = gradient.norm().item()
    objective = DayObjective(ObjectiveOptions(terms=terms), [1, 5]).eval()
    shares = gradient_shares(objective, Forecast(members.mean(-1), members=members), batch)
    assert shares == pytest.approx(
        {name: norm / sum(norms.values()) for name, norm in norms.items()}, rel=1e-5
    )
