"""A block that does not fit is trained in chunks of days: gradient, steps and weights as with more memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.errors import OutOfMemory
from atft.losses.objective import ObjectiveOptions
from atft.losses.terms import TERMS
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks import day_chunks
from atft.tasks.day_chunks import DayChunks, Retry, forecast_in_chunks, no_retry_under_ddp
from atft.tasks.ranking import RankingTask
from networks import small_atft
from small_task import IN_MEMORY, SIZES, fit, small_task

pytestmark = [IN_MEMORY, pytest.mark.usefixtures("retries_on_the_cpu")]
Blocks = Callable[..., DayBatch]
ALL_TERMS = ObjectiveOptions(terms={n: 1.0 for n in TERMS if n != "spearman"})  # another name of rank_ic
REASON = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB"


@pytest.fixture
def retries_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for a device whose memory can run out."""
    monkeypatch.setattr(RankingTask, "retry_device", "cpu")


def network(dropout: float = 0.0, **options: Any) -> ATFTGATFAN:
    torch.manual_seed(0)
    given = {**SIZES, "dropout": dropout, "gat_dropout": dropout, "quantiles": [0.1, 0.5, 0.9]}
    return small_atft(**{**given, **options})


def task(dropout: float = 0.0, optimizer: Any = None) -> RankingTask:
    given = {**SIZES, "dropout": dropout, "gat_dropout": dropout, "quantiles": [0.1, 0.5, 0.9]}
    return small_task(
        network=partial(ATFTGATFAN, **given),
        objective=ALL_TERMS,
        optimizer=optimizer or partial(torch.optim.SGD, lr=0.1),
        gradient_clip=1.0,
    )


def steps_of_two_blocks(make_batch: Blocks) -> list[DayBatch]:
    """Three optimiser steps; the second block of each finds a gradient that must survive a failed attempt."""
    blocks = [make_batch(days=4, seed=s, horizons=2) for s in range(6)]
    return [b._replace(weight=b.weight / 2, closes_step=i % 2 == 1) for i, b in enumerate(blocks)]


def run_out(in_backward: bool, days: int) -> Callable[..., None]:
    """A hook on the heads that runs out of memory where more than ``days`` days are in the network at once."""

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError(REASON)

    def hook(heads: Any, given: tuple[torch.Tensor], *_: Any) -> None:
        if given[0].shape[:2].numel() > days * 17:  # stocks
            if not in_backward:
                fail()
            elif given[0].requires_grad:  # by then the heads have their part of the gradient
                given[0].register_hook(fail)

    return hook


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {n: v.detach().clone() for n, v in module.state_dict().items()}


