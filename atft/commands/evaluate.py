"""evaluate: measure predictions files of any program. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atft.commands.file_arguments import FileCommand, parse_file_arguments
from atft.errors import InputError
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.options import EvaluateOptions
from atft.files.output_path import check_not_read
from atft.process.progress import Progress


@dataclass(frozen=True)
class EvaluateCommand(EvaluateOptions):
    """Options of the command.

    Args:
        format: format of what is printed.
        alphalens: Parquet file to write, which alphalens reads as its factor_data; for one predictions file.
    """

    format: Literal["text", "json"] = "text"
    alphalens: str | None = None


COMMAND = FileCommand(
    "evaluate",
    "FILE",
    "Measure predictions of any program: RankIC, Sharpe, costs and more, with intervals and null controls. A file "
    "is Parquet, CSV or JSON lines with date, code, score and target (a forward return).",
    EvaluateCommand,
    "--predictions",
    "Folder for evaluation.json, summary.csv and days.csv.",
)


def run(_: str, arguments: Sequence[str]) -> int:
    """Measure the files, print the tables or JSON, and write what was asked for."""
    from atft.evaluation.evaluation_files import evaluation_json, files_of_evaluation, write_evaluation
    from atft.evaluation.evaluation_tables import evaluation_text

    paths, options, out = parse_file_arguments(COMMAND, arguments, ())
    if options.alphalens is not None and len(paths) > 1:
        raise InputError("--alphalens writes the scores of one predictions file; name one")
    if out is not None:
        for file in files_of_evaluation(out):
            check_not_read(file, [*paths, options.context])
    with Progress("evaluate"):
        evaluation = evaluate_files(paths, options)
        if out is not None:
            write_evaluation(evaluation, out)
        if options.alphalens is not None:
            from atft.evaluation.alphalens_export import write_factor_data

            write_factor_data(paths[0], Path(options.alphalens), options)
    is_json = options.format == "json"
    print(evaluation_json(evaluation).rstrip() if is_json else evaluation_text(evaluation))  # noqa: T201
    if out is not None and not is_json:
        print(f"\nevaluation.json, days.csv and summary.csv in {out}")  # noqa: T201
    return 0
