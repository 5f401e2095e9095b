"""The file that a command writes is none that it reads (panels, prices, configs), and no evidence of a run."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from atft.errors import InputError
from atft.files.panel_files import panel_files

DATE = r"\d{4}-\d\d-\d\d"
EVIDENCE = (
    *("receipt.json", "registry.json", "manifest.json"),
    *("crossval.json", "baseline.json", "trees.json"),
)
"""Files by one of which a folder of evidence is known."""
RUN_FILES = (
    *("config.yaml", "metrics.json", "metrics.csv", "hparams.yaml", "run.log"),
    *("predictions.parquet", "comparison.txt", "best_model.ckpt", "last.ckpt"),
    *("folds.csv", "folds.json", "registry.csv"),
)
"""Files that a run leaves beside them; what other commands write there has other names."""
PANEL_SUFFIXES = (".parquet", ".pq")


def check_no_evidence(out: Path, option: str = "--out") -> None:
    """Check that the file which an option names is none that a run, a registry or the like leaves in its folder.

    Links are followed.
    """
    path = out.resolve()
    left = (*EVIDENCE, *RUN_FILES)
    if path.name in left and any((path.parent / name).exists() for name in EVIDENCE):
        raise InputError(
            f"{option} {out}: that file is evidence of the run in {path.parent}; name another file"
        )


def check_table_out(out: Path, suffixes: Sequence[str], inputs: Iterable[str | Path | None]) -> None:
    """Check that the table which ``--out`` names has a known suffix, and is neither evidence nor an input."""
    if out.suffix not in suffixes:
        raise InputError(f"--out {out}: the suffix decides the format, it must be {' or '.join(suffixes)}")
    check_no_evidence(out)
    check_not_read(out, inputs)


def check_panel_out(out: Path, option: str = "out") -> None:
    """Check that the file which an option names for a panel has the suffix of Parquet, which is what is read."""
    if out.suffix not in PANEL_SUFFIXES:
        raise InputError(f"{option} {out}: a panel is a Parquet file; name it {out.stem}.parquet")


def check_not_among(out: Path, inputs: Iterable[str | Path], option: str = "--out") -> None:
    """Check that the table which an option names would not be read as one more file of the next call's inputs.

    Args:
        out: the file to write; of ``{date}`` in its name a later call makes a date.
        inputs: folders and globs; a file has no more files.
        option: that names the file, for the message.
    """
    path = out.resolve()
    for source in inputs:
        read = str(Path(source).resolve())
        # A ** stands for any number of folders, which match does not know.
        globs = {read.replace("**/", "*/" * count) for count in range(len(path.parts))}
        if path.is_relative_to(read) or any(map(path.match, globs)):
            raise InputError(
                f"{option} {out}: it is inside {source}, all of which is read; name another folder"
            )


def check_not_read(out: Path, inputs: Iterable[str | Path | None], option: str = "--out") -> None:
    """Check that the file which an option names is no input of the same command.

    Args:
        out: the file to write; links are followed; ``{date}`` in it stands for any date.
        inputs: files, globs, and folders with all that is below them; None, an empty text, and what is not there,
            are no input.
        option: that names the file, for the message.
    """
    # Which date {date} becomes may not be known yet.
    path = re.compile(re.escape(str(out.resolve())).replace(re.escape("{date}"), DATE))
    read = (file.resolve() for source in inputs if source for file in _files_at(source))
    if any(path.fullmatch(str(file)) for file in read):
        raise InputError(f"{option} {out}: this command reads that file; name another one")


def _files_at(source: str | Path) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file()]
    try:
        return panel_files(source)
    except InputError:  # nothing there yet
        return []
