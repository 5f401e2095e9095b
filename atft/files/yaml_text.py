"""Read YAML as plain values, within bounds: configs, sweeps, the text that a checkpoint carries.

YAML's aliases let a few lines stand for billions of values, or for a value that contains itself; a config needs
neither. Depth, number of values (each alias counted as what it stands for) and size are checked while the text is
composed, before anything is built from it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from atft.errors import InputError, clip

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
"""A dotted path of a class or function."""
MAX_BYTES = 1 << 20
MAX_NODES = 20_000
MAX_DEPTH = 50
INTEGER_BITS = 64
STRING = "tag:yaml.org,2002:str"


class OutOfBounds(yaml.MarkedYAMLError):
    """YAML that no config needs: too deep or large, containing itself, with tags or a key given twice."""


class BoundedLoader(yaml.SafeLoader):
    """YAML 1.1 as people mean it: 1e-5 is a number, no key is given twice, no tags.

    Words are what YAML 1.1 would turn into other digits: dates, 0101 (octal), 12:30 (base 60), 0x10, 2024_01.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0  # composed so far, aliases counted as what they stand for
        self._depth = self._deepest = 0
        # Name -> nodes and levels; None while it is open.
        self._anchors: dict[str, tuple[int, int] | None] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next value and what is inside it, or raise at the first value out of bounds."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        alias = isinstance(event, yaml.AliasEvent)
        nodes, levels = 1, 1
        if alias and event.anchor in self._anchors:
            inside = self._anchors[event.anchor]
            if inside is None:
                raise _problem(f"&{event.anchor} contains itself", event)
            nodes, levels = inside
        if not alias and event.tag not in (None, "!", STRING):
            raise _problem(f"the tag {event.tag} is not accepted", event)
        before, above = self._nodes, self._deepest
        self._nodes += nodes
        self._depth += 1
        self._deepest = self._depth + levels - 1
        if self._nodes > MAX_NODES:
            raise _problem(f"more than {MAX_NODES} values, aliases counted as what they stand for", event)
        if self._deepest > MAX_DEPTH:
            raise _problem(f"nested deeper than {MAX_DEPTH} levels", event)
        if not alias and event.anchor:
            self._anchors[event.anchor] = None
        node = super().compose_node(parent, index)
        if not alias and event.anchor:
            self._anchors[event.anchor] = (self._nodes - before, self._deepest - self._depth + 1)
        self._depth -= 1
        self._deepest = max(above, self._deepest)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping, or raise where a key is given twice: the first would be lost silently."""
        node = super().compose_mapping_node(anchor)
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                continue
            key = self.construct_object(key_node)
            if key in seen:
                raise _problem(f"{key!r} is given twice", key_node)
            seen.add(key)
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number, or raise where it has more digits than any option takes."""
        value = super().construct_yaml_int(node) if len(node.value) <= 2 * INTEGER_BITS else 1 << INTEGER_BITS
        if abs(value) >= 1 << (INTEGER_BITS - 1):
            raise _problem(f"a whole number beyond {INTEGER_BITS} bits", node)
        return value


BoundedLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
BoundedLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)$"),
    list("-+0123456789"),
)
FLOAT = (
    "tag:yaml.org,2002:float",
    re.compile(
        r"^([-+]?([0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(inf|Inf|INF))"
        r"|\.(nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)
BoundedLoader.add_implicit_resolver(*FLOAT)
BoundedLoader.add_constructor("tag:yaml.org,2002:int", BoundedLoader.construct_yaml_int)


class QuotingDumper(yaml.SafeDumper):
    """Writes text so that any reader of YAML reads the same text: ``1e3`` in quotes, which is a number here."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Text, escaped where it breaks lines by other marks than newline: PyYAML reads those back as spaces."""
        style = '"' if set(text) & OTHER_LINE_BREAKS else None
        return self.represent_scalar(STRING, text, style)

    def represent_number_or_text(self, value: Any) -> yaml.Node:
        """A member of an enumeration of numbers or text, or a number of numpy's, as the plain value that it is."""
        if isinstance(value, str):
            return self.represent_text(str.__str__(value))
        return self.represent_data(int(value) if isinstance(value, int) else float(value))

    def represent_unwritable(self, value: object) -> yaml.ScalarNode:
        """A text that says so, see :func:`check_written`: only here is it known which value it is."""
        return self.represent_text(f"{UNWRITABLE} {value!r}")


OTHER_LINE_BREAKS = set("\x85\u2028\u2029")
QuotingDumper.add_implicit_resolver(*FLOAT)
QuotingDumper.add_representer(str, QuotingDumper.represent_text)
for _kind in (int, float, str):
    QuotingDumper.add_multi_representer(_kind, QuotingDumper.represent_number_or_text)
QuotingDumper.add_representer(None, QuotingDumper.represent_unwritable)  # type: ignore[arg-type]
UNWRITABLE = "Unable to serialize instance"
"""How jsonargparse begins the text that it writes for a value that no config has."""


def dump(value: Any) -> str:
    """YAML text that stands for plain values, keys in their order."""
    return yaml.dump(value, Dumper=QuotingDumper, sort_keys=False, allow_unicode=True)


def check_written(text: str) -> None:
    """Check that the text of a configuration has all of its values, so that it can be read again.

    Raises:
        InputError: a value is no number, text, list or mapping of these.
    """
    if UNWRITABLE in text:
        for key, value in flat_keys(load(text)).items():
            if UNWRITABLE in str(value):
                came = str(value).partition(UNWRITABLE)[2].strip(" \"']")
                raise InputError(
                    f"{key} is {clip(came, 60)}, which no config can have, so no checkpoint could be loaded; make "
                    f"it a number, a word, a list or null"
                )


def load(text: str) -> Any:
    """The value that YAML text stands for; ``yaml.YAMLError`` where it is no YAML, or out of bounds."""
    if len(text) > MAX_BYTES:
        raise OutOfBounds(problem=f"more than {MAX_BYTES} characters")
    return yaml.load(text, BoundedLoader)


def mapping_of(text: str, where: str) -> dict[str, Any]:
    """The mapping that YAML text stands for; else one line, opened by ``where`` it comes from."""
    try:
        value = load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}{_line(error, text)}: not YAML ({_reason(error)}); fix it there") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: a config is a mapping of keys, this is {type(value).__name__}")
    return value


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        InputError: no such file, no text, no YAML or out of bounds (the message names the line), or no mapping.
    """
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:  # of a path with a NUL, of ~name of no user
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {reason}; name a file with --config") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: a config has at most {MAX_BYTES} bytes; name another file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} line {line}: not YAML (not UTF-8 text); fix it there") from error
    return mapping_of(text, str(path))


def read_value(text: str) -> Any:
    """What a word on the command line means: ``3`` a number, ``null`` nothing, ``[1, 2]`` a list."""
    try:
        return load(text)
    except yaml.YAMLError:
        return text


def read_date(key: str, text: str) -> date:
    """The date that an option ``key`` has as text, ``2017-06-30``, or raise."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{key} must be an ISO date such as 2017-06-30, got {text!r:.40}") from error


def flat_keys(config: Mapping[str, Any], parent: str = "") -> dict[str, Any]:
    """Nested mappings by dotted key, ``model.network.hidden_size``; an empty mapping is a value."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        inside = isinstance(value, Mapping) and value
        flat |= flat_keys(value, f"{parent}{key}.") if inside else {f"{parent}{key}": value}
    return flat


def is_inside(key: str, sections: Sequence[str]) -> bool:
    """Whether a dotted key is one of these, or inside of one."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _problem(text: str, at: Any) -> OutOfBounds:
    return OutOfBounds(problem=text, problem_mark=at.start_mark)


def _line(error: yaml.YAMLError, text: str) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f" line {mark.line + 1}"
    position = getattr(error, "position", None)  # of a character that YAML does not allow
    return "" if position is None else f" line {text.count(chr(10), 0, position) + 1}"


def _reason(error: yaml.YAMLError) -> str:
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    reason = " ".join(str(reason).split())
    return reason if len(reason) <= 90 else f"{reason[:87]}..."
