"""Plain English in the sources: one word for one thing, a reason where code is dense, a statement a folder."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "atft").rglob("*.py"))
TEXTS = [
    path
    for pattern in ("atft/**/*.py", "benchmarks/**/*.py", "configs/*.yaml", "docs/*.md", "hpo/*", "*.md")
    for path in sorted(ROOT.glob(pattern))
    # What was written down of earlier versions keeps their words.
    if path.suffix in (".py", ".md", ".yaml")
    and path.name not in ("CHANGELOG.md", "EXPERIMENTS.md", "glossary.md")
]
MAX_UNCOMMENTED_LINES = 25


def replacements(glossary: str) -> dict[str, str]:
    """Words of the glossary's second table, each with what to write instead."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", glossary.split("## Words that are not used")[1], re.M)
    return {word: but for words, but in rows[2:] for word in words.split(", ")}


def dialect(text: str, words: dict[str, str]) -> list[str]:
    """Uses of these words in a text, identifiers such as ``held_days`` included: ``line N: held, write ...``."""
    # "held-out" is the field's own term.
    pattern = re.compile(rf"(?<![A-Za-z])({'|'.join(words)})(?![A-Za-z]|-out)")
    lines = enumerate(text.splitlines(), 1)
    return [f"line {n}: {word}, write {words[word]}" for n, line in lines for word in pattern.findall(line)]


def uncommented(source: str) -> list[str]:
    """Functions with more than ``MAX_UNCOMMENTED_LINES`` lines below their docstring and no comment among them."""
    lines, found = source.splitlines(), []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            body = lines[first.lineno - 1 : node.end_lineno]
            if len(body) > MAX_UNCOMMENTED_LINES and not any("# " in line for line in body):
                found.append(f"{node.name}: {len(body)} lines")
    return found


def public_names() -> list[str]:
    """Names of all functions and classes of modules, without those that open with an underscore."""
    nodes = [node for path in SOURCES for node in ast.parse(path.read_text()).body]
    return [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name[0] != "_"]


WORDS = replacements((ROOT / "docs" / "glossary.md").read_text())


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_text_uses_the_words_of_the_glossary(path: Path) -> None:
    assert dialect(path.read_text(), WORDS) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_long_function_says_why_where_the_reader_stands(path: Path) -> None:
    assert uncommented(path.read_text()) == []


def test_no_two_functions_or_classes_that_do_different_things_have_one_name() -> None:
    # Each command has a run, each program a main; the command and a trial both fit.
    names = [n for n in public_names() if n not in ("run", "main", "fit")]
    assert sorted({n for n in names if names.count(n) > 1}) == []


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_a_folder_says_in_one_line_what_it_is_for(path: Path) -> None:
    statement = ast.get_docstring(ast.parse(path.read_text()))
    assert statement
    assert len(statement.splitlines()) == 1


def test_the_check_of_words_finds_them_in_prose_and_in_names_and_knows_held_out() -> None:
    words = {"held": "manifest", "told": "passed"}
    found = dialect("held = read()\nheld-out days\nuntold\nwas_told", words)
    assert found == ["line 1: held, write manifest", "line 4: told, write passed"]
    assert replacements("## Words that are not used\n\n| not | but |\n| --- | --- |\n| a, b | c |\n") == {
        "a": "c",
        "b": "c",
    }


def test_the_check_of_comments_counts_lines_below_the_docstring() -> None:
    long = "def f():\n    '''Do.'''\n" + "    x = 1\n" * (MAX_UNCOMMENTED_LINES + 1)
    assert uncommented(long) == [f"f: {MAX_UNCOMMENTED_LINES + 1} lines"]
    assert uncommented(long + "    # why\n    x = 2\n") == []
