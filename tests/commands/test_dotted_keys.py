"""Dotted and nested keys of one config mean the same, and neither form loses what the other has written."""

from copy import deepcopy
from itertools import permutations
from typing import Any

import pytest

from atft.commands.dotted_keys import nested_keys
from atft.errors import InputError

SECTIONS = ("data", "data.loader", "model")
NESTED = {"data": {"loader": {"lookback": 7, "batch_size": 2}, "predict": None}, "name": "a"}


@pytest.mark.parametrize(
    "parts",
    [
        [("data", {"loader": {"lookback": 7}}), ("data.loader", {"batch_size": 2}), ("data.predict", None)],
        [("data.loader.lookback", 7), ("data.loader.batch_size", 2), ("data", {"predict": None})],
        [("data", {"loader.lookback": 7, "predict": None}), ("data.loader", {"batch_size": 2})],
    ],
)
def test_a_section_has_all_its_keys_in_whatever_form_and_order_they_stand(parts: Any) -> None:
    for order in permutations([*parts, ("name", "a")]):
        before = dict(order)
        given = deepcopy(before)
        assert nested_keys(given, SECTIONS.__contains__) == NESTED and given == before


def test_inside_of_an_option_dots_stay_and_follow_its_own_value() -> None:
    given = {"model.network.width": 3, "model": {"terms": {"my.loss": 0.2}, "network": "Wide"}}
    nested = nested_keys(given, SECTIONS.__contains__)
    assert nested == {"model": {"terms": {"my.loss": 0.2}, "network": "Wide", "network.width": 3}}
    assert [*nested["model"]] == ["terms", "network", "network.width"]


def test_two_mappings_of_an_option_are_one() -> None:
    given = {"model": {"network": {"init_args": {"width": 3}}}, "model.network": {"init_args": {"depth": 2}}}
    assert nested_keys(given, SECTIONS.__contains__) == {
        "model": {"network": {"init_args": {"width": 3, "depth": 2}}}
    }


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"data": {"loader": {"lookback": 7}}, "data.loader.lookback": 9}, "data.loader.lookback"),
        ({"data": {"loader": {"lookback": 7}}, "data.loader.lookback": 7}, "data.loader.lookback"),
        ({"data.loader": {"lookback": 7}, "data": {"loader.lookback": 9}}, "data.loader.lookback"),
        ({"model": {"network": {"width": 1}}, "model.network.width": 2}, "model.network.width"),
        ({"data.loader": None, "data": {"loader": {"lookback": 7}}}, "data.loader"),
        ({"model.network": "Wide", "model": {"network": {"width": 1}}}, "model.network"),
    ],
)
def test_a_key_in_both_forms_is_an_error(given: Any, key: str) -> None:
    with pytest.raises(
        InputError, match=f"^{key} is given twice, with dots and in its section; write it once"
    ):
        nested_keys(given, SECTIONS.__contains__)
