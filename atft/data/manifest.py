"""What a cache says of itself: typed, versioned JSON with its own digest.

A number that a reader needs before touching the data lies here: the calendar, the slots, the order of the
features and how each was scaled, rows per day, market-wide values, and the checksums of every byte.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from atft.data.record_file import FileRecord
from atft.errors import InputError

FORMAT = 3
"""Raised whenever the files' meaning changes: an older cache is then built anew, never misread."""
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Everything about a cache but its cells. ``slots`` are stocks, in the order they joined the universe."""

    format: int
    digest: str
    """The directory's name: panel part, then graph part."""
    source: str
    """Fingerprint of the panel's files."""
    schema: dict[str, Any]
    options: dict[str, Any]
    graph: dict[str, Any] | None
    """Options of the graph; None where there is none."""
    dates: tuple[date, ...]
    codes: tuple[str, ...]
    """Code of each slot."""
    features: tuple[str, ...]
    scaling: tuple[str, ...]
    """``raw``, ``rank`` or ``zscore``, per feature."""
    half: tuple[bool, ...]
    """True where the feature is stored as float16."""
    horizons: tuple[int, ...]
    lag: int
    delayed: bool
    """The panel has the targets of a trade that waits one more close."""
    oracle: bool
    """The market is simulated and its best score is known."""
    returns: bool
    """The panel has a trailing one-day return."""
    sectors: tuple[str, ...]
    exposures: tuple[str, ...]
    regimes: tuple[str, ...]
    context: tuple[str, ...]
    regime: tuple[tuple[float | None, ...], ...]
    """[days][regimes]; None where unknown."""
    observed_rows: tuple[int, ...]
    universe_rows: tuple[int, ...]
    known: tuple[str, ...]
    """[days]; bits, see `atft.data.day_facts`."""
    telling: tuple[str, ...]
    known_labels: tuple[tuple[int, ...], ...]
    """[days][horizons]; known targets in the universe."""
    panel_rows: int
    """Rows of the panel in the kept dates; those of stocks that are never in the universe are not cached."""
    calendar: tuple[str, ...]
    """What was left out of the calendar, inserted or kept though it looks wrong; a line each."""
    infinite: dict[str, int]
    """Infinite cells that were turned into missing ones, per column."""
    files: dict[str, FileRecord]
    """``days`` and, with a graph, ``graph``."""

    @property
    def scaled(self) -> tuple[bool, ...]:
        """True where the cache holds a per-day rank or z-score, so the network must not scale again."""
        return tuple(s != "raw" for s in self.scaling)

    @property
    def longest_label_days(self) -> int:
        """Trading days after day t that the labels of day t reach."""
        return max(self.horizons) + self.lag


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into ``folder`` with the digest of its own text."""
    body = asdict(manifest)
    body["dates"] = [d.isoformat() for d in manifest.dates]
    text = _canonical(body)
    whole = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "manifest": json.loads(text)}
    (folder / NAME).write_text(json.dumps(whole, allow_nan=False))


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a cache directory.

    Raises:
        InputError: there is none, it is damaged, of another format version, or of another directory.
    """
    path = folder / NAME
    remedy = "delete its folder to build it again"
    try:
        whole = json.loads(path.read_text())
        body = whole["manifest"]
        sound = whole["sha256"] == hashlib.sha256(_canonical(body).encode()).hexdigest()
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file, so {folder} is not a cache; build it with `cache`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: unreadable manifest; {remedy}") from error
    if not sound:
        raise InputError(f"{path}: damaged manifest (its digest differs); {remedy}")
    if body["format"] != FORMAT:
        raise InputError(f"{path}: cache format {body['format']}, this program reads {FORMAT}; {remedy}")
    if body["digest"] != folder.resolve().name:
        raise InputError(f"{path}: the manifest of cache {body['digest']}, not of this folder; {remedy}")
    fields: dict[str, Any] = {k: _tupled(v) for k, v in body.items()}
    fields["dates"] = tuple(date.fromisoformat(d) for d in body["dates"])
    records: dict[str, dict[str, Any]] = body["files"]
    fields["files"] = {
        key: FileRecord(**{k: _tupled(v) for k, v in record.items()}) for key, record in records.items()
    }
    return Manifest(**fields)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, list) else value


def _canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
