"""Digests: stable, short, and blind to the order of keys only."""

import hashlib

from atft.digest import json_digest, text_digest


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
