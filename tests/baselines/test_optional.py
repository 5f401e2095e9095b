"""Packages that may be absent."""

import pytest

from atft.baselines.optional import load_optional, why_absent
from atft.errors import InputError


def test_an_absent_package_is_one_line_that_says_what_to_install() -> None:
    assert why_absent("json") == ""
    with pytest.raises(
        InputError, match=r"^no_such_package is not installed; run: pip install 'atft\[baselines\]'$"
    ):
        load_optional("no_such_package")


def test_a_library_of_the_system_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("atft.baselines.optional.import_module", broken)
    assert "libgomp.so.1" in why_absent("lightgbm") and "install that library" in why_absent("lightgbm")
