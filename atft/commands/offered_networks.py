"""Which classes ``--help-all`` and the completion of a shell name for ``model.network``.

A network may be any module of torch, and the parser would list the hundreds that torch and its companions have.
Named are those that derive from `RankingNetwork`: atft's, and those of the user's that have been imported.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

import atft.nn
from atft.network import NetworkInputs
from atft.nn.ranking_network import RankingNetwork

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def offer_networks(parser: "ArgumentParser") -> None:
    """Make a parser's help and completion name networks only; for a parser that parses nothing afterwards."""
    for module in iter_modules(atft.nn.__path__):
        import_module(f"atft.nn.{module.name}")
    (action,) = (action for action in parser._actions if action.dest == "model.network")
    action._typehint = Callable[[NetworkInputs], RankingNetwork]  # type: ignore[attr-defined]
