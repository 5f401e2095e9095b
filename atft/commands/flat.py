"""features, simulate and join: commands that write a file, from paths and the flat keys of one dataclass."""

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from atft.commands.arguments import check_one_path, dataclass_of
from atft.commands.config_keys import parse
from atft.errors import InputError
from atft.process.progress import Progress

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


class FlatCommand(NamedTuple):
    """What a command that writes a file takes."""

    description: str
    paths: dict[str, str]
    """Paths that it needs, each with its help."""
    options: str
    """Its dataclass, imported when the command runs."""


COMMANDS = {
    "features": FlatCommand(
        "Turn daily prices, in the layout of any vendor, into a panel of features and forward returns.",
        {
            "prices": "File, folder or glob of daily prices, Parquet or CSV.",
            "out": "Parquet file to write; without a suffix, a folder to which later days can be appended.",
        },
        "atft.features.options:FeatureOptions",
    ),
    "simulate": FlatCommand(
        "Write a simulated market as a panel, and print the best IC that any score can reach.",
        {"out": "Parquet file to write."},
        "atft.market.options:MarketOptions",
    ),
    "join": FlatCommand(
        "Add columns of another file to a panel, each value as of the day on which it was published.",
        {
            "panel": "Parquet file of the panel, a folder of them, or a glob.",
            "with": "Parquet or CSV file with the rows to add: fundamentals, ratings, anything that was published.",
            "out": "Parquet file to write.",
        },
        "atft.features.known_rows:JoinOptions",
    ),
}
APPEND = "Append the days after the last one to the folder --out, with the options of its first build."
CORRECTIONS = (
    "With --append, what to do if rows of past days differ from the stored ones: error, rebuild (make all days "
    "again from the first changed one on) or rescale (a code whose history changed by one factor keeps the stored "
    "basis)."
)


def run(command: str, arguments: list[str]) -> int:
    """Run a command, and print what it has read, written and left out."""
    values, options = parse_flat(command, arguments)
    out = Path(values["out"])
    with Progress(command):
        if command == "features":
            lines = make_panel(values, options)
        elif command == "join":
            from atft.features.as_of_join import join_panel

            lines = join_panel(values["panel"], Path(values["with"]), out, options).lines()
        else:
            from atft.market.write import write_market

            lines = [str(write_market(out, options))]
        print("\n".join(lines))  # noqa: T201
    return 0


def make_panel(values: dict[str, Any], options: Any) -> list[str]:
    """Build the panel of some prices, or append to it; what was written and left out, a line each."""
    prices, out = Path(values["prices"]), Path(values["out"])
    if values["append"]:
        from atft.features.append import append_prices, check_options

        check_options(out, options)
        return append_prices(out, prices, values["corrections"]).lines()
    if values["corrections"] != "error":
        raise InputError(
            "features: corrections needs append: true; without it all days are made from the prices"
        )
    from atft.features.build import build_panel

    return build_panel(prices, out, options).lines()


def flat_parser(command: str) -> "ArgumentParser":
    """The parser of a command's paths and options."""
    from jsonargparse import ArgumentParser

    description, paths, kind = COMMANDS[command]
    parser = ArgumentParser(
        prog=f"python -m atft {command}", description=description, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("-c", "--config", action="config", help="YAML file of these keys.")
    for name, help_text in paths.items():
        parser.add_argument(f"--{name}", type=str, required=True, help=help_text)
    if command == "features":
        parser.add_argument("--append", type=bool, default=False, help=APPEND)
        parser.add_argument("--corrections", type=str, default="error", help=CORRECTIONS)
    parser.add_argument(
        "--threads", type=int | None, default=None, help="Most threads of each numerical library."
    )
    parser.add_class_arguments(resolve_name(kind), None)
    return parser


def parse_flat(command: str, arguments: list[str]) -> tuple[dict[str, Any], Any]:
    """Read a command's arguments: the value of each by its name, and its options as their dataclass."""
    check_one_path(arguments)
    values = parse(flat_parser(command), arguments, command).as_dict()
    return values, dataclass_of(resolve_name(COMMANDS[command].options), values)
