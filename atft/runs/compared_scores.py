"""compare in Python: scores of any origin side by side, on the rows that all of them have."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pyarrow.parquet import write_table

from atft.errors import InputError
from atft.evaluation.side_by_side import CompareOptions, compare_files
from atft.evaluation.side_by_side_text import COLUMNS, RESERVED, figure_rows, warning_lines
from atft.files.frames import arrow_table
from atft.runs.run_files import Run

if TYPE_CHECKING:
    import polars


def compare(scores: Mapping[str, Any], **options: Any) -> "polars.DataFrame":
    """Measure scores on the rows that all of them have, as ``python -m atft compare`` does.

    Args:
        scores: name in the rows -> a Polars, pandas or Arrow frame with date, code, score and target, the path of
            such a file or of a run's directory, or a `Run`. The first is what the others are compared with.
        options: of `atft.evaluation.side_by_side.CompareOptions`: split, horizon, blend, baselines, min_stocks,
            draws, seed.

    Returns:
        One row per figure: horizon, lag, scorer, minus (the scorer that is subtracted, null for a figure of its
        own), figure, days, value, low and high (95 %), error and t. The blend, the null controls and the band of
        random scores are scorers too.

    Warns:
        UserWarning: scores are inside the band of random ones or too good to be honest, are constant on some days,
            were trained after days that they score, targets are no returns as fractions or run over more days than
            their horizon.

    Raises:
        InputError: scores cannot be read, have a name of a row that is none of theirs, or no row in common.
    """
    import polars

    if not isinstance(scores, Mapping) or not scores:
        raise InputError("compare takes names and their scores: compare({'mine': frame, 'run': directory})")
    for name in scores:
        if name in RESERVED:
            raise InputError(f"compare: a row of the table is called {name!r}; give the scores another name")
    with TemporaryDirectory() as folder:
        paths, label_of = {}, {}
        for number, (name, source) in enumerate(scores.items()):
            file = source.directory if isinstance(source, Run) else source
            if not isinstance(file, str | Path):
                label = f"scores of {name}"
                table = arrow_table(file, label)
                file = Path(folder) / f"{number}.parquet"
                label_of[str(file)] = label
                write_table(table, file)
            path = Path(file)
            paths[name] = path / "predictions.parquet" if path.is_dir() else path
        try:
            result = compare_files(paths, CompareOptions(**options))
        except InputError as error:
            # A frame has no path that its owner knows.
            text = str(error)
            for written, label in label_of.items():
                text = text.replace(written, label)
            raise InputError(text) from error
    for line in warning_lines(result):
        warnings.warn(line, UserWarning, stacklevel=2)
    rows = [{name: row.get(name) for name in COLUMNS} for row in figure_rows(result)]
    return polars.DataFrame(rows, infer_schema_length=None)
