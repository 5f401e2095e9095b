"""A file that is read is not replaced, however its path is written."""

from pathlib import Path

import pytest

from atft.errors import InputError
from atft.files.output_path import (
    check_no_evidence,
    check_not_among,
    check_not_read,
    check_panel_out,
    check_table_out,
)


@pytest.mark.parametrize("source", ["days/a.csv", "days", "da*/*.csv", "x/../days/a.csv", "link.csv"])
def test_a_file_that_is_read_is_not_written_however_it_is_named(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("days", "x"):
        Path(folder).mkdir()
    Path("days/a.csv").touch()
    Path("link.csv").symlink_to("days/a.csv")
    with pytest.raises(
        InputError, match=r"^--out days/a\.csv: this command reads that file; name another one$"
    ):
        check_not_read(Path("days/a.csv"), [None, source])
    with pytest.raises(InputError, match=r"^--json link\.csv: this"):
        check_not_read(Path("link.csv"), [source], "--json")
    check_not_read(Path("days/b.csv"), [source, None, "", "absent.csv", "absent/*.csv"])


def test_an_input_that_is_not_named_is_not_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").touch()
    check_not_read(Path("a.csv"), ["", None])


def test_evidence_is_a_file_of_a_run_beside_its_record(tmp_path: Path) -> None:
    metrics, link = tmp_path / "metrics.json", tmp_path / "link.json"
    metrics.touch()
    link.symlink_to(metrics)
    check_no_evidence(metrics)  # no run's folder
    (tmp_path / "crossval.json").touch()
    for file in (
        metrics,
        link,
        tmp_path / "crossval.json",
        tmp_path / "folds.json",
    ):  # the last is not there yet
        with pytest.raises(InputError, match=r"evidence of the run in .*; name another file$"):
            check_no_evidence(file)
    check_no_evidence(tmp_path / "compare.json")
    for name, message in {
        "metrics.csv": "evidence of the run",
        "panel.parquet": "this command reads that file",
        "scores": r"the suffix decides the format, it must be \.csv or \.json or \.parquet$",
        "scores.xlsx": r"must be \.csv or \.json or \.parquet$",
    }.items():
        (tmp_path / "panel.parquet").touch()
        with pytest.raises(InputError, match=message):
            check_table_out(tmp_path / name, (".csv", ".json", ".parquet"), [tmp_path / "panel.parquet"])
    check_table_out(tmp_path / "list_2017-06-30.csv", (".csv",), [tmp_path / "panel.parquet"])


def test_a_date_that_is_not_known_yet_may_be_that_of_an_input(tmp_path: Path) -> None:
    for name in ("2017-06-30.csv", "prices.csv"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"{date}\.csv: this command reads that file"):
        check_not_read(tmp_path / "{date}.csv", [tmp_path / "2017-06-30.csv"])
    check_not_read(tmp_path / "{date}.csv", [tmp_path / "prices.csv"])
    check_not_read(tmp_path / "list_{date}.csv", [tmp_path])


def test_a_table_is_not_written_where_the_next_call_would_read_it(tmp_path: Path) -> None:
    (tmp_path / "prices" / "lists").mkdir(parents=True)
    file = tmp_path / "prices" / "a.csv"
    file.touch()
    for out, source in (
        ("prices/{date}.csv", "prices"),
        ("prices/lists/list.csv", "prices"),
        ("prices/x/../list.csv", "prices/*.csv"),
        ("prices/list_{date}.csv", "prices/l*.csv"),
        ("prices/list.csv", "prices/lis?.csv"),
        ("prices/list.csv", "prices/[k-m]ist.csv"),
        ("prices/lists/list.csv", "prices/*/*.csv"),
        ("prices/list.csv", "prices/**/*.csv"),
        ("prices/x/y/list.csv", "pri*/**/l*.csv"),
    ):
        with pytest.raises(InputError, match=r"all of which is read; name another folder$"):
            check_not_among(tmp_path / out, [tmp_path / source])
    with pytest.raises(InputError, match=r"^join: out .*/prices/b\.csv: it is inside"):
        check_not_among(tmp_path / "prices" / "b.csv", [tmp_path / "prices"], "join: out")
    for out, source in (
        ("lists/a.csv", "prices"),
        ("prices/b.csv", "prices/a.csv"),
        ("a.csv", "prices/*.csv"),
        ("prices/lists/a.csv", "prices/*.csv"),
        ("prices/a.txt", "prices/**/*.csv"),
    ):
        check_not_among(tmp_path / out, [tmp_path / source])


def test_a_panel_is_written_under_a_suffix_that_is_read() -> None:
    for name in ("p.parquet", "a.b/p.pq"):
        check_panel_out(Path(name))
    for name in ("p.csv", "p", "p.parquet.gz"):
        message = r"^join: out p.*: a panel is a Parquet file; name it p.*\.parquet$"
        with pytest.raises(InputError, match=message):
            check_panel_out(Path(name), "join: out")
