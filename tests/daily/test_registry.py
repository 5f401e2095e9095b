"""A registry has one run a date; the checkpoint of a day is the newest that was known then."""

import csv
import json
import math
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from atft.callbacks.record.receipt import Coverage, Receipt
from atft.crossval.run_state import RunState
from atft.daily.registry import (
    RECORD,
    TABLE,
    known_runs,
    passed_over_lines,
    registry_states,
    write_registry_table,
)
from atft.errors import InputError


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, tiny_run: Any) -> Path:
    """Two finished runs and one that was interrupted, beside folders that are no runs."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / RECORD).write_text("{}")
    for day in ("2015-03-30", "2015-04-10", "2015-04-20"):
        shutil.copytree(tiny_run.directory, folder / day / "version_0")
    receipt = folder / "2015-04-20" / "version_0" / "receipt.json"
    receipt.write_text(json.dumps(json.loads(receipt.read_text()) | {"status": "running", "missing": ["x"]}))
    (folder / "9999-99-99").mkdir()
    (folder / "lists").mkdir()
    return folder


def test_the_checkpoint_of_a_day_is_the_newest_that_read_no_later_price(registry: Path) -> None:
    for day, known in {
        date(2015, 3, 30): "2015-03-30",
        date(2015, 4, 9): "2015-03-30",
        date(2015, 4, 10): "2015-04-10",
        date(2016, 1, 1): "2015-04-10",  # the one after it is not finished
        None: "2015-04-10",
    }.items():
        assert known_runs(registry)(day) == registry / known / "version_0"
    with pytest.raises(
        InputError, match="was known on 2015-03-29; the first that is finished is of 2015-03-30"
    ):
        known_runs(registry)(date(2015, 3, 29))


def test_a_newer_run_that_is_unfinished_or_gone_is_named(registry: Path, tmp_path: Path) -> None:
    first, second = (registry / day / "version_0" for day in ("2015-03-30", "2015-04-10"))
    assert passed_over_lines(registry, second, date(2015, 4, 19)) == []
    (line,) = passed_over_lines(registry, second, date(2015, 4, 20))
    assert line == (
        f"WARNING the run of 2015-04-20 is not finished or is gone, so that of 2015-04-10 scores 2015-04-20; "
        f"python -m atft retrain --registry {registry} finishes what is due"
    )
    copy = shutil.copytree(registry, tmp_path / "copy")
    write_registry_table(copy, registry_states(copy))
    shutil.rmtree(copy / "2015-04-10")
    shutil.rmtree(copy / "2015-04-20")
    assert passed_over_lines(copy, first, date(2015, 4, 9)) == []
    assert (
        "the run of 2015-04-10 is not finished or is gone"
        in passed_over_lines(copy, first, date(2015, 4, 19))[0]
    )
    (copy / TABLE).write_bytes(b"\xff\x00,\n9999-99-99,\n")
    assert passed_over_lines(copy, first, date(2015, 4, 19)) == []


def test_a_registry_is_read_once_for_all_days(registry: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(registry, tmp_path / "copy")
    known_on = known_runs(copy)
    shutil.rmtree(copy)
    assert known_on(date(2015, 4, 9)) == copy / "2015-03-30" / "version_0"


def test_a_folder_that_is_no_registry_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no registry\.json there; python -m atft retrain makes a registry"):
        known_runs(tmp_path)(None)
    (tmp_path / RECORD).touch()
    with pytest.raises(InputError, match="no checkpoint was known on any day: none is finished"):
        known_runs(tmp_path)(None)
    assert registry_states(tmp_path / "absent") == {}


def test_the_table_has_a_row_a_date(registry: Path) -> None:
    write_registry_table(registry, registry_states(registry))
    rows = list(csv.DictReader((registry / TABLE).read_text().splitlines()))
    assert [(row["known_on"], row["status"]) for row in rows] == [
        ("2015-03-30", "completed"), ("2015-04-10", "completed"), ("2015-04-20", "running")
    ]  # fmt: skip
    assert rows[0]["checkpoint"] == "2015-03-30/version_0/best_model.ckpt" and rows[2]["checkpoint"] == ""
    assert (registry / rows[0]["checkpoint"]).is_file() and -1 < float(rows[0]["val_rank_ic"]) < 1
    assert int(rows[0]["train_days"]) > 0


def test_each_column_of_the_table_is_of_its_own_run_and_what_is_not_known_is_empty(tmp_path: Path) -> None:
    def receipt(rank_ic: float | None, **days: Coverage) -> Receipt:
        metrics = {} if rank_ic is None else {"val/rank_ic": rank_ic}
        return Receipt("completed", metrics=metrics, days=days, digests={"data": "abc"})

    first = receipt(0.04321, train=Coverage(planned=500, seen=7), val=Coverage(planned=60, seen=7))
    states = {
        date(2020, 1, 6): RunState(tmp_path / "2020-01-06" / "version_2", None, first),
        date(2020, 1, 7): RunState(None, None, receipt(math.nan)),
        date(2020, 1, 8): RunState(None, None, receipt(None)),
        date(2020, 1, 9): RunState(),
        date(2020, 1, 10): RunState(tmp_path / "2020-01-10" / "version_0", None, receipt(None)),
    }
    for version in (tmp_path / "2020-01-06" / "version_2", tmp_path / "2020-01-10" / "version_0"):
        version.mkdir(parents=True)
    (tmp_path / "2020-01-06" / "version_2" / "best_model.ckpt").touch()  # the other's has been deleted
    write_registry_table(tmp_path, states)
    header, *rows = csv.reader((tmp_path / TABLE).read_text().splitlines())
    assert header == ["known_on", "status", "checkpoint", "train_days", "val_days", "val_rank_ic", "data"]
    checkpoint = "2020-01-06/version_2/best_model.ckpt"
    assert rows == [
        ["2020-01-06", "completed", checkpoint, "500", "60", "0.0432", "abc"],
        ["2020-01-07", "completed", "", "", "", "", "abc"],
        ["2020-01-08", "completed", "", "", "", "", "abc"],
        ["2020-01-09", "missing", "", "", "", "", ""],
        ["2020-01-10", "completed", "", "", "", "", "abc"],
    ]
