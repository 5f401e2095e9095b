"""Time and memory of each term of the objective, forward and backward, on a large block.

    python benchmarks/loss_speed.py                  about 30 s on 2 cores
    python benchmarks/loss_speed.py --stocks 1300 --days 4

Prints a row per term, one for the default terms together, one for every term together, and one for the textbook
soft rank that compares every stock with every other, which `rank_ic` replaces. Each row runs in its own
process; memory is the growth of its peak resident size over an identical run on one small day.
"""

import argparse
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context

import torch
from torch import Tensor

from atft.batch import DayBatch, Forecast
from atft.cross_section import average_ranks, pearson, zscore
from atft.losses.objective import DayObjective
from atft.losses.options import ObjectiveOptions
from atft.losses.terms import TERMS
from atft.process.allocator import keep_freed_memory
from atft.process.threads import pool_threads

HORIZONS = (1, 5, 10, 20)
LEVELS = (0.1, 0.5, 0.9)
SECTORS, EXPOSURES = 33, 3
DEFAULT, ALL = "default terms together", "every term together"
PEER = "rank_ic, stocks x stocks"


def block(days: int, stocks: int) -> tuple[Forecast, DayBatch]:
    """Random scores and quantiles, and a block of random returns, 5 % of them unknown."""
    rng = torch.Generator().manual_seed(0)
    target = 0.02 * torch.randn(days, stocks, len(HORIZONS), generator=rng)
    valid = torch.rand(target.shape, generator=rng) < 0.95
    score = torch.randn(target.shape, generator=rng).requires_grad_()
    quantiles = torch.randn(*target.shape, len(LEVELS), generator=rng).sort(-1).values.requires_grad_()
    nothing = torch.zeros(0)
    batch = DayBatch(
        features=nothing,
        observed=nothing,
        universe=valid.any(-1),
        target=target,
        valid=valid,
        edge_index=nothing,
        edge_attr=nothing,
        stock=torch.arange(stocks),
        day=torch.arange(days),
        sector=torch.randint(-1, SECTORS, (days, stocks), generator=rng),
        exposure=torch.randn(days, stocks, EXPOSURES, generator=rng),
        regime=torch.zeros(days, 0),
        weight=torch.full((days,), 1 / days),
        closes_step=True,
    )
    return Forecast(score, quantiles), batch


def step_of(name: str) -> Callable[[Forecast, DayBatch], None]:
    """One forward and backward of a term, of all terms, or of the peer."""
    if name == PEER:
        return pairwise_rank_ic
    every = {n: 1.0 for n in TERMS if n != "spearman"}
    terms = {DEFAULT: ObjectiveOptions().terms, ALL: every}.get(name, {name: 1.0})
    objective = DayObjective(ObjectiveOptions(terms=terms), HORIZONS, LEVELS)
    return lambda forecast, batch: objective(forecast, batch).loss.sum().backward()


def pairwise_rank_ic(forecast: Forecast, batch: DayBatch) -> None:
    """The peer: a stock's soft rank is the sum of logistic comparisons with all others, day by day."""
    score: Tensor = forecast.score
    for day in range(score.shape[0]):
        for h in range(score.shape[2]):
            valid = batch.valid[day, :, h]
            z = zscore(score[day, :, h], valid)
            soft = (torch.sigmoid((z[:, None] - z[None, :]) / 0.1) * valid).sum(1)
            loss = 1 - pearson(soft, average_ranks(batch.target[day, :, h], valid), valid)
            loss.backward()  # type: ignore[no-untyped-call]


def measure(name: str, days: int, stocks: int, threads: int) -> tuple[float, float]:
    """Milliseconds of the fastest of five steps, and MB of extra peak memory."""
    torch.set_num_threads(threads)
    step = step_of(name)
    step(*block(1, 50))
    forecast, batch = block(days, stocks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(5):
        for output in forecast:
            if output is not None:
                output.grad = None
        start = time.perf_counter()
        step(forecast, batch)
        times.append(time.perf_counter() - start)
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return 1e3 * min(times), extra / 1024


def figures(budget_s: float) -> dict[str, float]:
    """Milliseconds of the default terms, of all, with their memory, and of the peer: 8 days of 4,000 stocks."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        default, _ = pool.apply(measure, (DEFAULT, 8, 4000, pool_threads()))
        every, megabytes = pool.apply(measure, (ALL, 8, 4000, pool_threads()))
        # Day after day: its time is that of one day, eight times.
        peer, _ = pool.apply(measure, (PEER, 1, 4000, pool_threads()))
    return {"default_ms": default, "all_ms": every, "all_mb": megabytes, "peer_ms": 8 * peer}


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--stocks", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    print(f"{args.days} days x {args.stocks:,} stocks x {len(HORIZONS)} horizons, {args.threads} threads")
    print(f"{'term':28} {'forward + backward':>20} {'extra memory':>14}")
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name in [*TERMS, DEFAULT, ALL, PEER]:
            milliseconds, megabytes = pool.apply(measure, (name, args.days, args.stocks, args.threads))
            print(f"{name:28} {milliseconds:17.0f} ms {megabytes:11.0f} MB", flush=True)


if __name__ == "__main__":
    keep_freed_memory()
    main()
