"""``from atft import ...``: the names of a notebook, each imported when it is first used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import atft

SOURCE = Path(str(atft.__file__)).read_text()


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'lightning', 'polars', 'pyarrow', 'numpy', 'jsonargparse'} & set(sys.modules)"
    program = f"import sys, atft; print({heavy})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_every_public_name_can_be_imported_and_is_what_a_type_checker_sees() -> None:
    for name in atft.__all__:
        assert getattr(atft, name) is not None
    checked = next(n for n in ast.parse(SOURCE).body if isinstance(n, ast.If))
    seen = {a.name: n.module for n in checked.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert seen == atft._MODULES
    assert sorted([*seen, "__version__"]) == sorted(atft.__all__)
    assert set(atft.__all__) <= set(dir(atft))


def test_no_class_that_a_configuration_names_has_a_shorter_path_here() -> None:
    assert not [module for module in atft._MODULES.values() if module.startswith(("atft.nn", "atft.optim"))]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'atft' has no attribute 'Rankingtask'"):
        _ = atft.Rankingtask
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from atft import nothing")


def test_type_checkers_read_the_package() -> None:
    assert (Path(str(atft.__file__)).parent / "py.typed").is_file()
