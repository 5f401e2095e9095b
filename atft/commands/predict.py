"""predict: score days with a checkpoint into a file of its own.

What a run wrote at its end is the evidence of its test days, and is never overwritten. A later list of scores has a
name that says its checkpoint and its days, or the name that the user gives.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from atft.errors import InputError
from atft.panel import panel_files

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

FORMATS = (".parquet", ".csv")


def predict(cli: "RankingCLI", checkpoint: str) -> int:
    """Score the days asked for, say which of them lack history, and write the file.

    Raises:
        InputError: the file cannot be written there, or no day can be scored.
    """
    from rich.console import Console

    from atft.commands.after_fit import write_predictions_of

    console, given = Console(), cli.config.get("out")
    if given is not None:
        check_place(Path(given), cli.datamodule.panel.path)
    dates, days = cli.datamodule.open_cache().manifest.dates, cli.datamodule.predict_days()
    out = Path(given) if given is not None else own_name(Path(checkpoint), dates[days[0]], dates[days[-1]])
    write_predictions_of(cli, checkpoint, out)
    for line in cli.datamodule.lines_of("predict"):
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"predictions in {out}", soft_wrap=True)
    return 0


def own_name(checkpoint: Path, first: date, last: date) -> Path:
    """The file beside a checkpoint that its scores of these days go to."""
    return checkpoint.with_name(f"predictions_{checkpoint.stem}_{first}_{last}.parquet")


def check_place(out: Path, panel: str | None) -> None:
    """Check that predictions may be written to a file that the user names; one of an earlier call is replaced.

    Args:
        out: the file.
        panel: the panel's path, file, folder or glob; None where the market is simulated.

    Raises:
        InputError: its suffix names no format, it belongs to a run, or it is a file of the panel.
    """
    place = out.resolve()
    if place.suffix not in FORMATS:
        raise InputError(f"--out {out}: the suffix decides the format, it must be .parquet or .csv")
    of_a_run = (place.parent / "receipt.json").exists() and not place.name.startswith("predictions_")
    if of_a_run and (place.exists() or place.name == "predictions.parquet"):
        raise InputError(
            f"--out {out}: that file is evidence of the run in {place.parent}; name another file"
        )
    if panel is not None and place in [f.resolve() for f in panel_files(panel)]:
        raise InputError(f"--out {out}: that file is the panel; name another file")
