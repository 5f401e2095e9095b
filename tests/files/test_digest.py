"""Digests: stable, short, and blind to the order of keys only."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from atft.errors import InputError
from atft.files.digest import file_digest, json_digest, read_sealed_json, record_of, sealed_json, text_digest


def test_a_digest_is_the_beginning_of_sha_256() -> None:
    assert text_digest("a") == text_digest(b"a") == hashlib.sha256(b"a").hexdigest()[:16]
    assert text_digest("a") != text_digest("b")


def test_json_that_differs_in_the_order_of_its_keys_has_one_digest() -> None:
    assert (
        json_digest({"a": 1, "b": [2]})
        == json_digest({"b": [2], "a": 1})
        == text_digest('{"a": 1, "b": [2]}')
    )
    assert json_digest({"a": 1}) != json_digest({"a": 2})


def test_a_sealed_file_is_read_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    path, content = tmp_path / "list.json", {"b": [1, 2], "a": date(2020, 1, 2)}
    path.write_text(sealed_json("panel", content))
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_sealed_json(path, "panel", "list", "") == {"a": "2020-01-02", "b": [1, 2]}
    for text, what in (
        (path.read_text().replace("1", "3"), "damaged"),
        ("{", "unreadable"),
        ("[]", "unreadable"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=rf"list\.json: {what} list.*; build it again"):
            read_sealed_json(path, "panel", "list", "build it again")


@dataclass
class Part:
    """A record inside of another."""

    days: tuple[date, ...]


@dataclass
class Whole:
    """Each kind of field that sealed files have."""

    name: str | None
    pairs: tuple[tuple[str, int], ...]
    parts: dict[str, Part]
    options: dict[str, Any]


@pytest.mark.parametrize("name", ["a", None])
def test_a_record_is_made_again_of_its_json(name: str | None) -> None:
    part = Part((date(2020, 1, 2),))
    whole = Whole(name, (("x", 1), ("y", 2)), {"one": part}, {"horizons": [1, 5]})
    assert record_of(Whole, json.loads(sealed_json("whole", asdict(whole)))["whole"]) == whole
