"""A kind of attack that ends in every way there is, for the tests of the harness."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from atft.errors import InputError
from benchmarks.attacks.verdict import Result, observe


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """The attack whose number decides how it ends."""

    def raises(error: BaseException) -> str:
        raise error

    ways: list[Callable[[], str]] = [
        lambda: raises(InputError("file.csv: no column 'date'; add it")),
        lambda: "",
        lambda: raises(InputError("file.csv: half of it was written")),
        lambda: raises(KeyError("lost")),
        lambda: "one bit differs",
        lambda: str(os.kill(os.getpid(), signal.SIGSEGV)),
        lambda: str(time.sleep(60)),
    ]
    return lambda rng, number, place: observe(f"way {number}", ways[number], lambda: "half" * (number == 2))
