"""Digests: stable, short, and blind to the order of keys only."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from atft.digest import file_digest, json_digest, read_sealed_json, sealed_json, text_digest
from atft.errors import InputError


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
