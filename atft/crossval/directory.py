"""The directory of a cross-validation: the configuration and the data that all its runs share, fixed at its start.

Runs of one directory are averaged, so they must train one question. What only says where and how fast may change
between two starts, and the number of seeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from atft.callbacks.record.receipt import Receipt
from atft.errors import InputError
from atft.files.publish import parse_json, publish_json, publish_text
from atft.files.yaml_text import mapping_of
from atft.option_types import check_least, check_option_types
from atft.runs.machine_keys import changed_keys

RECORD, CONFIG = "crossval.json", "config.yaml"
VERSION = 1
AGAIN = "start again without --resume"


@dataclass(frozen=True)
class CrossvalRecord:
    """What the runs of a directory are, beside their configuration."""

    folds: int | None
    """None for the plain split."""
    seeds: list[int]
    warm_start: bool
    data: str
    """Digest of the cache."""
    version: int = VERSION


def write_record(file: Path, record: Any, config_text: str) -> None:
    """Write a record, a dataclass, and beside it the configuration; the record last, so where it is, both are."""
    publish_text(file.with_name(CONFIG), config_text)
    publish_json(file, asdict(record))


def read_record(directory: Path) -> CrossvalRecord:
    """Read the record back."""
    path = directory / RECORD
    if not path.is_file():
        raise InputError(
            f"{directory}: no {RECORD} there; --resume names a directory of crossval or fit --seeds, .../version_N"
        )
    try:
        record = CrossvalRecord(**parse_json(path))
        check_option_types(RECORD, record)
        check_least(f"{RECORD}.", record, folds=1)
        if not record.seeds or record.seeds != list(range(record.seeds[0], record.seeds[-1] + 1)):
            raise ValueError(f"seeds {record.seeds} do not count from the first")
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot be read; {AGAIN}") from error
    if record.version != VERSION:
        raise InputError(f"{path}: of version {record.version}, this is {VERSION}; {AGAIN}")
    return record


def check_same(
    directory: Path, record: CrossvalRecord, config_text: str, read: Callable[[Path], str]
) -> None:
    """Check that a directory's runs can be resumed with a record and a configuration of now; seeds may differ.

    For ``config_text`` and ``read`` see `check_same_config`.
    """
    was, now = read_record(directory), replace(record, seeds=[])
    check_same_config(directory, config_text, AGAIN, read)
    for key in ("folds", "warm_start", "data"):
        if getattr(was, key) != getattr(now, key):
            name = "the panel's digest" if key == "data" else key
            raise InputError(_differs(directory, name, str(getattr(was, key)), str(getattr(now, key))))


def check_same_data(directory: Path, record: CrossvalRecord, receipts: Mapping[str, Receipt]) -> None:
    """Check that every finished run has trained on the data that the directory began with.

    Runs read the panel's files when they start: files that are replaced meanwhile give them another panel. The
    ``receipts`` are by the name of a run's folder.
    """
    for name, receipt in receipts.items():
        trained = receipt.digests.get("data", record.data)
        if trained != record.data:
            raise InputError(
                f"{directory / name}: trained on another panel (digest {trained}) than the directory began with "
                f"({record.data}); restore that panel, remove this folder and run again with --resume"
            )


def other_code_line(receipts: Mapping[str, Receipt]) -> str:
    """A line where finished runs are of several states of the code or of a library; empty where all are of one.

    Not an error: an upgrade that changes no result would cost every run made before it.
    """
    first, *others = [(name, {"code": r.digests.get("code"), **r.versions}) for name, r in receipts.items()]
    other = [(name, made_by) for name, made_by in others if made_by != first[1]]
    if not other:
        return ""
    name, made_by = other[0]
    key = next(key for key in {**first[1], **made_by} if first[1].get(key) != made_by.get(key))
    more = f" and {len(other) - 1} more are" if len(other) > 1 else " is"
    return (
        f"warning: {name}{more} of other {'code' if key == 'code' else key} than {first[0]} ({made_by.get(key)}, "
        f"{first[1].get(key)}), and averaged with it; to train them alike, remove their folders and --resume"
    )


def check_same_config(directory: Path, config_text: str, or_else: str, read: Callable[[Path], str]) -> None:
    """Check that a configuration is the one that a directory keeps, but for `MACHINE_KEYS`.

    Args:
        directory: has it as ``config.yaml``.
        config_text: the configuration of now.
        or_else: what else can be done than to put the key back, for the message.
        read: its file to text; `RankingCLI.text_of` gives keys that are newer than the directory their defaults.
    """
    before = mapping_of(read(directory / CONFIG), str(directory / CONFIG))
    for changed in changed_keys(before, mapping_of(config_text, "the configuration")):
        raise InputError(_differs(directory, changed.key, changed.was, changed.now, or_else))


def _differs(directory: Path, key: str, before: str, after: str, or_else: str = AGAIN) -> str:
    return f"{directory}: began with {key} {before}, now {after}; put it back, or {or_else}"
