"""Help and completion name networks, not every module of torch."""

from collections.abc import Callable
from typing import Any

from atft.nn.ranking_network import RankingNetwork
from atft.runs.third_parties import silence_third_parties


class UsersNetwork(RankingNetwork):
    """Stands for a class of a user's package that has been imported."""


def test_help_all_names_our_networks_and_imported_ones_of_the_user_but_no_module_of_torch(
    atft: Callable[..., Any],
) -> None:
    silence_third_parties()
    text = "".join(atft("fit", "--help-all").out.split())  # names are broken over lines
    entry = text.split("Callable[[NetworkInputs],RankingNetwork]")[1]
    named = entry.split("knownsubclasses:")[1].split(")")[0].split(",")
    assert {"atft.nn.tabm.TabM", "atft.nn.master.MASTER", f"{__name__}.UsersNetwork"} < set(named)
    assert not [name for name in named if name.startswith("torch")]