@pytest.mark.parametrize("switched_off", [None, "window_norm", "graph", "encoder"])
@pytest.mark.parametrize("days", [1, 2, 3])
def test_the_scores_of_chunks_are_those_of_the_whole_block(
    days: int, switched_off: str | None, make_batch: Blocks
) -> None:
    scorer, batch = network(), make_batch(days=4)
    if switched_off is not None:
        scorer.set_parts(**{switched_off: False})
    whole = scorer(batch)
    for recorded in (True, False):
        with torch.set_grad_enabled(recorded):
            chunks = forecast_in_chunks(scorer, batch, days)
        torch.testing.assert_close(tuple(chunks), tuple(whole), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("norm", ["fan", "revin", "dish_ts", "san", "none"])
def test_no_window_normalisation_mixes_the_days_of_a_block(norm: str, make_batch: Blocks) -> None:
    scorer, batch = network(window_norm=norm, quantiles=[]), make_batch(days=4)
    torch.testing.assert_close(forecast_in_chunks(scorer, batch, 1).score, scorer(batch).score)


@pytest.mark.parametrize("in_backward", [False, True])
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_a_run_that_is_short_of_memory_ends_with_the_weights_of_the_undisturbed_one(
    in_backward: bool, optimizer: str, make_batch: Blocks, tmp_path: Path
) -> None:
    given = partial(getattr(torch.optim, optimizer), lr=0.01)
    undisturbed, short = task(optimizer=given), task(optimizer=given)
    short.network.heads.register_forward_pre_hook(run_out(in_backward, days=2))
    done = fit(undisturbed, steps_of_two_blocks(make_batch), tmp_path)
    other = fit(short, steps_of_two_blocks(make_batch), tmp_path)
    assert done.global_step == other.global_step == 3
    torch.testing.assert_close(weights(short), weights(undisturbed), atol=1e-6, rtol=1e-4)
    assert undisturbed.memory_retries == []
    # The size that worked is kept: memory runs out once.
    assert short.memory_retries == [Retry("train", 1, 0, 17, from_days=4, to_days=2)]


def test_memory_that_runs_out_for_the_second_block_of_a_step_leaves_the_first_ones_gradient(
    make_batch: Blocks, tmp_path: Path
) -> None:
    undisturbed, short = task(), task()
    short.network.heads.register_forward_pre_hook(run_out(True, days=2))
    first, second = make_batch(days=2, seed=1), make_batch(days=4, seed=2)
    blocks = [first._replace(weight=first.weight / 2, closes_step=False), second]
    fit(undisturbed, blocks, tmp_path)
    fit(short, blocks, tmp_path)
    torch.testing.assert_close(weights(short), weights(undisturbed), atol=1e-6, rtol=1e-4)
    assert [(r.from_days, r.to_days) for r in short.memory_retries] == [(4, 2)]


def test_the_moments_of_the_objective_move_once_whatever_failed(make_batch: Blocks, tmp_path: Path) -> None:
    undisturbed, short = task(), task()
    short.network.heads.register_forward_pre_hook(run_out(True, days=1))
    fit(undisturbed, [make_batch(days=4)], tmp_path)
    fit(short, [make_batch(days=4)], tmp_path)
    assert len(short.memory_retries) == 2  # 4 to 2, 2 to 1
    torch.testing.assert_close(short.objective.state_dict(), undisturbed.objective.state_dict())


def test_a_chunk_draws_the_same_dropout_in_its_second_run_as_in_its_first(make_batch: Blocks) -> None:
    batch = make_batch(days=4)

    def gradients(score: Callable[[ATFTGATFAN], Forecast]) -> list[torch.Tensor]:
        dropping = network(dropout=0.5)
        torch.manual_seed(5)
        forecast = score(dropping)
        assert forecast.quantiles is not None
        drawn = torch.get_rng_state()
        (forecast.score.square().sum() + forecast.quantiles.square().sum()).backward()
        assert torch.equal(torch.get_rng_state(), drawn)
        return [p.grad for p in dropping.parameters() if p.grad is not None]

    def kept(dropping: ATFTGATFAN) -> Forecast:
        """The slow readable twin: the same chunks, whose first runs keep everything."""
        parts = [dropping(batch.part(0, 2)), dropping(batch.part(2, 4))]
        return Forecast(torch.cat([f.score for f in parts]), torch.cat([f.quantiles for f in parts]))

    ours = gradients(lambda dropping: forecast_in_chunks(dropping, batch, 2))
    torch.testing.assert_close(ours, gradients(kept), atol=1e-6, rtol=1e-5)


def test_a_retry_draws_what_it_would_have_drawn_had_it_come_first(make_batch: Blocks, tmp_path: Path) -> None:
    retried, chunked = task(dropout=0.3), task(dropout=0.3)
    retried.network.heads.register_forward_pre_hook(run_out(True, days=2))
    chunked.training_chunks.days = 2
    for module in (retried, chunked):
        fit(module, steps_of_two_blocks(make_batch), tmp_path)
    torch.testing.assert_close(weights(retried), weights(chunked), atol=0, rtol=0)


def test_a_run_that_never_runs_out_is_bit_for_bit_the_plain_one(make_batch: Blocks) -> None:
    plain, batch = network(dropout=0.3), make_batch(days=3)
    torch.manual_seed(5)
    expected = plain(batch)
    torch.manual_seed(5)
    assert torch.equal(forecast_in_chunks(plain, batch, 3).score, expected.score)


@pytest.mark.parametrize("in_backward", [False, True])
def test_a_day_that_does_not_fit_alone_fails_in_one_line_that_says_what_to_lower(
    in_backward: bool, make_batch: Blocks, tmp_path: Path
) -> None:
    hopeless = task()
    hopeless.network.heads.register_forward_pre_hook(run_out(in_backward, days=0))
    with pytest.raises(OutOfMemory) as caught:
        fit(hopeless, [make_batch(days=4)], tmp_path)
    text = str(caught.value)
    assert text.startswith(
        "one day of 17 stocks and 8 days of history does not fit in memory (train, CUDA out of"
    )
    assert "Tried to allocate 2.00 GiB)" in text and "data.loader.batch_size" in text and "\n" not in text


def test_evaluation_that_has_too_little_memory_for_a_day_is_not_told_to_divide_it(make_batch: Blocks) -> None:
    hopeless = task().eval()
    hopeless.network.heads.register_forward_pre_hook(run_out(False, days=0))
    with (
        torch.no_grad(),
        pytest.raises(OutOfMemory, match=r"\(evaluation, .*; lower the network's size, or set"),
    ):
        hopeless.predict_step(make_batch(days=4), 0)


def test_evaluation_that_runs_out_scores_the_same_in_chunks(make_batch: Blocks) -> None:
    scorer, batch = task().eval(), make_batch(days=4)
    with torch.no_grad():
        whole = scorer.predict_step(batch, 0)
        scorer.network.heads.register_forward_pre_hook(run_out(False, days=1))
        chunks = scorer.predict_step(batch, 0)
    torch.testing.assert_close(tuple(chunks), tuple(whole), atol=1e-6, rtol=1e-5)
    assert [(r.split, r.from_days, r.to_days) for r in scorer.memory_retries] == [
        ("evaluation", 4, 2),
        ("evaluation", 2, 1),
    ]


def test_each_kind_of_pass_keeps_its_own_size(make_batch: Blocks) -> None:
    retries: list[Retry] = []
    train, evaluate = DayChunks("train", retries, "cpu"), DayChunks("evaluation", retries, "cpu")

    def attempt(batch: DayBatch) -> int:
        days = min(len(batch.day), train.days or len(batch.day))
        if days > 2:
            raise torch.OutOfMemoryError(REASON)
        return days

    trained = task()
    assert [train.run(attempt, make_batch(days=days), trained) for days in (5, 5, 1)] == [2, 2, 1]
    assert evaluate.days is None and [r.to_days for r in retries] == [3, 2]


def test_on_a_device_that_cannot_run_out_of_memory_nothing_is_copied_or_tried_again(
    make_batch: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RankingTask, "retry_device", "cuda")
    monkeypatch.setattr(day_chunks, "undo_to_here", None)  # a call would raise
    fit(task(), steps_of_two_blocks(make_batch), tmp_path)

    def attempt(batch: DayBatch) -> Forecast:
        raise torch.OutOfMemoryError(REASON)

    with pytest.raises(torch.OutOfMemoryError):
        DayChunks("train", [], "cuda").run(attempt, make_batch(), task())


def test_other_errors_pass_through(make_batch: Blocks) -> None:
    def attempt(batch: DayBatch) -> Forecast:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        DayChunks("train", [], "cpu").run(attempt, make_batch(), task())


def test_several_devices_try_a_part_that_they_share_once() -> None:
    with (
        pytest.raises(
            OutOfMemory, match=r"on one of 2 devices.*cannot be tried again; lower data.loader.block_days"
        ),
        no_retry_under_ddp(2),
    ):
        raise torch.OutOfMemoryError(REASON)
    with pytest.raises(torch.OutOfMemoryError), no_retry_under_ddp(1):
        raise torch.OutOfMemoryError(REASON)
