"""What torchrun, SLURM or Lightning's launcher says of this process, one of several of a run.

They say it in variables of the environment, which Lightning reads too. Nothing else is read here.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

OF_MACHINE = ("LOCAL_RANK", "SLURM_LOCALID")


class ProcessLayout(NamedTuple):
    """The processes that torchrun has started."""

    devices: int
    """On each machine."""
    nodes: int


def first_of_machine(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the first of the run on its machine; True for a process that is alone."""
    return next((environment[name] for name in OF_MACHINE if name in environment), "0") == "0"


def torchrun_layout(environment: Mapping[str, str] = os.environ) -> ProcessLayout | None:
    """The processes of the run where torchrun has started this one; None elsewhere."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    return ProcessLayout(int(environment["LOCAL_WORLD_SIZE"]), int(environment["GROUP_WORLD_SIZE"]))
