"""join: further columns beside a panel's, each as of the day on which it was known."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from atft.commands.config_keys import parse

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

PATHS = {
    "panel": "Parquet file of the panel, a folder of them, or a glob.",
    "with": "Parquet or CSV file of the rows to join: fundamentals, ratings, anything that was published.",
    "out": "Parquet file to write.",
}


def run(command: str, arguments: list[str]) -> int:
    """Write the panel with the further columns, and print what was joined."""
    from atft.features.as_of_join import join_panel
    from atft.features.known_rows import JoinOptions
    from atft.progress import Progress

    values = parse(join_parser(), arguments, command).as_dict()
    options = JoinOptions(**{field.name: values[field.name] for field in fields(JoinOptions)})
    with Progress(command):
        report = join_panel(values["panel"], Path(values["with"]), Path(values["out"]), options)
    print("\n".join(report.lines()))  # noqa: T201
    return 0


def join_parser() -> "ArgumentParser":
    """The parser of the command's paths and of the options of `JoinOptions`."""
    from jsonargparse import ArgumentParser

    from atft.features.known_rows import JoinOptions

    parser = ArgumentParser(
        prog="python -m atft join",
        description="Join columns of another file to a panel, as of the day on which they were published.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", action="config", help="YAML file of these keys.")
    for name, help_text in PATHS.items():
        parser.add_argument(f"--{name}", type=str, required=True, help=help_text)
    parser.add_argument("--threads", type=int | None, default=None, help="Cap of each numerical pool.")
    parser.add_class_arguments(JoinOptions, None)
    return parser
