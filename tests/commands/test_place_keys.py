"""Keys that say where and how fast a run trains are keys of a training command."""

from typing import Any

import pytest

from atft.commands.key_tree import node_at, tree_of
from atft.commands.place_keys import PLACES


@pytest.mark.parametrize("key", [key for key in PLACES if key != "config"])  # --config is no key of a config
def test_a_place_is_a_key_of_fit(key: str, fit_parser: Any) -> None:
    assert node_at(tree_of(fit_parser), key) is not None
