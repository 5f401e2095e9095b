"""The receipt: typed, versioned, whole, and readable by any JSON reader."""

import json
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

import atft
from atft.callbacks.record.receipt import (
    Coverage,
    Receipt,
    code_digest,
    library_versions,
    read_receipt,
    write_receipt,
)
from atft.errors import InputError


def test_a_receipt_reads_back_as_it_was_written(tmp_path: Path) -> None:
    receipt = Receipt(status="completed", optimizer="AdaBelief", terms={"ic": {"value": 0.9}})
    receipt.rows["train"] = Coverage(planned=10, seen=10)
    write_receipt(receipt, tmp_path)
    assert read_receipt(tmp_path) == receipt


def test_a_receipt_of_another_format_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(json.dumps({"version": 999}))
    with pytest.raises(ValueError, match="version 999"):
        read_receipt(tmp_path)


@pytest.mark.parametrize("field", fields(Receipt), ids=lambda field: field.name)
def test_a_receipt_with_a_value_of_another_type_is_an_error(field: Field[Any], tmp_path: Path) -> None:
    write_receipt(Receipt(days={"train": Coverage(2, 2)}), tmp_path)
    written = json.loads((tmp_path / "receipt.json").read_text())
    for value in ([[1]], {"a": [1]}, 0.5):
        if field.name == "seconds" and isinstance(value, dict):
            continue  # its values may be anything
        (tmp_path / "receipt.json").write_text(json.dumps(written | {field.name: value}))
        with pytest.raises(InputError, match=r"receipt\.json: cannot be read \("):
            read_receipt(tmp_path)


def test_the_code_digest_changes_with_any_file_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_digest() == code_digest() and len(code_digest()) == 16
    monkeypatch.setattr(atft, "__file__", str(tmp_path / "__init__.py"))
    digests = set()
    for name in ("cli.py", "nn/network.py", "callbacks/record/receipt.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("pass")
        digests.add(code_digest.__wrapped__())
    assert len(digests) == 3


def test_versions_name_what_decides_a_number() -> None:
    assert {"atft", "python", "torch", "lightning", "pyarrow"} <= set(library_versions())
