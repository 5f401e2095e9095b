"""The folder of a panel that grows: months by content, only its own files removed, one writer at a time."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.panel_folder import (
    FolderFile,
    MonthFiles,
    is_folder,
    link_months,
    locked,
    publish_list,
    read_list,
    read_table,
    write_table,
)
from atft.files.digest import read_sealed_json, sealed_json
from atft.files.panel_files import panel_files

DAYS = [date(2015, 1, 28) + timedelta(days=i) for i in range(40)]


def written(folder: Path, cuts: list[int]) -> list[FolderFile]:
    """Forty days of three rows, given in pieces."""
    folder.mkdir()
    months = MonthFiles(folder)
    for start, end in zip([0, *cuts], [*cuts, len(DAYS)], strict=True):
        days = pa.array(DAYS[start:end] * 3, pa.date32()).sort()
        x = np.arange(3 * start, 3 * end, dtype=np.float32)
        x[x % 7 == 0] = np.nan
        months.append({"date": days, "x": x}, np.repeat(np.arange(start, end), 3))
    months.finish()
    return months.written


def test_a_months_file_is_named_and_filled_by_its_rows_however_they_came(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", []), written(tmp_path / "two", [1, 17, 33])
    assert one == two
    assert [file.month for file in one] == ["2015-01", "2015-02", "2015-03"]
    assert all(file.name == f"{file.month}-{file.sha256[:8]}.parquet" for file in one)


def test_a_link_covers_its_month_and_all_before(tmp_path: Path) -> None:
    months = tuple(written(tmp_path / "p", []))
    links = link_months(months)
    other = FolderFile("n", "2015-02", 1, "0" * 64)
    changed = link_months((months[0], other, months[2]))
    assert changed[0] == links[0] and set(changed[1:]).isdisjoint(links)


def test_a_published_list_is_the_panel_and_removes_only_files_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    months = tuple(written(folder, []))
    with locked(folder):
        (folder / "update" / "state-00000000.npz").touch()
        (folder / "2015-01-00000000.parquet").touch()
        (folder / "notes.parquet").touch()
        state = FolderFile("update/state-1.npz", "", 0, "")
        publish_list(folder, FeatureOptions(), ("x",), months, (), state)
        with pytest.raises(InputError, match="another process is writing this panel"), locked(folder):
            pass
    listed = read_list(folder)
    assert (listed.features, listed.months, listed.prices, listed.state) == (("x",), months, (), state)
    assert FeatureOptions(**listed.options) == FeatureOptions()
    assert panel_files(folder) == [folder / file.name for file in months]
    assert sorted(path.name for path in folder.glob("*.parquet")) == sorted(
        [*(file.name for file in months), "notes.parquet"]
    )
    assert not list((folder / "update").glob("*.npz"))
    (folder / "update" / "panel.json").write_text("{")
    with pytest.raises(InputError, match=r"panel\.json: unreadable; build the panel again with features"):
        panel_files(folder)


def test_a_name_without_a_suffix_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "p.1").mkdir()
    assert is_folder(Path("panels/mine")) and is_folder(tmp_path / "p.1")
    assert not is_folder(Path("panels/mine.parquet"))


def test_a_list_of_another_format_or_of_months_that_were_exchanged_is_not_appended_to(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    months = tuple(written(folder, []))
    publish_list(folder, FeatureOptions(), ("x",), months, (), FolderFile("update/state-1.npz", "", 0, ""))
    path = folder / "update" / "panel.json"
    body = read_sealed_json(path, "panel", "list", "")
    changes = {
        r"panel\.json: format 3, this program appends to 4; build the panel again": {"format": 3},
        r"panel\.json: damaged \(the months' digests are not its chain\)": {"months": body["months"][::-1]},
    }
    for message, change in changes.items():
        path.write_text(sealed_json("panel", body | change))
        with pytest.raises(InputError, match=message):
            read_list(folder)


def test_a_month_of_several_row_groups_has_each_row_once(tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(9)})
    file = write_table(tmp_path, "prices-", "2015-01", table, [(0, 3), (3, 7), (7, 9)])
    assert file.name == f"prices-2015-01-{file.sha256[:8]}.parquet"
    assert read_table(tmp_path, file).equals(table)
    groups = pq.ParquetFile(tmp_path / file.name).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [3, 4, 2]
