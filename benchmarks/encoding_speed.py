"""Time of a first layer that encodes its features, against one that reads them as they are.

    python benchmarks/encoding_speed.py            170 features, 12 bins, 128 outputs, 8,192 rows, one thread

Prints processor time of forward and backward, the best of several passes, and the floor of piecewise_linear:
the time of its matrix products alone on rows that are already encoded.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from atft.nn.feature_encoding import RANK_BOUND, FeatureEncoding
from atft.process.allocator import keep_freed_memory

PRODUCTS = "matrix products alone"


def best_seconds(passes: int, step: Callable[[], object]) -> float:
    """Least processor time of some passes, after one that warms up: other programs do not count."""
    seconds = []
    for _ in range(passes + 1):
        begin = time.process_time()
        step()
        seconds.append(time.process_time() - begin)
    return min(seconds[1:])


def figures(budget_s: float) -> dict[str, float]:
    """Rows a second of piecewise_linear and of its matrix products alone, forward and backward."""
    args = make_parser().parse_args(["--passes", str(max(2, min(20, int(budget_s / 4))))])
    seconds = measure(args)
    return {
        "rows_per_second": args.rows / seconds["piecewise_linear"],
        "matrix_products_rows_per_second": args.rows / seconds[PRODUCTS],
    }


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Seconds of each kind of encoding, and of the matrix products alone."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    features, rows = args.features, args.rows
    x = torch.empty(rows, features).uniform_(-RANK_BOUND, RANK_BOUND)
    gradient = torch.randn(rows, args.outputs)
    result = {}
    for kind in ("none", "piecewise_linear", "periodic"):
        encoding = FeatureEncoding(features, kind, args.bins)
        matrix = torch.randn(features * encoding.size, args.outputs, requires_grad=True)
        for weighted in (False, True):
            weight = torch.rand(rows, features, requires_grad=True) if weighted else None
            product = partial(encoding.product, x, matrix, weight)
            result[f"{kind}{', weighted' if weighted else ''}"] = best_seconds(
                args.passes, lambda product=product: product().backward(gradient)
            )
    encoded = torch.rand(rows, features * args.bins)
    matrix = torch.randn(features * args.bins, args.outputs)
    result[PRODUCTS] = best_seconds(args.passes, lambda: (encoded @ matrix, encoded.T @ gradient))
    return result


def make_parser() -> argparse.ArgumentParser:
    """The arguments, with their defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=170)
    parser.add_argument("--bins", type=int, default=12)
    parser.add_argument("--outputs", type=int, default=128)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Print the time of each."""
    args = make_parser().parse_args(arguments)
    for name, seconds in measure(args).items():
        print(f"{name:28}{1e6 * seconds / args.rows:8.2f} us a row   {args.rows / seconds:10,.0f} rows/s")


if __name__ == "__main__":
    keep_freed_memory()
    main()
