"""Keys that say where and how fast a run trains are keys of a training command."""

from typing import Any

import pytest

from atft.commands.key_tree import node_at, tree_of
from atft.runs.machine_keys import MACHINE_KEYS, ChangedKey, changed_keys


@pytest.mark.parametrize(
    "key", [key for key in MACHINE_KEYS if key != "config"]
)  # --config is no key of a config
def test_a_key_of_the_machine_is_a_key_of_fit(key: str, fit_parser: Any) -> None:
    assert node_at(tree_of(fit_parser), key) is not None


def test_changed_keys_are_those_that_differ_but_for_the_machines() -> None:
    before = {"name": "a", "model": {"terms": {"ic": 1.0}, "old": 2, "graph": None}, "seed_everything": 1}
    graph = {"k": 3}
    after = {"name": "b", "model": {"terms": {"ic": 0.5, "huber": 0.1}, "graph": graph}, "seed_everything": 1}
    assert list(changed_keys(before, after)) == [
        ChangedKey("model.terms.ic", "1.0", "0.5", False),
        ChangedKey("model.old", "2", "None", True),
        ChangedKey("model.terms.huber", "None", "0.1", True),
        ChangedKey("model.graph.k", "None", "3", False),
    ]
