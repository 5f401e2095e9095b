"""The receipt of a run, ``receipt.json``, which records what really ran, how it ended and why.

A run that is killed leaves that of its last epoch, with the status ``running``.
"""

import platform
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import atft
from atft.errors import InputError, one_line
from atft.files.digest import text_digest
from atft.files.publish import parse_json, publish_json
from atft.option_types import check_option_types

VERSION = 7
"""Of the file's format; a receipt of another one is not read."""


@dataclass
class Coverage:
    """Days or rows of one split: what the plan asked for, and what went through the network (per epoch)."""

    planned: int = 0
    seen: int = 0


@dataclass
class Receipt:
    """What ran and how it ended. ``status`` is running, completed, stopped, failed or limited.

    ``running`` lasts until everything after training is written. ``stopped``: ended early (early stopping, the
    criterion of a phase, a time limit, a callback, a signal). ``limited``: a debugging limit was on, so the figures
    speak of a part of the data. ``failed``: an error, no optimiser step, or a final metric that is not a number.
    ``resumed_from`` is the checkpoint that training resumed from; ``retried_from`` the directory of the failed
    trial that a sweep's trial takes the place of, whether or not it left a checkpoint to resume from.
    """

    status: str = "running"
    reason: str = ""
    outcome: str = ""
    """Of a trial of a sweep: complete, pruned, interrupted or failed; empty until then, and outside of sweeps."""
    missing: list[str] = field(default_factory=list)
    """What is not written yet of what a whole run leaves; ``fit --ckpt_path last`` resumes and writes it."""
    run: str = ""
    device: str = ""
    """What trained: cpu, or the GPU's name."""
    precision: str = ""
    """In which it trained, as Lightning names it; the default follows the device."""
    optimizer: str = ""
    scheduler: str = ""
    epochs: int = 0
    steps: int = 0
    fold: int | None = None
    """Number of the fold that trained; null for the plain split."""
    causal: bool = True
    """False where days after those that validate or test trained or selected: it could not have been traded."""
    days: dict[str, Coverage] = field(default_factory=dict)
    rows: dict[str, Coverage] = field(default_factory=dict)
    terms: dict[str, dict[str, float | None]] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    """Of the selected checkpoint: its epoch's validation, and what was evaluated with it after training."""
    select: str = "best"
    """Epoch that was selected: the best by ``checkpoint.monitor``, or the last, ``last``."""
    selected_step: int | None = None
    """Optimiser step of the selected checkpoint; the epoch with that ``step`` in metrics.json."""
    last_epoch: dict[str, float | None] = field(default_factory=dict)
    """Validation of the last epoch; empty where it was not validated."""
    seconds: dict[str, Any] = field(default_factory=dict)
    retries: list[dict[str, Any]] = field(default_factory=list)
    """Each time that memory ran out: split, epoch, step, stocks, from_days and to_days at once."""
    skipped_steps: dict[str, int] = field(default_factory=dict)
    """Optimiser steps that were not applied, by reason: loss_spike, loss_scale; over all of a resumed run."""
    alarms: list[str] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    """Phases as they ran: name, first and last epoch (from 1), what they set, the result of their criterion."""
    resumed_from: str | None = None
    retried_from: str | None = None
    digests: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


def write_receipt(receipt: Receipt, directory: Path, history: list[dict[str, Any]] | None = None) -> None:
    """Publish ``receipt.json`` in the run's directory; with the epochs' figures, ``metrics.json`` too."""
    publish_json(directory / "receipt.json", asdict(receipt))
    if history is not None:
        metrics = {
            "selected_step": receipt.selected_step,
            "final": receipt.metrics,
            "last_epoch": receipt.last_epoch,
            "epochs": history,
            "digests": receipt.digests,
        }
        publish_json(directory / "metrics.json", metrics)


def read_receipt(directory: Path) -> Receipt:
    """Read ``receipt.json`` of a run's directory back.

    Raises:
        InputError: it is damaged, or of another version of the format.
        OSError: there is none.
    """
    path = directory / "receipt.json"
    try:
        fields = parse_json(path)
        if fields.get("version") != VERSION:
            raise ValueError(f"version {fields.get('version')}, this is {VERSION}")
        for kind in ("days", "rows"):
            fields[kind] = {split: Coverage(**count) for split, count in fields[kind].items()}
        receipt = Receipt(**fields)
        for name, record in (("", receipt), *receipt.days.items(), *receipt.rows.items()):
            check_option_types(f"receipt {name}".rstrip(), record)
        return receipt
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)})") from error


@cache
def code_digest() -> str:
    """SHA-256 of the package's source, shortened: two runs with one digest ran the same code.

    Computed once a process, which runs what it has loaded, whatever happens to the files meanwhile.
    """
    root = Path(atft.__file__).parent  # the whole package, not the folder of this file
    sources = sorted(root.rglob("*.py"))
    named = (s.relative_to(root).as_posix().encode() + b"\0" + s.read_bytes() for s in sources)
    return text_digest(b"".join(named))


def library_versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    from importlib.metadata import version

    names = ("torch", "lightning", "torch-geometric", "torchmetrics", "pyarrow", "adabelief-pytorch")
    return {"atft": atft.__version__, "python": platform.python_version(), **{n: version(n) for n in names}}
