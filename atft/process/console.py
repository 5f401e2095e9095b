"""The console of the commands: names are printed as they are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def plain_console(**options: Any) -> "Console":
    """A console that wraps lines and shows styles; ``[x]`` in a name is no markup, ``:x:`` no sign."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **options)
