"""The arguments of every command that looks at a study: the sweep's file, and another storage."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atft.search.question.options import SweepOptions, read_sweep


def sweep_arguments(
    command: str, description: str, arguments: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> tuple[argparse.Namespace, SweepOptions]:
    """Parse what follows ``atft sweep COMMAND`` and read the sweep's file.

    ``options`` are the command's own, ``--name`` -> what `ArgumentParser.add_argument` takes.
    """
    parser = argparse.ArgumentParser(
        f"python -m atft sweep {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", required=True, type=Path, help="the sweep: a file, or the name of a shipped one"
    )
    parser.add_argument("--storage", help="URL of the storage, in place of the sweep's")
    for name, settings in options.items():
        parser.add_argument(name, **settings)
    parsed = parser.parse_args(arguments)
    return parsed, read_sweep(parsed.config, {"storage": parsed.storage} if parsed.storage else {})
