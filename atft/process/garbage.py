"""Python's search for unreachable cycles, out of the way while a program starts.

Importing torch, Lightning and torch-geometric makes a million objects that stay. Searching them again and again
took .8 s of a start. Once more at the end took 1 s; `atft.process.termination.end_process` leaves it out.
"""

import gc

USUAL = gc.get_threshold()
WHILE_STARTING = (50_000, *USUAL[1:])


def collect_rarely() -> None:
    """Search after 50,000 new objects instead of 700, while modules are imported."""
    gc.set_threshold(*WHILE_STARTING)


def collect_as_usual() -> None:
    """Search as Python does by itself: a cycle that holds tensors must not wait."""
    gc.set_threshold(*USUAL)
