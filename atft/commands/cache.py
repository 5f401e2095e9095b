"""cache: build the memory-mapped cache that a training config names, or verify every byte of it."""

from atft.commands.train import build


def run(command: str, arguments: list[str]) -> int:
    """Build the cache of ``--config`` where it is missing (fit does that too), say what is in it, verify it."""
    import numpy as np

    from atft.data.summary import describe
    from atft.data.training_gates import check_features
    from atft.data.verify import verify_cache

    cli = build(command, arguments)
    cache = cli.datamodule.open_cache()
    everything = np.arange(len(cache), dtype=np.int64)
    check_features(cache, everything, f"the panel's {len(cache)} days")
    for line in describe(cache):
        print(line)  # noqa: T201
    if cli.config.verify:
        verify_cache(cache.path)
        print("verified: every digest matches")  # noqa: T201
    return 0
