"""What this machine can do at most, measured in a few seconds, for figures to be compared with.

    python -m benchmarks.machine                    copy, matrix products, sequential read

copy: bytes copied from one array into another that has been used before, each 256 MB, so that no cache holds them.
matrix product: of two square matrices, two operations for each multiplication and addition. read: a file that the
system's cache has been asked to drop, in pieces of 8 MB. Each is the best of several passes.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atft.process.allocator import keep_freed_memory
from atft.process.cores import core_count
from atft.process.threads import pool_threads

COPY_MB, FILE_MB, PIECE_MB = 256, 512, 8
MATRIX_SIZE = 2048
MIN_PASSES = 3


def figures(
    budget_s: float, copy_mb: int = COPY_MB, file_mb: int = FILE_MB, matrix_size: int = MATRIX_SIZE
) -> dict[str, float]:
    """Rates of copy (GB/s), matrix products in float32 and bfloat16 (GFLOP/s), and sequential read (GB/s)."""
    import torch

    torch.set_num_threads(pool_threads())
    each = budget_s / 4
    source = torch.ones(copy_mb * 2**18)
    target = torch.zeros_like(source)
    result = {"copy_gb_per_second": 4e-9 * len(source) / best_seconds(each, lambda: target.copy_(source))}
    del source, target
    for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        left, right = torch.randn(2, matrix_size, matrix_size, dtype=dtype)
        seconds = best_seconds(each, lambda left=left, right=right: left @ right)
        result[f"matrix_{name}_gflop_per_second"] = 2e-9 * matrix_size**3 / seconds
    with tempfile.TemporaryDirectory() as folder:
        result["read_gb_per_second"] = read_rate(Path(folder) / "bytes", file_mb, each)
    return result


def read_rate(path: Path, megabytes: int, budget_s: float) -> float:
    """Sequential read of a file that is written here, GB/s."""
    piece = bytearray(os.urandom(2**20)) * PIECE_MB  # a disk that compresses gains nothing
    with path.open("wb") as file:
        for _ in range(max(1, megabytes // PIECE_MB)):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    size = path.stat().st_size

    def read() -> None:
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.readinto(piece):
                pass

    return 1e-9 * size / best_seconds(budget_s, read)


def best_seconds(budget_s: float, step: Callable[[], object]) -> float:
    """Least time of a step's passes within the budget, after one that warms up; at least three of them."""
    step()
    seconds: list[float] = []
    end = time.perf_counter() + budget_s
    while len(seconds) < MIN_PASSES or time.perf_counter() < end:
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def describe() -> dict[str, Any]:
    """What a reader needs to know of the machine: processor, cores, memory, GPU, versions."""
    import lightning
    import torch

    return {
        "processor": _processor(),
        "cores": core_count(),
        "threads": pool_threads(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def main(arguments: list[str] | None = None) -> None:
    """Print the limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args(arguments)
    for name, value in figures(options.seconds).items():
        print(f"{name:32}{value:10,.2f}")


if __name__ == "__main__":
    keep_freed_memory()
    main()
