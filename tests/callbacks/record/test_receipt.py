"""The receipt: typed, versioned, whole, and readable by any JSON reader."""

import json
import math
from pathlib import Path

import pytest

from atft.callbacks.record.receipt import (
    Coverage,
    Receipt,
    code_digest,
    library_versions,
    publish_json,
    read_receipt,
    text_digest,
    write_receipt,
)


def test_a_receipt_reads_back_as_it_was_written(tmp_path: Path) -> None:
    receipt = Receipt(status="completed", optimizer="AdaBelief", terms={"ic": {"value": 0.9}})
    receipt.rows["train"] = Coverage(planned=10, seen=10)
    write_receipt(receipt, tmp_path)
    assert read_receipt(tmp_path) == receipt


def test_a_receipt_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(json.dumps({"version": 999}))
    with pytest.raises(ValueError, match="version 999"):
        read_receipt(tmp_path)


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    publish_json(tmp_path / "a.json", {"a": [math.nan, 1.0], "b": {"c": math.inf}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, 1.0], "b": {"c": None}}


def test_digests_are_stable_and_tell_texts_apart() -> None:
    assert code_digest() == code_digest()
    assert text_digest("a") != text_digest("b")
    assert len(code_digest()) == len(text_digest("a")) == 16


def test_versions_name_what_decides_a_number() -> None:
    assert {"atft", "python", "torch", "lightning", "pyarrow"} <= set(library_versions())
