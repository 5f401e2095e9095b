"""Fitted trees in a run's directory: for each horizon and seed the text that LightGBM writes, and a record of all.

The text is data, never a pickle. The record names the columns that the trees read, and has the digest of each text:
LightGBM's reader takes a text for granted, so nothing damaged may reach it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atft.baselines.lightgbm import Trees
from atft.errors import InputError, one_line
from atft.files.digest import read_sealed_json, record_of, sealed_json
from atft.files.publish import publish_text
from atft.process.optional import load_optional

FOLDER, RECORD = "lightgbm", "trees.json"
FORMAT = 1
AGAIN = "fit again"


@dataclass(frozen=True)
class TreeInputs:
    """The columns that trees read, in the order in which they count them."""

    features: tuple[str, ...]
    """Of a stock."""
    scaling: tuple[str, ...]
    """``raw``, ``rank`` or ``zscore``, per feature."""
    regimes: tuple[str, ...]
    """Market-wide columns, which follow the features; empty where the trees do not read them."""


@dataclass(frozen=True)
class TreesRecord:
    """Which trees there are, and what they read."""

    inputs: TreeInputs
    horizons: tuple[int, ...]
    seeds: tuple[int, ...]
    learned: dict[str, Any]
    """The days that they learned from, and the ranges of their inputs on them, as a checkpoint has them."""
    digests: dict[str, str]
    """SHA-256 of each text, by its file."""
    format: int = FORMAT


def text_name(horizon: int, seed: int) -> str:
    """Name of the file of one model, ``5d_seed_1.txt``."""
    return f"{horizon}d_seed_{seed}.txt"


def write_trees(
    directory: Path,
    fits: Mapping[int, Trees],
    inputs: TreeInputs,
    horizons: Sequence[int],
    learned: Mapping[str, Any],
) -> None:
    """Write the trees of each seed into ``directory/lightgbm``; the record last: where it is, all texts are.

    Args:
        fits: by seed; each has a booster a horizon.
        inputs: what all of them read.
        horizons: in the order of the boosters.
        learned: of a `TreesRecord`.
    """
    folder, digests = directory / FOLDER, {}
    for seed, trees in fits.items():
        for horizon, booster in zip(horizons, trees.boosters, strict=True):
            text = booster.model_to_string()  # up to the best iteration, the trees that score
            publish_text(folder / text_name(horizon, seed), text)
            digests[text_name(horizon, seed)] = hashlib.sha256(text.encode()).hexdigest()
    record = TreesRecord(inputs, tuple(horizons), tuple(fits), dict(learned), digests)
    publish_text(folder / RECORD, sealed_json("trees", asdict(record)))


def read_trees(directory: Path) -> tuple[TreesRecord, dict[int, Trees]]:
    """Read the trees of a run back; they score with the bits of those that were fitted.

    Raises:
        InputError: LightGBM is not installed, there are no trees, or a file is missing or damaged.
    """
    path = directory / FOLDER / RECORD
    if not path.is_file():
        raise InputError(
            f"{directory}: no {FOLDER}/{RECORD} there, so the run has no trees; {AGAIN} with lightgbm among "
            f"--baselines, and pip install 'atft[baselines]'"
        )
    content = read_sealed_json(path, "trees", "record of trees", AGAIN)
    try:
        record = record_of(TreesRecord, content)
        # Names of files are made of these numbers.
        whole = all(type(number) is int for number in (*record.horizons, *record.seeds))
        if not whole or record.format != FORMAT or not record.horizons or not record.seeds:
            raise ValueError(f"format {record.format}, this is {FORMAT}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)}); {AGAIN}") from error
    fits = {}
    for seed in record.seeds:
        boosters = [_read_booster(path.parent, record, text_name(h, seed)) for h in record.horizons]
        fits[seed] = Trees(boosters, market_columns=bool(record.inputs.regimes))
    return record, fits


def _read_booster(folder: Path, record: TreesRecord, name: str) -> Any:
    lightgbm, path = load_optional("lightgbm", "baselines"), folder / name
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from error
    if hashlib.sha256(text).hexdigest() != record.digests.get(name):
        raise InputError(f"{path}: damaged trees (their digest differs from {RECORD}'s); {AGAIN}")
    try:
        booster = lightgbm.Booster(model_str=text.decode())
    except (UnicodeDecodeError, lightgbm.basic.LightGBMError) as error:
        raise InputError(f"{path}: no trees of LightGBM ({one_line(error)}); {AGAIN}") from error
    columns = len(record.inputs.features) + len(record.inputs.regimes)
    if booster.num_feature() != columns:
        raise InputError(
            f"{path}: its trees read {booster.num_feature()} columns, {RECORD} names {columns}; {AGAIN}"
        )
    return booster
