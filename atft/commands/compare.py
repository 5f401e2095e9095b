"""compare: runs, baselines and files of any origin side by side, on the rows that all of them have. No torch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from atft.commands.file_arguments import FileCommand, parse_file_arguments
from atft.errors import InputError, listed
from atft.evaluation.predictions import PREDICTIONS
from atft.evaluation.side_by_side import CompareOptions, compare_files
from atft.evaluation.side_by_side_text import FORMATS, RESERVED, side_by_side_lines, write_side_by_side

BASELINE = "baseline.json"
"""Beside the predictions of `python -m atft baseline`."""
COMMAND = FileCommand(
    "compare",
    "RUN_OR_FILE",
    "Compare predictions on the rows that all of them have. Shows RankIC at lag 0 and 1, the blend by mean rank, "
    "null controls, and paired differences from the first and from the best baseline, with 95 % intervals. "
    "RUN_OR_FILE is the directory of a run, a baseline or a cross-validation, or a file with date, code, score and "
    "target (Parquet, CSV, JSON lines). NAME=RUN_OR_FILE sets its name in the tables.",
    CompareOptions,
    out="File to write all figures to, .csv or .json.",
)


def run(_: str, arguments: Sequence[str]) -> int:
    """Compare the files, print the tables, and write the figures where a file is named."""
    from atft.process.progress import Progress

    words, options, out = parse_file_arguments(COMMAND, arguments, FORMATS)
    paths = named_files(words)
    # The directory of a baseline says that it is one; a file of another program is named by the user.
    known = [name for name, path in paths.items() if path.with_name(BASELINE).is_file()]
    options = replace(options, baselines=list(dict.fromkeys((*options.baselines, *known))))
    with Progress("compare"):
        result = compare_files(paths, options)
    print("\n".join(side_by_side_lines(result)))  # noqa: T201
    if out is not None:
        write_side_by_side(result, out)
        print(f"figures in {out}")  # noqa: T201
    return 0


def named_files(words: Sequence[str]) -> dict[str, Path]:
    """Name -> predictions file, of words that are a directory, a file, or NAME= before one.

    Raises InputError where there is no such file, or two have one name.
    """
    from atft.evaluation.evaluate import file_names

    names, paths = [], []
    for word in words:
        name, equals, rest = word.partition("=")
        is_named = bool(equals) and not Path(word).exists()
        names.append(name if is_named else None)
        paths.append(predictions_of(Path(rest if is_named else word)))
    named = [name or usual for name, usual in zip(names, file_names(paths), strict=True)]
    for name in named:
        if named.count(name) > 1 or name in RESERVED:
            raise InputError(f"two rows would be called {name!r}; write OTHER_NAME= before one of the files")
    return dict(zip(named, paths, strict=True))


def predictions_of(path: Path) -> Path:
    """The predictions file of a run's directory, or the file itself."""
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"{path}: no such run or file")
        return path
    file = path / PREDICTIONS
    if file.is_file():
        return file
    inside = [run_file.parent.name for run_file in path.glob(f"*/{PREDICTIONS}")]
    meant = f"; name one of its directories: {listed(inside)}" if inside else ""
    raise InputError(f"{path}: no {PREDICTIONS} in this directory{meant}")
