"""Memory that a step frees is kept for the next step: settings of glibc's allocator, given when the program starts.

By default glibc returns large blocks to the system as soon as they are freed, and the next tensor of that size is
mapped and zeroed page by page at 2 GB/s, where memory in use is written at 15. A training step allocates the same
gigabytes again and again, so a third of its time went there. Three settings keep the memory:

- ``mmap_max=0`` and ``trim_threshold``: large blocks come from the heap, and the heap does not shrink.
- ``tcache_count=0``: PyTorch asks for aligned blocks, and glibc keeps what it cuts off at their ends in a cache of
  small blocks, in the way of the next large one. With that cache the heap grew to twice its need (glibc 2.36).
- ``hugetlb=1``: the heap has pages of 2 MB where the system grants them on request.

glibc reads the last two only when a program starts, so `keep_freed_memory` starts it a second time, at the price of
20 ms. It costs memory: a run's peak grows by a sixth. What the build of a panel and its cache has freed is
returned before a training (`return_freed_memory`). Other C libraries are left alone.
"""

import os
import sys
from collections.abc import Mapping

VARIABLE = "GLIBC_TUNABLES"
SETTINGS = (
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:"
    "glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1"
)
RESTARTED = "atft_keeps_memory"
"""The ``-X`` option of the second start, so that there is no third where the loader hides the variable."""


def has_glibc() -> bool:
    """Whether the C library of this process is glibc."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError):  # Windows, and other C libraries
        return False


def settings_of(environment: Mapping[str, str]) -> str | None:
    """The variable's value to start with: what is there already, then ours; None where it sets the allocator."""
    present = environment.get(VARIABLE, "")
    if "glibc.malloc." in present or any(name.startswith("MALLOC_") for name in environment):
        return None
    return f"{present}:{SETTINGS}" if present else SETTINGS


def keep_freed_memory() -> None:
    """Start this Python program again, once, with an allocator that keeps freed memory; its processes inherit that.

    To be called before anything else is done, from a program's own entry: it replaces the process. Nothing happens
    where the C library is not glibc, or where the environment has settings of its allocator already.
    """
    value = settings_of(os.environ)
    if value is None or RESTARTED in sys._xoptions or not (sys.executable and has_glibc()):
        return
    os.environ[VARIABLE] = value
    os.execv(sys.executable, [sys.executable, "-X", RESTARTED, *sys.orig_argv[1:]])


def return_freed_memory() -> None:
    """Give the system back, once, what is free now: before a training, what only its data's build has used."""
    import ctypes

    if has_glibc():
        ctypes.CDLL(None).malloc_trim(0)
