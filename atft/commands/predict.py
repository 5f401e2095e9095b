"""predict: score days with a checkpoint into a file of its own.

The file that a run wrote at its end is the evidence of its test days, and is never overwritten. A later list of
scores is named by its checkpoint and its days, or by the user.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from atft.files.output_path import check_table_out
from atft.process.console import plain_console

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

FORMATS = (".parquet", ".csv")


def predict_to_file(cli: "RankingCLI", checkpoint: str) -> int:
    """Score the days asked for, print which of them lack history, and write the file.

    Raises:
        InputError: the file cannot be written there, or no day can be scored.
    """
    from atft.commands.after_fit import write_predictions_of
    from atft.files.checkpoint_file import read_checkpoint
    from atft.tasks.seen_days import seen_lines

    console, out = plain_console(), cli.config.get("out")
    if out is not None:
        check_table_out(Path(out), FORMATS, [cli.datamodule.panel.path])
    dates, days = cli.datamodule.open_cache().manifest.dates, cli.datamodule.predict_days()
    if out is None:
        stem = f"predictions_{Path(checkpoint).stem}_{dates[days[0]]}_{dates[days[-1]]}"
        out = Path(checkpoint).with_name(f"{stem}.parquet")
    write_predictions_of(cli, checkpoint, Path(out))
    named_new = [dates[day] for day in days if cli.datamodule.split_of(dates[day]) not in ("train", "val")]
    known = seen_lines(read_checkpoint(checkpoint)["atft"], checkpoint, named_new)
    for line in (*cli.datamodule.lines_of("predict"), *known):
        console.print(line, soft_wrap=True)
    console.print(f"predictions in {out}", soft_wrap=True)
    return 0
