"""Keys that say where and how fast a run trains are keys of a training command."""

from typing import Any

import pytest

from atft.commands.key_tree import node_at, tree_of
from atft.commands.machine_keys import MACHINE_KEYS


@pytest.mark.parametrize(
    "key", [key for key in MACHINE_KEYS if key != "config"]
)  # --config is no key of a config
def test_a_key_of_the_machine_is_a_key_of_fit(key: str, fit_parser: Any) -> None:
    assert node_at(tree_of(fit_parser), key) is not None
