"""features and simulate: commands that write a file, from paths and the flat keys of one dataclass."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.config_keys import parse
from atft.commands.from_prices import check_one_path
from atft.errors import InputError
from atft.progress import Progress

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

COMMANDS = {
    "features": (
        "Turn daily prices, in the layout of any vendor, into a panel of features and forward returns.",
        {
            "prices": "File, folder or glob of daily prices, Parquet or CSV.",
            "out": "Parquet file to write; without a suffix a folder, to which later days can be appended.",
        },
    ),
    "simulate": (
        "Write a synthetic market as a panel; it prints the best IC that any score can reach.",
        {"out": "Parquet file to write."},
    ),
}
"""Command -> what it does, for help, and the paths that it needs, each with its help."""
APPEND = "Append the days after the last one to the folder --out, with the options that it was built with."
CORRECTIONS = (
    "With --append: what rows of past days do that differ from the stored ones: error, rebuild (all days from the "
    "first of them on) or rescale (codes whose history was adjusted by one factor keep the stored basis)."
)


def run(command: str, arguments: list[str]) -> int:
    """Run ``features`` or ``simulate``, and print what it excluded, or the market's oracle."""
    if command == "features":
        make_panel(arguments)
    else:
        from atft.market.options import MarketOptions
        from atft.market.write import write_market

        (out,), options = parse_flat(command, MarketOptions, arguments)
        with Progress(command):
            print(write_market(out, options))  # noqa: T201
    return 0


def make_panel(arguments: list[str]) -> None:
    """Build the panel, or append to it, and print what was written and left out."""
    from atft.features.options import FeatureOptions

    (prices, out), options = parse_flat("features", FeatureOptions, arguments)
    values = parse(flat_parser("features", FeatureOptions), arguments, "features").as_dict()
    with Progress("features"):
        if values["append"]:
            from atft.features.append import append_prices, check_options

            check_options(out, options)
            lines = append_prices(out, prices, values["corrections"]).lines()
        elif values["corrections"] != "error":
            raise InputError(
                "features: corrections needs append: true; without it all days are made from the prices"
            )
        else:
            from atft.features.build import build_panel

            lines = build_panel(prices, out, options).lines()
        print("\n".join(lines))  # noqa: T201


def flat_parser(command: str, kind: Any) -> "ArgumentParser":
    """The parser of a command's paths and options, those of the dataclass ``kind``."""
    from jsonargparse import ArgumentParser

    description, paths = COMMANDS[command]
    parser = ArgumentParser(
        prog=f"python -m atft {command}", description=description, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("-c", "--config", action="config", help="YAML file of these keys.")
    for name, help_text in paths.items():
        parser.add_argument(f"--{name}", type=str, required=True, help=help_text)
    if command == "features":
        parser.add_argument("--append", type=bool, default=False, help=APPEND)
        parser.add_argument("--corrections", type=str, default="error", help=CORRECTIONS)
    parser.add_argument("--threads", type=int | None, default=None, help="Cap of each numerical pool.")
    parser.add_class_arguments(kind, None)
    return parser


def parse_flat(command: str, kind: Any, arguments: list[str]) -> tuple[list[Path], Any]:
    """Read a command's paths, in the order of `COMMANDS`, and its options, of the dataclass ``kind``."""
    check_one_path(arguments)
    values = parse(flat_parser(command, kind), arguments, command).as_dict()
    options = {field.name: values[field.name] for field in fields(kind)}
    return [Path(values[name]) for name in COMMANDS[command][1]], kind(**options)
