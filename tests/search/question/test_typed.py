"""Plain values become typed ones, or are refused by their dotted key."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from atft.errors import InputError
from atft.search.question.typed import typed


@dataclass(frozen=True)
class Inner:
    size: float = 1.0


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 3
    share: float | None = None
    kind: Literal["fast", "slow"] = "fast"
    inner: Inner = field(default_factory=Inner)
    names: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({}, Outer("a")),
        ({"share": 2}, Outer("a", share=2.0)),
        ({"share": "1e-3", "count": "4"}, Outer("a", share=0.001, count=4)),
        ({"share": None, "kind": "slow"}, Outer("a", kind="slow")),
        ({"inner": {"size": 3}, "names": ["x"]}, Outer("a", inner=Inner(3.0), names=["x"])),
    ],
)
def test_values_take_the_type_of_their_field(given: dict[str, Any], held: Outer) -> None:
    assert typed(Outer, {"name": "a", **given}) == held


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"coutn": 3}, "unknown key 'coutn'; did you mean 'count'?"),
        ({"inner": {"siez": 3}}, "unknown key 'inner.siez'; did you mean 'size'?"),
        ({"inner": 3}, "inner must be a mapping of size, got 3"),
        ({"inner": {"size": "big"}}, "inner.size must be a number, got 'big'"),
        ({"count": True}, "count must be a whole number, got True"),
        ({"count": 2.5}, "count must be a whole number, got 2.5"),
        ({"share": "x"}, "share must be a number or null, got 'x'"),
        ({"kind": "fsat"}, "kind: no 'fsat'; did you mean 'fast'?"),
        ({"names": "x"}, "names must be a list, got 'x'"),
        ({"count": "x" * 3000}, f"count must be a whole number, got '{'x' * 59}"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_key(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as refused:
        typed(Outer, {"name": "a", **given})
    assert str(refused.value) == told


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(InputError, match=r"^the key 'name' is missing$"):
        typed(Outer, {"count": 1})
