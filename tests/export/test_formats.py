"""A package that ONNX needs and that is absent is one line."""

import sys

import pytest

from atft.errors import InputError
from atft.export.formats import PACKAGES, check_packages, load_program


@pytest.mark.parametrize("package", PACKAGES)
def test_an_absent_package_is_one_line_that_names_the_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"^{package} is not installed; run: pip install 'atft\[export\]'$"):
        check_packages()
    with pytest.raises(InputError, match=package):
        load_program(b"", "onnx")
