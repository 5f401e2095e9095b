"""Appending days: the bits of a build of all prices, whatever the day brings and whatever kills the process."""

import itertools
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features import build, panel_folder
from atft.features.append import append_prices, check_options
from atft.features.build import build_panel
from atft.features.checked_prices import CheckedPrices
from atft.features.options import FeatureOptions
from atft.features.panel_folder import read_list
from atft.files.panel_files import panel_files, source_fingerprint
from price_market import frame_of, market, weekdays

TODAY = date(2026, 1, 5)
OPTIONS = FeatureOptions(min_history_days=60, min_close=0.5, min_traded_value=1e4)
DAYS = 360
SATURDAY = date(2015, 5, 23)


def dirty_market() -> pl.DataFrame:
    """Prices of 24 stocks in which the last days have all that happens to prices."""
    table = market(days=DAYS, stocks=24, seed=4)
    close = table["close"]
    for name in ("open", "high", "low", "close"):
        table[name][DAYS - 12 :, 2] /= (
            2  # splits that were not adjusted, one before the tail and two in the new days
        )
        table[name][DAYS - 3 :, 2] /= 2
        table[name][40:, 5] *= 3
        table[name][DAYS - 8 :, 7] *= 9  # a jump
        table[name][DAYS - 25 :, 9] = close[DAYS - 26, 9]  # a frozen price
        table[name][:, 11] = table[name][:, 10]  # a copy
    close[: DAYS - 6, 13] = np.nan  # a new code
    close[DAYS - 5 :, 14] = np.nan  # a dead one
    close[60 : DAYS - 4, 15] = np.nan  # a long halt
    return frame_of(table)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("append") / "prices.parquet"
    dirty_market().write_parquet(path)
    return path


def cut(prices: Path, out: Path, first: int, last: int) -> Path:
    """The prices of the days first..last-1, as a file."""
    days = weekdays(DAYS)[first:last]
    pl.read_parquet(prices).filter(pl.col("date").is_in(days)).write_parquet(out)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


@pytest.fixture(scope="module")
def whole(prices: Path) -> dict[str, bytes]:
    """The files of a build of all prices."""
    build_panel(prices, prices.parent / "whole", OPTIONS, TODAY)
    return files(prices.parent / "whole")


@pytest.fixture(scope="module")
def earlier(prices: Path) -> Path:
    """A panel that lacks the last three days."""
    out = prices.parent / "earlier"
    build_panel(cut(prices, prices.parent / "earlier.parquet", 0, DAYS - 3), out, OPTIONS, TODAY)
    return out


@pytest.fixture
def panel(earlier: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(earlier, tmp_path / "panel"))


