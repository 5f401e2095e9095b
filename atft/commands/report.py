"""report: predictions files to one HTML page. No torch."""

from collections.abc import Sequence
from pathlib import Path

from atft.commands.file_arguments import FileCommand, parse_file_arguments
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.options import EvaluateOptions
from atft.files.publish import publish_text
from atft.process.progress import Progress

COMMAND = FileCommand(
    "report",
    "FILE",
    "Write a tear sheet of predictions: one HTML page that loads and runs nothing. Several files share each "
    "chart, and each of the others is compared with the first day by day. Files and options are those of evaluate.",
    EvaluateOptions,
    "--predictions",
    "Page to write, .html; default: report.html beside the first file.",
)


def run(_: str, arguments: Sequence[str]) -> int:
    """Measure the files, write the page and print its path."""
    from atft.tear_sheet.sheet import check_file_count, tear_sheet

    paths, options, out = parse_file_arguments(COMMAND, arguments, (".html",))
    check_file_count(len(paths))
    path = out or Path(paths[0]).parent / "report.html"
    with Progress("report"):
        publish_text(path, tear_sheet(evaluate_files(paths, options)))
    print(f"{path}")  # noqa: T201
    return 0
