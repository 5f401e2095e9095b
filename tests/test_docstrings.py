"""Docstrings describe what is there; the strict build of the site stops where one does not."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "atft").rglob("*.py"))


def undescribed(source: str) -> list[str]:
    """Entries under ``Args:`` that are no parameter of their function, or no field or argument of their class."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        block = re.search(r"^Args:\n((?: {4}.*\n?|\n)*)", ast.get_docstring(node) or "", re.M)
        named = re.findall(r"^ {4}(\S[^:]*):", block[1], re.M) if block else []
        of_class = isinstance(node, ast.ClassDef)
        functions = [node] if not of_class else [f for f in node.body if getattr(f, "name", "") == "__init__"]
        known = {
            word.arg
            for function in functions
            for word in ast.walk(function.args)
            if isinstance(word, ast.arg)
        }
        known |= {f.target.id for f in node.body if of_class and isinstance(f, ast.AnnAssign)}
        found += [f"{node.name}: {name}" for name in named if name.lstrip("*") not in known]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_docstring_describes_parameters_that_exist_as_the_strict_build_of_the_site_demands(
    path: Path,
) -> None:
    assert undescribed(path.read_text()) == []


def test_the_check_of_docstrings_finds_two_parameters_in_one_entry() -> None:
    text = 'def f(a, b):\n    """Do.\n\n    Args:\n        {}: two.\n    """\n'
    assert undescribed(text.format("a, b")) == ["f: a, b"] and undescribed(text.format("a")) == []
