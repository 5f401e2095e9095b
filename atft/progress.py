"""One progress bar for everything that takes more than a few seconds; shown on a terminal only."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")  # requires-python is 3.11: no `def track[T]`


def progress_bar(transient: bool = False) -> "Progress":
    """The bar itself, a context manager: ``add_task(description, total=)`` and ``advance(task)``.

    Args:
        transient: wipe it when it is done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=transient)


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Pass ``items`` through, showing how far they are.

    Args:
        items: what is iterated.
        description: what is being done, in a word or three.
        total: how many there are, where ``items`` has no length.
    """
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)
