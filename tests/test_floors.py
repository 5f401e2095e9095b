"""Imports go down only, and shelves do not know each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "atft"
SHELVES = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith("__")}
UPPER = (
    "tasks",
    "callbacks",
    "tear_sheet",
    "runs",
    "probes",
    "explain",
    "export",
    "commands",
    "search",
    "crossval",
)
UPPER += ("daily",)
VOCABULARY = {
    "errors",
    "process",
    "files",
    "drawing",
    "option_types",
    "own_functions",
    "panel",
    "trading_days",
    "batch",
    "network",
    "cross_section",
    "day_series",
    "day_statistics",
    "shared_results",
    "full_precision",
    "device_read",
}
# What stands on each floor may import from lower floors only. Entries of one floor do not know each other.
FLOOR = dict.fromkeys(SHELVES - set(UPPER), 1) | dict.fromkeys(VOCABULARY, 0)
FLOOR |= {"tasks": 2, "callbacks": 2, "tear_sheet": 2, "runs": 3, "probes": 3, "explain": 3, "export": 3}
FLOOR |= {"commands": 4, "search": 5, "crossval": 5}
FLOOR |= {"daily": 6, "completion": 7, "cli": 7, "__main__": 8}
# The rooms inside a folder, from the lowest to the highest: a file imports from its own room and from lower ones.
ROOMS = {
    "callbacks": ("record", "figures", "guards", "curriculum"),
    "search": ("question", "study", "trial", "show", "workers"),
}


def imports_of(path: Path) -> set[str]:
    """Parts of atft that a file imports anywhere in it, lazily or under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("atft."):
            found.add(str(node.module).split(".")[1])
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("atft.")}
    return found


def rooms_imported(path: Path, folder: str) -> set[str]:
    """Rooms of ``folder`` that a file imports from anywhere in it."""
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    modules = [str(n.module).split(".") for n in nodes]
    return {m[2] for m in modules if m[:2] == ["atft", folder] and len(m) > 2}


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


SOURCES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_from_the_floors_below_its_own(path: Path) -> None:
    own = part_of(path)
    for other in imports_of(path) - {own}:
        inside_vocabulary = FLOOR[own] == FLOOR[other] == 0
        assert inside_vocabulary or FLOOR[other] < FLOOR[own], f"{path.name} of {own} imports {other}"


@pytest.mark.parametrize("folder", ["process", "files", "drawing"])
def test_a_folder_of_the_vocabulary_knows_errors_and_itself_only(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        assert imports_of(path) <= {"errors", folder}, path.name


@pytest.mark.parametrize("folder", ROOMS)
def test_a_room_imports_only_from_the_rooms_below_it(folder: str) -> None:
    rooms = ROOMS[folder]
    assert {p.name for p in (ROOT / folder).iterdir() if p.is_dir() and p.name[0] != "_"} == set(rooms)
    for floor, room in enumerate(rooms):
        for path in (ROOT / folder / room).glob("*.py"):
            above = rooms_imported(path, folder) - set(rooms[: floor + 1])
            assert not above, f"{folder}/{room}/{path.name} imports {', '.join(sorted(above))}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_stays_short_and_catches_only_what_it_can_name(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert "except Exception" not in text and "except:" not in text


def test_the_environment_is_read_and_set_before_heavy_imports_only() -> None:
    touching = {p.name for p in SOURCES if "os.environ" in p.read_text() or "getenv" in p.read_text()}
    assert touching == {"threads.py", "allocator.py", "launched.py"}


def test_every_source_file_has_a_test_file_that_mirrors_it() -> None:
    tests = Path(__file__).parent
    missing = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.name not in ("__init__.py", "__main__.py")
        and not (tests / p.relative_to(ROOT).parent / f"test_{p.name}").exists()
    ]
    assert missing == []
