"""features and simulate: commands that write a file, from paths and the flat keys of one dataclass."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.config_keys import parse
from atft.progress import Progress

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

COMMANDS = {
    "features": (
        "Turn daily prices, in the layout of any vendor, into a panel of features and forward returns.",
        {"prices": "File, folder or glob of daily prices, Parquet or CSV.", "out": "Parquet file to write."},
    ),
    "simulate": (
        "Write a synthetic market as a panel; it prints the best IC that any score can reach.",
        {"out": "Parquet file to write."},
    ),
}
"""Command -> what it does, for help, and the paths that it needs, each with its help."""


def run(command: str, arguments: list[str]) -> int:
    """Run ``features`` or ``simulate``, and print what it excluded, or the market's oracle."""
    if command == "features":
        from atft.features.build import build_panel
        from atft.features.options import FeatureOptions

        (prices, out), options = parse_flat(command, FeatureOptions, arguments)
        with Progress(command):
            print("\n".join(build_panel(prices, out, options).lines()))  # noqa: T201
    else:
        from atft.market.options import MarketOptions
        from atft.market.write import write_market

        (out,), options = parse_flat(command, MarketOptions, arguments)
        with Progress(command):
            print(write_market(out, options))  # noqa: T201
    return 0


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
    parser.add_argument("--threads", type=int | None, default=None, help="Cap of each numerical pool.")
    parser.add_class_arguments(kind, None)
    return parser


def parse_flat(command: str, kind: Any, arguments: list[str]) -> tuple[list[Path], Any]:
    """Read a command's paths, in the order of `COMMANDS`, and its options, of the dataclass ``kind``."""
    values = parse(flat_parser(command, kind), arguments, command).as_dict()
    options = {field.name: values[field.name] for field in fields(kind)}
    return [Path(values[name]) for name in COMMANDS[command][1]], kind(**options)
