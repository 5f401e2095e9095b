"""Digests of SHA-256: 64 bits name caches, markets, configurations and code; all 256 prove a file's content."""

import hashlib
import json
from dataclasses import is_dataclass
from datetime import date
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from atft.errors import InputError
from atft.files.publish import parse_json

T = TypeVar("T")


def text_digest(text: str | bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a text."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:16]


def json_digest(content: Any) -> str:
    """The same of JSON-able ``content``, whatever the order of its keys."""
    return text_digest(json.dumps(content, sort_keys=True))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_json(key: str, content: dict[str, Any]) -> str:
    """JSON that has ``content`` under ``key``, beside the SHA-256 of its text; dates are ISO texts.

    `read_sealed_json` reads it, and `record_of` makes a dataclass of it again.
    """
    text = _canonical(content)
    whole = {"sha256": hashlib.sha256(text.encode()).hexdigest(), key: json.loads(text)}
    return json.dumps(whole, allow_nan=False)


def read_sealed_json(path: Path, key: str, what: str, remedy: str) -> dict[str, Any]:
    """Read the content of a file of `sealed_json`; ``what`` it is and the ``remedy`` are for messages.

    Raises:
        InputError: it cannot be read, or its content is not what was written.
    """
    try:
        whole = parse_json(path)
        content: dict[str, Any] = whole[key]
        intact = whole["sha256"] == hashlib.sha256(_canonical(content).encode()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: unreadable {what}; {remedy}") from error
    if not intact:
        raise InputError(f"{path}: damaged {what} (its digest differs); {remedy}")
    return content


def record_of(kind: type[T], content: Any) -> T:
    """Make of JSON's values what a type says: a dataclass of a mapping, tuples of lists, dates of ISO texts."""
    made: Any = content
    inside = get_args(kind)
    if is_dataclass(kind):
        types = get_type_hints(kind)
        made = kind(**{name: record_of(types[name], value) for name, value in content.items()})
    elif kind is date:
        made = date.fromisoformat(content)
    elif get_origin(kind) is tuple:
        made = tuple(map(record_of, repeat(inside[0]) if inside[-1] is ... else inside, content))
    elif get_origin(kind) is dict:
        made = {key: record_of(inside[1], value) for key, value in content.items()}
    return made  # type: ignore[no-any-return]


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, default=date.isoformat, sort_keys=True, separators=(",", ":"), allow_nan=False)