def test_days_appended_one_by_one_give_the_files_of_a_build_of_all_prices_byte_for_byte(
    prices: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    panel = tmp_path / "panel"
    build_panel(cut(prices, tmp_path / "p.parquet", 0, DAYS - 7), panel, OPTIONS, TODAY)
    for day in range(DAYS - 7, DAYS):
        report = append_prices(panel, cut(prices, tmp_path / "new.parquet", day, day + 1), today=TODAY)
        assert report.new_days == (weekdays(DAYS)[day],)
    assert files(panel) == whole


def test_the_folder_is_the_panel_of_one_file(prices: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    build_panel(prices, tmp_path / "panel.parquet", OPTIONS, TODAY)
    months = panel_files(prices.parent / "whole")
    assert [path.name[:7] for path in months] == sorted({f"{day:%Y-%m}" for day in weekdays(DAYS)})
    assert pl.read_parquet(months).equals(pl.read_parquet(tmp_path / "panel.parquet"))


def test_several_days_and_a_longer_history_at_once_are_the_same(
    prices: Path, whole: dict[str, bytes], panel: Path, tmp_path: Path
) -> None:
    report = append_prices(panel, prices, today=TODAY)
    assert report.new_days == tuple(weekdays(DAYS)[-3:])
    assert files(panel) == whole
    assert report.lines()[0].startswith(f"{panel}: 3 new days (2015-05-15 to 2015-05-19), ")
    again = append_prices(panel, prices, today=TODAY)
    assert again.new_days == () and "no new day" in again.lines()[0]
    assert files(panel) == whole


def test_splits_are_adjusted_by_those_of_the_past_too(prices: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, splits="adjust", copies="keep", jumps="keep", lag=1, horizons=[1, 3])
    panels = []
    for name, days in (("whole", [DAYS]), ("grown", [DAYS - 9, DAYS])):
        panels.append(tmp_path / name)
        build_panel(cut(prices, tmp_path / "p.parquet", 0, days[0]), panels[-1], options, TODAY)
        for first, last in itertools.pairwise(days):
            append_prices(panels[-1], cut(prices, tmp_path / "new.parquet", first, last), today=TODAY)
    assert files(panels[0]) == files(panels[1])


def test_a_gap_before_the_new_days_and_dates_that_are_no_sessions_are_those_of_a_build(
    prices: Path, tmp_path: Path
) -> None:
    frame, days = pl.read_parquet(prices), weekdays(DAYS)
    saturday = frame.filter(pl.col("date") == days[-1]).with_columns(date=pl.lit(SATURDAY)).head(3)
    frame = pl.concat([frame.filter(~pl.col("date").is_in(days[-30:-2])), saturday])
    options = replace(OPTIONS, calendar={"rare_weekdays": "exclude", "thin_days": "exclude"})
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    frame.write_parquet(tmp_path / "p.parquet")
    build_panel(tmp_path / "p.parquet", whole, options, TODAY)
    frame.filter(pl.col("date") < days[-30]).write_parquet(tmp_path / "p.parquet")
    build_panel(tmp_path / "p.parquet", grown, options, TODAY)
    for day in (days[-2], days[-1], SATURDAY):
        frame.filter(pl.col("date") == day).write_parquet(tmp_path / "p.parquet")
        append_prices(grown, tmp_path / "p.parquet", today=TODAY)
    assert files(grown) == files(whole)


def corrected(prices: Path, out: Path, day: int, factor: float = 1.01, code: str = "1003") -> Path:
    """All prices, with the close of a stock on one day another."""
    here = (pl.col("code") == code) & (pl.col("date") == weekdays(DAYS)[day])
    frame = pl.read_parquet(prices)
    close = pl.when(here).then(pl.col("close") * factor).otherwise(pl.col("close")).cast(pl.Float32)
    frame.with_columns(close=close).write_parquet(out)
    return out


def test_a_corrected_row_of_a_past_day_is_one_line_and_nothing_changes(
    prices: Path, panel: Path, tmp_path: Path
) -> None:
    before = files(panel)
    new = corrected(prices, tmp_path / "new.parquet", 300)
    with pytest.raises(
        InputError, match=r"past days differ in 1 row, the first 1003 on 2015-02-25, (high|close) \S+ where"
    ):
        append_prices(panel, new, today=TODAY)
    added = frame_of(market(days=20, stocks=25)).filter(pl.col("code") == "1024")
    added.write_parquet(tmp_path / "added.parquet")
    with pytest.raises(InputError, match="the first 1024 on 2014-01-01, which is not stored"):
        append_prices(panel, tmp_path / "added.parquet", today=TODAY)
    renamed = pl.read_parquet(cut(prices, tmp_path / "tail.parquet", DAYS - 3, DAYS))
    renamed.with_columns(code="x" + pl.col("code")).write_parquet(tmp_path / "renamed.parquet")
    with pytest.raises(
        InputError, match="none of the new days' codes is in the panel; they have 'x1000', the"
    ):
        append_prices(panel, tmp_path / "renamed.parquet", today=TODAY)
    assert files(panel) == before


def test_corrections_rebuild_from_the_first_changed_day_only(
    prices: Path, panel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = corrected(prices, tmp_path / "new.parquet", 300)
    started: list[int] = []
    write_blocks = build.write_blocks

    def from_first(prices: CheckedPrices, append: Callable[..., None], first: int = 0) -> object:
        started.append(first)
        return write_blocks(prices, append, first)

    monkeypatch.setattr(build, "write_blocks", from_first)
    report = append_prices(panel, new, "rebuild", TODAY)
    assert report.rebuilt_from == weekdays(DAYS)[300]
    assert started[0] > 200
    build_panel(new, tmp_path / "whole", OPTIONS, TODAY)
    assert files(panel) == files(tmp_path / "whole")
    assert "built again from 2015-02-25 on" in report.lines()[1]


def test_a_correction_within_the_first_labels_makes_every_day_again(
    prices: Path, panel: Path, tmp_path: Path
) -> None:
    new = corrected(prices, tmp_path / "new.parquet", 5)
    assert append_prices(panel, new, "rebuild", TODAY).rebuilt_from == weekdays(DAYS)[5]
    build_panel(new, tmp_path / "whole", OPTIONS, TODAY)
    assert files(panel) == files(tmp_path / "whole")


def test_a_rebuild_keeps_other_writers_out_from_the_first_read_to_the_last_write(
    prices: Path, panel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = corrected(prices, tmp_path / "new.parquet", 300)
    check_rows, tried = build.check_rows, []

    def with_another_writer(*arguments: Any) -> CheckedPrices:
        tried.append(1)
        with pytest.raises(InputError, match="another process is writing this panel"):
            append_prices(panel, prices, today=TODAY)
        return check_rows(*arguments)

    monkeypatch.setattr(build, "check_rows", with_another_writer)
    append_prices(panel, new, "rebuild", TODAY)
    assert tried


def test_a_rebuild_with_other_features_than_the_panels_is_one_line(
    prices: Path, panel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, before = corrected(prices, tmp_path / "new.parquet", 300), read_list(panel)
    families = tuple(family for family in build.FAMILIES if family is not build.price_volume_features)
    monkeypatch.setattr(build, "FAMILIES", families)
    with pytest.raises(InputError, match="built by another version of the program; build the panel again"):
        append_prices(panel, new, "rebuild", TODAY)
    assert read_list(panel) == before


def test_a_history_that_was_adjusted_since_keeps_the_stored_basis(
    prices: Path, whole: dict[str, bytes], panel: Path, tmp_path: Path
) -> None:
    split = pl.when(pl.col("code") == "1003").then(0.5).otherwise(1.0).cast(pl.Float32)
    columns = [pl.col(name) * split for name in ("open", "high", "low", "close")]
    pl.read_parquet(prices).with_columns(*columns, pl.col("volume") / split).write_parquet(
        tmp_path / "new.parquet"
    )
    with pytest.raises(InputError, match=r"past days differ in \d+ rows, the first 1003 on"):
        append_prices(panel, tmp_path / "new.parquet", today=TODAY)
    report = append_prices(panel, tmp_path / "new.parquet", "rescale", TODAY)
    assert "put on the stored basis, codes whose history was adjusted since: 1: 1003 x 2" in report.lines()
    assert files(panel) == whole
    # What differs in another way is still an error.
    append = corrected(prices, tmp_path / "wrong.parquet", 300)
    with pytest.raises(InputError, match="past days differ in 1 row, "):
        append_prices(panel, append, "rescale", TODAY)


@pytest.fixture
def two_gaps(prices: Path, tmp_path: Path) -> Path:
    """Prices without two runs of 6 weekdays: the second within three years says that they are holidays."""
    holes = [day for first in (30, 330) for day in weekdays(DAYS)[first : first + 6]]
    pl.read_parquet(prices).filter(~pl.col("date").is_in(holes)).write_parquet(tmp_path / "all.parquet")
    return tmp_path / "all.parquet"


def test_a_gap_that_becomes_usual_is_found_and_rebuilds(two_gaps: Path, tmp_path: Path) -> None:
    days, panel = weekdays(DAYS), tmp_path / "panel"
    build_panel(cut(two_gaps, tmp_path / "p.parquet", 0, 320), panel, OPTIONS, TODAY)
    with pytest.raises(InputError, match="the calendar of past ones differs from 2014-02-12 on"):
        append_prices(panel, two_gaps, today=TODAY)
    assert append_prices(panel, two_gaps, "rebuild", TODAY).rebuilt_from == days[30]
    build_panel(two_gaps, tmp_path / "whole", OPTIONS, TODAY)
    assert files(panel) == files(tmp_path / "whole")


def test_a_correction_after_a_gap_that_becomes_usual_rebuilds_from_the_gap_on(
    two_gaps: Path, tmp_path: Path
) -> None:
    panel = tmp_path / "panel"
    build_panel(cut(two_gaps, tmp_path / "p.parquet", 0, 320), panel, OPTIONS, TODAY)
    new = corrected(two_gaps, tmp_path / "new.parquet", 300)
    assert append_prices(panel, new, "rebuild", TODAY).rebuilt_from == weekdays(DAYS)[30]
    build_panel(new, tmp_path / "whole", OPTIONS, TODAY)
    assert files(panel) == files(tmp_path / "whole")


def test_prices_without_a_sector_keep_each_codes_last_one(
    prices: Path, whole: dict[str, bytes], panel: Path, tmp_path: Path
) -> None:
    new = pl.read_parquet(cut(prices, tmp_path / "new.parquet", DAYS - 5, DAYS)).drop("sector")
    new.write_parquet(tmp_path / "new.parquet")
    report = append_prices(panel, tmp_path / "new.parquet", today=TODAY)
    assert "no sector in the prices; each code keeps its last one" in report.lines()
    assert files(panel).keys() == whole.keys()


class Killed(BaseException):
    """What a test stops a writer with: nothing catches it."""


@pytest.mark.parametrize("call", [1, 4, 9])
def test_a_writer_that_is_killed_leaves_the_former_panel_or_the_next_one(
    call: int,
    prices: Path,
    whole: dict[str, bytes],
    panel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every rename and removal of an append is a place to die at."""
    new = cut(prices, tmp_path / "new.parquet", DAYS - 3, DAYS)
    fingerprint, count = source_fingerprint(panel_files(panel), tmp_path), iter(range(10_000))
    patched = {name: getattr(Path, name) for name in ("replace", "unlink")}

    def dying(name: str) -> Callable[..., object]:
        def method(self: Path, *arguments: object, **options: object) -> object:
            if next(count) == call:
                raise Killed
            return patched[name](self, *arguments, **options)

        return method

    with monkeypatch.context() as patch:
        for name in patched:
            patch.setattr(Path, name, dying(name))
        with suppress(Killed):
            append_prices(panel, new, today=TODAY)
    listed = json.loads((panel / "update" / "panel.json").read_text())
    assert (
        source_fingerprint(panel_files(panel), tmp_path) == fingerprint or len(listed["panel"]["chain"]) > 0
    )
    append_prices(panel, new, today=TODAY)
    assert files(panel) == whole


def test_what_is_no_panel_that_grows_or_is_damaged_is_one_line(
    prices: Path, panel: Path, tmp_path: Path
) -> None:
    new = cut(prices, tmp_path / "new.parquet", DAYS - 3, DAYS)
    with pytest.raises(InputError, match=r"new\.parquet: a file; days are appended to a folder"):
        append_prices(new, new)
    with pytest.raises(InputError, match="no panel that grows"):
        append_prices(tmp_path / "absent", new)
    assert not (tmp_path / "absent").exists()
    with pytest.raises(InputError, match="corrections must be one of error, rebuild, rescale, got 'rebild'"):
        append_prices(panel, new, "rebild")
    with panel_folder.locked(panel), pytest.raises(InputError, match="another process is writing this panel"):
        append_prices(panel, new, today=TODAY)
    with pytest.raises(InputError, match=r"was built with min_close 0\.5, not 3\.0; leave the key out"):
        check_options(panel, FeatureOptions(min_close=3.0))
    with pytest.raises(InputError, match=r"was built with as_traded False, not True"):
        check_options(panel, FeatureOptions(as_traded=True))
    check_options(panel, FeatureOptions(min_close=0.5))  # the option that was given is the panel's
    check_options(panel, FeatureOptions())
    last = panel_files(panel)[-1]
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 1
    last.write_bytes(data)
    with pytest.raises(InputError, match=r"2015-05-\w+\.parquet: damaged, its bytes are not those"):
        append_prices(panel, new, today=TODAY)
    listed = panel / "update" / "panel.json"
    listed.write_text(listed.read_text().replace('"lag":0', '"lag":1').replace('"lag": 0', '"lag": 1'))
    with pytest.raises(InputError, match=r"panel\.json: damaged"):
        append_prices(panel, new, today=TODAY)


def test_prices_that_cannot_be_read_say_that_options_are_those_of_the_first_build(
    prices: Path, panel: Path, tmp_path: Path
) -> None:
    pl.read_parquet(prices).rename({"date": "day_"}).write_parquet(tmp_path / "new.parquet")
    said = r"no column 'date'; name it, .* \(new days have the options that \S+ was built with\)"
    with pytest.raises(InputError, match=said):
        append_prices(panel, tmp_path / "new.parquet")


def test_a_check_that_advises_an_option_says_that_options_are_those_of_the_first_build(
    prices: Path, panel: Path, tmp_path: Path
) -> None:
    new = cut(prices, tmp_path / "new.parquet", DAYS - 3, DAYS - 2)
    pl.read_parquet(new).head(3).write_parquet(new)
    said = r"set calendar\.thin_days to .* \(new days have the options that \S+ was built with\)"
    with pytest.raises(InputError, match=said):
        append_prices(panel, new, today=TODAY)


def test_a_day_that_comes_late_is_a_new_day(prices: Path, panel: Path, tmp_path: Path) -> None:
    late, later = (cut(prices, tmp_path / f"{day}.parquet", day, day + 1) for day in (DAYS - 3, DAYS - 2))
    append_prices(panel, later, today=TODAY)
    with pytest.raises(InputError, match="which is not stored"):
        append_prices(panel, late, today=TODAY)
    report = append_prices(panel, late, "rebuild", TODAY)
    assert report.new_days == (weekdays(DAYS)[DAYS - 3],) and report.last_day == weekdays(DAYS)[DAYS - 2]
    assert report.rows == pl.read_parquet(panel / "*.parquet").filter(date=report.new_days[0]).height > 15
    assert report.lines()[0].startswith(
        f"{panel}: 1 new day ({weekdays(DAYS)[DAYS - 3]}), {report.rows} rows"
    )
    build_panel(cut(prices, tmp_path / "all.parquet", 0, DAYS - 1), tmp_path / "whole", OPTIONS, TODAY)
    assert files(panel) == files(tmp_path / "whole")


def test_a_folder_with_other_files_is_not_taken(prices: Path, tmp_path: Path) -> None:
    shutil.copy(prices, tmp_path / "mine.parquet")
    with pytest.raises(InputError, match=r"has files of another panel, as mine\.parquet"):
        build_panel(prices, tmp_path, OPTIONS, TODAY)
