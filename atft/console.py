"""The console of the commands: names are printed as they are."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def plain_console(stderr: bool = False) -> "Console":
    """A console that wraps lines and shows styles; ``[x]`` in a name is no markup, ``:x:`` no sign."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
