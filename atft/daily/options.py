"""What the commands of a new day take: update, predict --last, --on and --from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal

from atft.daily.checks import AlarmOptions
from atft.errors import InputError, nearest
from atft.files.yaml_text import flat_keys, read_date, read_mapping
from atft.option_types import check_least

ScorerName = Literal["network", "lightgbm", "blend"]
SCORED_BY = ("run", "ckpt_path", "registry")
DOTTED = {
    "panel": "data.panel.path",
    "cache": "data.cache.dir",
    "network": "model.network",
    "first": "from",
    "last": "to",
}
"""Options by their fields, called as in the other commands or in no way that a field can be."""
OF_PREDICT = ("first", "last")
DEFAULT_TOP = 10
OF_A_LIST = {"on": None, "top": DEFAULT_TOP, "rank_by": None, "alarm": AlarmOptions()}
"""Options of one day's list, which a period does not take, and their defaults."""


@dataclass(frozen=True)
class ListOptions:
    """What scores which day, and where the list goes, by the options that `atft.daily.command.OPTIONS` explains."""

    run: str | None = None
    ckpt_path: str | None = None
    registry: str | None = None
    scorer: ScorerName = "network"
    on: str | None = None
    out: str | None = None
    top: int = DEFAULT_TOP
    rank_by: int | None = None
    alarm: AlarmOptions = field(default_factory=AlarmOptions)
    panel: str | None = None
    cache: str | None = None
    network: str | None = None
    first: str | None = None
    last: str | None = None

    def __post_init__(self) -> None:
        named = [name for name in SCORED_BY if getattr(self, name) is not None]
        if len(named) != 1:
            came = " and ".join(f"--{name}" for name in named) or "none"
            raise InputError(f"name one of --run DIR, --ckpt_path FILE and --registry DIR, got {came}")
        if self.ckpt_path is not None and self.scorer != "network":
            # A checkpoint may come from anywhere, and LightGBM's reader is no place for what stands beside it.
            raise InputError(
                f"--scorer {self.scorer} scores with the trees of a run of your own; name it with --run DIR"
            )
        if self.first is None and self.last is not None:
            raise InputError("--to ends a period; give its first day with --from")
        changed = [name for name, default in OF_A_LIST.items() if getattr(self, name) != default]
        if self.first is not None and changed:
            raise InputError(
                f"--{changed[0]} is of one day's list, --from asks for a period's file; give one of them"
            )
        replaced = () if self.first is not None else ("{date}",)
        unknown = [word for word in re.findall(r"\{\w*\}", self.out or "") if word not in replaced]
        if unknown:
            raise InputError(
                f"--out {self.out}: nothing replaces {unknown[0]}; {{date}} is the day of a list, a period has none"
            )
        check_least("--", self, top=0)

    @property
    def day(self) -> date | None:
        """The day to score; None for the panel's last one."""
        return None if self.on is None else read_date("--on", self.on)

    def period(self, latest: date) -> tuple[date, date]:
        """First and last day of a period to score; the last one is the ``latest`` where none is named.

        Raises:
            InputError: they are no dates, or in the other order.
        """
        first = read_date("--from", str(self.first))
        last = latest if self.last is None else read_date("--to", self.last)
        if last < first:
            raise InputError(f"--from {first} is after the period's last day, {last}")
        return first, last


@dataclass(frozen=True)
class UpdateOptions:
    """Options of update beside those of a list; `atft.daily.command.UPDATE_HELP` explains them."""

    prices: str = ""
    corrections: Literal["error", "rebuild", "rescale"] = "error"


def parse_list_options(command: str, arguments: Sequence[str]) -> tuple[ListOptions, UpdateOptions]:
    """Read the options of ``update`` or ``predict``.

    Raises:
        InputError: an unknown option, a value that it does not take, or no checkpoint is named.
    """
    from atft.commands.key_tree import tree_of
    from atft.commands.parser_errors import parser_errors

    parser = list_parser(command)
    known = {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}
    words = [word for word in arguments if word != "--last"]
    if len(words) < len(arguments) and any(word.startswith(("--on", "--from")) for word in words):
        raise InputError("--last, --on and --from each name what is scored; give one of them")
    unknown = [name for word in words if (name := word.partition("=")[0])[:2] == "--" and name not in known]
    if unknown:
        raise _unknown_option(command, words, unknown[0], known)
    with parser_errors(command, tree_of(parser)):
        values = parser.parse_args(words).as_dict()
    chosen = {f.name: values[f.name] for f in fields(ListOptions) if f.name in values}
    chosen["alarm"] = AlarmOptions(**values["alarm"])
    flat = flat_keys(values)
    chosen |= {name: flat[dotted] for name, dotted in DOTTED.items() if dotted in flat}
    update = {f.name: values[f.name] for f in fields(UpdateOptions) if f.name in values}
    if command == "update" and not update["prices"]:
        raise InputError("update needs --prices FILE with the new days; python -m atft update --help")
    return ListOptions(**chosen), UpdateOptions(**update)


def _unknown_option(command: str, words: Sequence[str], name: str, known: set[str]) -> InputError:
    """The error of an option that the command lacks; a period takes fewer of the ``known`` than a day's list."""
    of = "one day"
    if command == "predict" and any(word.startswith("--from") for word in words):
        of, known = "a period", {option for option in known if option[2:].partition(".")[0] not in OF_A_LIST}
    dotted = DOTTED.get(name[2:].lower())  # its own field: --panel
    meant = f"; did you mean '--{dotted}'?" if dotted else nearest(name, known)
    return InputError(f"{command} of {of} has no option {name!r:.60}{meant}")


def list_parser(command: str) -> Any:
    """The parser of the options of ``update`` or ``predict``."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=f"python -m atft {command}", exit_on_error=False, allow_abbrev=False)
    parser.add_class_arguments(ListOptions, None, skip=set(DOTTED))
    if command == "update":
        parser.add_class_arguments(UpdateOptions, None)
    for name, dotted in DOTTED.items():
        if command != "update" or name not in OF_PREDICT:
            parser.add_argument(f"--{dotted}", type=str | None, default=None)
    parser.add_argument("--threads", type=int | None, default=None)
    return parser


def config_of_run(directory: Path) -> dict[str, Any]:
    """The resolved configuration of a run of the user's own; empty where the directory has none."""
    path = directory / "config.yaml"
    return read_mapping(path) if path.is_file() else {}
