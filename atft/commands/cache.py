"""cache: build the memory-mapped cache that a training config names, or verify every byte of it."""

from atft.commands.train import build
from atft.progress import Progress


def run(command: str, arguments: list[str]) -> int:
    """Build the cache of ``--config`` where it is missing (fit does that too), print what is in it, verify it."""
    import numpy as np

    from atft.data.cache import cache_lines, verify_cache
    from atft.data.day_checks import check_features

    cli = build(command, arguments)
    with Progress(command):
        cache = cli.datamodule.open_cache()
        everything = np.arange(len(cache), dtype=np.int64)
        check_features(cache, everything, f"the panel's {len(cache)} days")
        for line in cache_lines(cache):
            print(line)  # noqa: T201
        if cli.config.verify:
            verify_cache(cache.path)
            print("verified: every digest matches")  # noqa: T201
    return 0
