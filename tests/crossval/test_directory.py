"""A directory goes on only with what it began with; the line names the key that differs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from atft.callbacks.record.receipt import Receipt
from atft.crossval.directory import (
    CONFIG,
    RECORD,
    CrossvalRecord,
    check_same,
    check_same_data,
    other_code_line,
    read_record,
    write_record,
)
from atft.errors import InputError

RECORDED = CrossvalRecord(3, [1, 2], False, "0123456789abcdef")
SETTINGS = {
    "name": "a",
    "threads": 2,
    "model": {"network": {"init_args": {"hidden_size": 8}}},
    "data": {"cache": {"dir": "cache"}},
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_record(tmp_path / RECORD, RECORDED, yaml.safe_dump(SETTINGS))
    return tmp_path


def test_the_record_is_read_back(directory: Path) -> None:
    assert read_record(directory) == RECORDED
    check_same(directory, RECORDED, yaml.safe_dump(SETTINGS), Path.read_text)


def test_places_speed_and_the_seeds_may_change(directory: Path) -> None:
    moved = {**SETTINGS, "name": "b", "threads": 4, "data": {"cache": {"dir": "elsewhere"}}}
    check_same(directory, replace(RECORDED, seeds=[1, 2, 3, 4]), yaml.safe_dump(moved), Path.read_text)


def test_a_key_that_is_newer_than_the_directory_has_its_default(directory: Path) -> None:
    def with_default(path: Path) -> str:
        return f"{path.read_text()}trees: 200\n"

    check_same(directory, RECORDED, yaml.safe_dump(SETTINGS | {"trees": 200}), with_default)
    with pytest.raises(InputError, match="trees 200, now 100"):
        check_same(directory, RECORDED, yaml.safe_dump(SETTINGS | {"trees": 100}), with_default)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": {"network": {"init_args": {"hidden_size": 16}}}},
            "model.network.init_args.hidden_size 8, now 16",
        ),
        ({"model": None}, "model.network.init_args.hidden_size 8, now None"),
        ({"extra": "x"}, "extra None, now 'x'"),
    ],
)
def test_another_configuration_is_an_error_that_names_the_key(
    changes: dict[str, object], message: str, directory: Path
) -> None:
    with pytest.raises(InputError, match=message) as error:
        check_same(directory, RECORDED, yaml.safe_dump(SETTINGS | changes), Path.read_text)
    assert "put it back, or start again without --resume" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 4}, "began with folds 3, now 4"),
        ({"warm_start": True}, "began with warm_start False, now True"),
        ({"data": "f" * 16}, "began with the panel's digest 0123456789abcdef, now ffff"),
    ],
)
def test_other_folds_weights_or_data_are_an_error(
    changes: dict[str, object], message: str, directory: Path
) -> None:
    with pytest.raises(InputError, match=message):
        now = replace(RECORDED, **changes)  # type: ignore[arg-type]
        check_same(directory, now, yaml.safe_dump(SETTINGS), Path.read_text)


@pytest.mark.parametrize("name", ["folds", "seeds", "warm_start", "data"])
@pytest.mark.parametrize("value", ["x", 0.5, {"a": 1}, ["x"]])
def test_a_record_with_a_value_of_another_type_is_an_error(name: str, value: object, directory: Path) -> None:
    if (name, value) == ("data", "x"):
        return  # a text, as it must be
    content = json.loads((directory / RECORD).read_text()) | {name: value}
    (directory / RECORD).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"crossval.json: cannot be read; start again without --resume"):
        read_record(directory)


@pytest.mark.parametrize("changes", [{"folds": 0}, {"seeds": []}, {"seeds": [2, 1]}, {"seeds": [1, 1]}])
def test_a_record_that_no_start_wrote_is_an_error(changes: dict[str, object], directory: Path) -> None:
    (directory / RECORD).write_text(json.dumps(json.loads((directory / RECORD).read_text()) | changes))
    with pytest.raises(InputError, match=r"crossval.json: cannot be read; start again without --resume"):
        read_record(directory)


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 100_000, "{", '{"folds": 1}', '{"folds": 1, "other": 2}', "null"]
)
def test_a_damaged_record_is_an_error(content: str, directory: Path) -> None:
    (directory / RECORD).write_text(content)
    with pytest.raises(InputError, match=r"crossval.json: cannot be read; start again without --resume"):
        read_record(directory)


def test_a_record_of_another_version_is_an_error(directory: Path) -> None:
    write_record(directory / RECORD, replace(RECORDED, version=99), "a: 1\n")
    with pytest.raises(InputError, match="of version 99, this is 1"):
        read_record(directory)


def test_a_directory_without_a_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no crossval.json there; --resume names a directory of crossval"):
        read_record(tmp_path / "version_7")


def test_the_configuration_is_there_before_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InputError("the disk is full")

    monkeypatch.setattr("atft.crossval.directory.publish_json", full)
    with pytest.raises(InputError, match="full"):
        write_record(tmp_path / RECORD, RECORDED, "a: 1\n")
    assert (tmp_path / CONFIG).exists() and not (tmp_path / RECORD).exists()


def test_runs_of_another_panel_are_never_averaged_with_the_others(directory: Path) -> None:
    same = Receipt(digests={"data": RECORDED.data, "config": "x"})
    other = Receipt(digests={"data": "fedcba9876543210"})
    check_same_data(directory, RECORDED, {"fold_0_seed_1": same, "fold_1_seed_1": same})
    with pytest.raises(InputError) as caught:
        check_same_data(directory, RECORDED, {"fold_0_seed_1": same, "fold_1_seed_1": other})
    assert str(caught.value) == (
        f"{directory}/fold_1_seed_1: trained on another panel (digest fedcba9876543210) than the directory began "
        "with (0123456789abcdef); restore that panel, remove this folder and run again with --resume"
    )


def test_runs_of_other_code_or_libraries_are_named_in_one_line() -> None:
    one = Receipt(digests={"code": "aaaa"}, versions={"torch": "2.13.0"})
    other, newer = replace(one, digests={"code": "bbbb"}), replace(one, versions={"torch": "2.14.0"})
    assert other_code_line({"seed_1": one, "seed_2": one}) == other_code_line({"seed_1": one}) == ""
    assert other_code_line({"seed_1": one, "seed_2": one, "seed_3": other}) == (
        "warning: seed_3 is of other code than seed_1 (bbbb, aaaa), and averaged with it; to train them alike, "
        "remove their folders and --resume"
    )
    line = other_code_line({"seed_1": one, "seed_2": newer, "seed_3": other})
    assert line.startswith("warning: seed_2 and 1 more are of other torch than seed_1 (2.14.0, 2.13.0)")
