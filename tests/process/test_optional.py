"""Packages that may be absent."""

from pathlib import Path

import pytest

from atft.errors import InputError
from atft.process.optional import load_optional, why_absent


def test_an_absent_package_is_one_line_that_says_what_to_install() -> None:
    assert why_absent("json", "baselines") == ""
    with pytest.raises(
        InputError, match=r"^no_such_package is not installed; run: pip install 'atft\[baselines\]'$"
    ):
        load_optional("no_such_package.part", "baselines")


def test_a_package_that_is_there_and_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.py").write_text("import absent_part")
    monkeypatch.syspath_prepend(tmp_path)
    assert why_absent("half", "explain") == (
        "half cannot be imported (No module named 'absent_part'); run: pip install 'atft[explain]'"
    )


def test_a_library_of_the_system_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("atft.process.optional.import_module", broken)
    reason = why_absent("lightgbm", "baselines")
    assert "libgomp.so.1" in reason and "install that library" in reason
