"""Training speed of the network, and of the usual way to build one, in the same run.

    python benchmarks/network.py                                  32 features, 60 days, hidden 64, 1,300 stocks
    python benchmarks/network.py --graph --hidden 256 --features 112

Prints stock-days a second of forward, backward and AdamW on blocks of noise in memory: the network alone, without
reading data. The peer is a temporal-fusion encoder as it is usually written: every window is embedded on its own,
each feature in ``hidden`` numbers, all days are projected for attention. It has no graph and no FAN.
"""

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from atft.batch import EDGE_FEATURES, DayBatch
from atft.network import NetworkInputs
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.process.allocator import keep_freed_memory
from atft.process.threads import pool_threads

HORIZONS = (1, 5, 10, 20)


class UsualEncoder(nn.Module):
    """Variable selection over [rows, features, hidden] of each window, LSTM, attention over all days."""

    def __init__(self, n_features: int, hidden_size: int) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.randn(n_features, hidden_size))
        self.offset = nn.Parameter(torch.zeros(n_features, hidden_size))
        self.refine = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ELU(), nn.Linear(hidden_size, hidden_size)
        )
        self.weigh = nn.Sequential(
            nn.Linear(n_features * hidden_size, hidden_size), nn.ELU(), nn.Linear(hidden_size, n_features)
        )
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.attention = nn.MultiheadAttention(hidden_size, 4, batch_first=True)
        self.head = nn.Linear(hidden_size, len(HORIZONS))

    def forward(self, window: Tensor) -> Tensor:
        embedded = window[..., None] * self.embed + self.offset
        weight = self.weigh(embedded.flatten(-2)).softmax(-1)
        history, _ = self.lstm((self.refine(embedded) * weight[..., None]).sum(-2))
        answer, _ = self.attention(history, history, history, need_weights=False)
        score: Tensor = self.head((history + answer)[:, -1])
        return score


def noise(days: int, stocks: int, features: int, lookback: int, edges: int) -> DayBatch:
    """A block of noise with ``edges`` neighbours a stock."""
    span = lookback + days - 1
    observed = torch.rand(span, stocks) > 0.02
    universe = observed[lookback - 1 :]
    target = torch.randn(days, stocks, len(HORIZONS))
    destination = torch.arange(days * stocks).repeat_interleave(edges)
    source = torch.randint(0, stocks, destination.shape) + destination // stocks * stocks
    return DayBatch(
        features=torch.randn(span, stocks, features).masked_fill(~observed[..., None], torch.nan),
        observed=observed,
        universe=universe,
        target=target,
        valid=universe[..., None].expand_as(target),
        edge_index=torch.stack((source, destination)),
        edge_attr=torch.rand(len(destination), len(EDGE_FEATURES)),
        stock=torch.arange(stocks),
        day=torch.arange(days),
        sector=torch.zeros(days, stocks, dtype=torch.int64),
        exposure=torch.zeros(days, stocks, 0),
        regime=torch.zeros(days, 0),
        weight=torch.full((days,), 1 / days),
        closes_step=True,
        max_neighbours=edges,
    )


def stock_days_per_second(network: nn.Module, loss: Callable[[], Tensor], rows: int, steps: int) -> float:
    """Time ``steps`` optimiser steps after one that warms up."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss())
        optimizer.step()

    step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * rows / (time.perf_counter() - begin)


def figures(budget_s: float) -> dict[str, float]:
    """Stock-days a second of the network in float32 and bfloat16, and of the usual way to build one."""
    words = ["--threads", str(pool_threads()), "--steps", str(max(2, min(20, int(budget_s / 8))))]
    fp32, usual = main(words)
    bf16, _ = main([*words, "--bf16", "--no-peer"])
    return {
        "stock_days_per_second": fp32,
        "bf16_stock_days_per_second": bf16,
        "usual_stock_days_per_second": usual,
        "times_as_fast": fp32 / usual,
    }


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Print and return stock-days a second of the network, and of the usual way (NaN where it is left out)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--lookback", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--stocks", type=int, default=1300)
    parser.add_argument("--days", type=int, default=4, help="days of a block")
    parser.add_argument("--edges", type=int, default=30, help="neighbours a stock, with --graph")
    parser.add_argument("--graph", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--fan", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--encoder", choices=("scan", "lstm", "none"), default="scan")
    parser.add_argument("--patch-days", type=int, default=4, help="days of a step of the encoder")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    network = ATFTGATFAN(
        NetworkInputs(tuple(f"x_{i}" for i in range(args.features)), HORIZONS),
        hidden_size=args.hidden,
        graph="gat" if args.graph else "none",
        window_norm="fan" if args.fan else "none",
        encoder=args.encoder,
        patch_days=args.patch_days,
    )
    edges = args.edges if args.graph else 0
    batch = noise(args.days, args.stocks, args.features, args.lookback, edges)

    def error(score: Tensor) -> Tensor:
        return torch.where(batch.valid, score - batch.target, 0).square().mean()

    def network_loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            return error(network(batch).score)

    speed = stock_days_per_second(network, network_loss, args.days * args.stocks, args.steps)
    print(f"ATFT-GAT-FAN   {speed:8.0f} stock-days/s")
    if not args.peer:
        return speed, math.nan
    usual = UsualEncoder(args.features, args.hidden)
    few = 256  # its [rows, features, hidden] tensors of a whole block would not fit
    windows = torch.randn(few, args.lookback, args.features)

    def usual_loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            score: Tensor = usual(windows)
            return score.float().square().mean()

    peer = stock_days_per_second(usual, usual_loss, few, min(args.steps, 3))
    print(f"the usual way  {peer:8.0f} stock-days/s   ({speed / peer:.0f} times slower)")
    return speed, peer


if __name__ == "__main__":
    keep_freed_memory()
    main()
