"""What a reader has to carry: lines by folder, configuration keys of our own, names on the README's map.

    python -m benchmarks.weigh

Lines are all lines of the sources, docstrings and blank lines too. A key is a leaf of our own options: fields of
dataclasses and arguments of constructors, each counted once; keys of Lightning, torch and Optuna are not ours.
"""

import argparse
import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
NAMED_BY_THE_COMMAND_LINE = ["name", "threads"]
FILLED_BY_LINKS = {"model": {"features", "regimes"}, "data": {"horizons", "seed"}}
"""Constructor arguments that other keys fill: users do not write them."""


def lines(folder: Path) -> int:
    """Lines of all sources below a folder."""
    return sum(len(p.read_text().splitlines()) for p in folder.rglob("*.py"))


def own_options(annotation: Any) -> Iterator[type]:
    """Options classes of this package in an annotation such as ``GraphOptions | None``."""
    if dataclasses.is_dataclass(annotation) and annotation.__module__.startswith("atft."):
        yield typing.cast(type, annotation)
    for inner in typing.get_args(annotation):
        yield from own_options(inner)


def keys_of(kind: type, seen: set[type]) -> list[str]:
    """Leaf keys of a class's constructor, those of nested options included, each class once."""
    if kind in seen:
        return []
    seen.add(kind)
    hints = typing.get_type_hints(kind.__init__)
    hints.pop("return", None)
    keys = []
    for name, annotation in hints.items():
        nested = list(own_options(annotation))
        keys += [f"{name}.{key}" for inner in nested for key in keys_of(inner, seen)] if nested else [name]
    return keys


def own_keys() -> dict[str, list[str]]:
    """Configuration keys by the section or command that has them."""
    from atft.callbacks.curriculum.phase import Phase
    from atft.features.options import FeatureOptions
    from atft.runs.run_callbacks import MONITORS
    from atft.search.question.options import SweepOptions
    from atft.tasks.day_data import DayData
    from atft.tasks.ranking import RankingTask

    seen: set[type] = set()
    keys = {"command line": NAMED_BY_THE_COMMAND_LINE}
    sections: dict[str, type] = {"model": RankingTask, "data": DayData, **MONITORS}
    sections |= {"curriculum": Phase, "features": FeatureOptions, "sweep": SweepOptions}
    for section, kind in sections.items():
        filled = FILLED_BY_LINKS.get(section, set())
        keys[section] = [key for key in keys_of(kind, seen) if key not in filled]
    return keys


def concepts(readme: str) -> list[str]:
    """Names in the first column of the README's map."""
    rows = readme.split("## Map")[1].splitlines()
    return [
        name for row in rows if row.startswith("| `") for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]


def main(arguments: list[str] | None = None) -> None:
    """Print the three counts."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    source = ROOT / "atft"
    folders = {p.name: lines(p) for p in sorted(source.iterdir()) if p.is_dir() and p.name[0] != "_"}
    for name, count in folders.items():
        print(f"{name:<14}{count:>8,}")
    print(f"{'vocabulary':<14}{lines(source) - sum(folders.values()):>8,}")
    print(f"{'atft':<14}{lines(source):>8,}")
    keys = own_keys()
    print(
        "\n".join(
            f"{section:<20}{len(names):>4}  {' '.join(names)}" for section, names in keys.items() if names
        )
    )
    print(f"own keys: {sum(map(len, keys.values()))}")
    print(f"names on the map: {len(concepts((ROOT / 'README.md').read_text()))}")


if __name__ == "__main__":
    main()
