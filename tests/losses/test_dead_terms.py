"""Which terms had no gradient in an epoch: those alone are dead, and one gradient at any time proves one alive."""

from collections.abc import Callable

import torch

from atft.batch import DayBatch, Forecast
from atft.losses.dead_terms import DeadTerms
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.losses.terms import TERMS
from gradient_shares import gradient_shares

TURNOVER = {"ic": 1.0, "turnover": 0.5, "scale_floor": 0.1, "huber": 0.0}


def scores(batch: DayBatch) -> Forecast:
    return Forecast(torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0)))


def test_a_term_without_a_gradient_is_named_and_hinges_and_weights_of_zero_are_not(
    make_batch: Callable[..., DayBatch],
) -> None:
    options = ObjectiveOptions(terms=TURNOVER)
    objective, watch = DayObjective(options, [1, 5]), DeadTerms(options.terms)
    assert watch.pending == ("ic", "turnover")
    for seed in range(3):
        single = make_batch(days=1, stocks=30, seed=seed)  # a block of one day has no day before
        watch.record(gradient_shares(objective, scores(single), single))
        assert watch.pending == ("turnover",)
    assert watch.close_epoch() == ("turnover",)


def test_one_gradient_proves_a_term_alive_for_its_epoch_only(make_batch: Callable[..., DayBatch]) -> None:
    options = ObjectiveOptions(terms=TURNOVER)
    objective, watch = DayObjective(options, [1, 5]), DeadTerms(options.terms)
    for days in (1, 4, 1):
        batch = make_batch(days=days, stocks=30)
        watch.record(gradient_shares(objective, scores(batch), batch))
    assert watch.pending == () and watch.close_epoch() == ()
    assert watch.pending == ("ic", "turnover"), "the next epoch starts again"
    batch = make_batch(days=1, stocks=30)
    watch.record(gradient_shares(objective, scores(batch), batch))
    assert watch.close_epoch() == ("turnover",)


def test_a_term_counts_as_long_as_its_present_weight_is_above_zero(
    make_batch: Callable[..., DayBatch],
) -> None:
    objective = DayObjective(ObjectiveOptions(terms=TURNOVER), [1, 5])
    watch = DeadTerms(objective.term_weights)
    objective.set_weights({"turnover": 0.0, "huber": 0.1})
    assert watch.watched == watch.pending == ("ic", "huber")
    single = make_batch(days=1, stocks=30)
    watch.record(gradient_shares(objective, scores(single), single))
    assert watch.pending == () and watch.close_epoch() == ()
    objective.set_weights({})
    watch.record(gradient_shares(objective, scores(single), single))
    assert watch.close_epoch() == ("turnover",)


def test_an_epoch_without_a_measurement_names_nothing() -> None:
    watch = DeadTerms({"ic": 1.0})
    assert watch.close_epoch() == ()
    watch.record({"ic": 0.0})
    assert watch.close_epoch() == ("ic",) and watch.close_epoch() == ()


def test_collapsed_scores_kill_every_term_that_needs_an_order(make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(days=4, stocks=30)
    options = ObjectiveOptions()
    watch = DeadTerms(options.terms)
    flat = Forecast(torch.full_like(batch.target, 0.1))
    watch.record(gradient_shares(DayObjective(options, [1, 5]), flat, batch))
    assert watch.close_epoch() == ("ic", "rank_ic", "sharpe")


def test_every_term_of_the_table_has_a_gradient_at_a_block_of_days(
    make_batch: Callable[..., DayBatch],
) -> None:
    batch = make_batch(days=4, stocks=60)
    terms = {name: 1.0 for name in TERMS if name != "spearman"}
    score = scores(batch).score
    both = Forecast(score, torch.stack((score - 1, score + 1), dim=-1))
    watch = DeadTerms(terms)
    watch.record(
        gradient_shares(DayObjective(ObjectiveOptions(terms=terms), [1, 5], [0.1, 0.9]), both, batch)
    )
    assert watch.close_epoch() == ()
