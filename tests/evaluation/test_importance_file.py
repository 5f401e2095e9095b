"""importance.json comes back as it was written, and never speaks of other weights."""

from pathlib import Path

import pytest

from atft.evaluation.importance_file import (
    NAME,
    FeatureImportance,
    Importance,
    importance_json,
    read_importance,
)
from atft.files.digest import file_digest

ROWS = [FeatureImportance("x_a", 0.75, 0.5), FeatureImportance("x_b", 0.25, -1.0)]


def small_importance(checkpoint: str = "") -> Importance:
    """Of two features at two horizons."""
    return Importance("2016-01-04", "2016-12-30", 20, 9000, 0.001, checkpoint, {1: ROWS, 5: ROWS[::-1]})


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    assert read_importance(tmp_path) is None
    (tmp_path / NAME).write_text(importance_json(small_importance()))
    assert read_importance(tmp_path) == small_importance()


def test_importance_of_other_weights_than_the_runs_is_not_shown(tmp_path: Path) -> None:
    weights = tmp_path / "best_model.ckpt"
    weights.write_bytes(b"one")
    (tmp_path / NAME).write_text(importance_json(small_importance(file_digest(weights))))
    assert read_importance(tmp_path) is not None
    weights.write_bytes(b"two")
    assert read_importance(tmp_path) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"period"', '"stock"'),
        ('"format": 1', '"format": 2'),
        ("0.75", '"much"'),
        ("0.75", "NaN"),
        ("{", ""),
        ("9000", "[]"),
        ('"2016-01-04"', "5"),
        ("0.001", "true"),
        ("0.001", '"x"'),
    ],
)
def test_a_file_of_another_kind_or_damaged_is_none(old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(importance_json(small_importance()).replace(old, new))
    assert read_importance(tmp_path) is None
