from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from atft.data.survey import survey_panel
from atft.data.whole_days import whole_days
from atft.panel import PanelSchema, footer_names, resolve

MakePanel = Callable[..., Path]


def _batches(panel: Path, scratch: Path, bytes_per_batch: int) -> list[pa.RecordBatch]:
    columns = resolve(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    survey = survey_panel([panel], columns, None)
    return list(whole_days([panel], columns, survey, scratch, bytes_per_batch))


@pytest.mark.parametrize("rows", [1, 7, 19, 20, 150, 100_000])
@pytest.mark.parametrize("sort", [True, False])
def test_every_batch_holds_whole_days_in_order_and_no_row_is_lost(
    tmp_path: Path, make_panel: MakePanel, monkeypatch: pytest.MonkeyPatch, rows: int, sort: bool
) -> None:
    panel = make_panel(days=30)
    frame = pl.read_parquet(panel)
    if not sort:
        frame.sample(fraction=1, shuffle=True, seed=0).write_parquet(panel)
    # The reader takes at least 4,096 rows at a time; the file's row groups make the batches small here.
    pl.read_parquet(panel).write_parquet(panel, row_group_size=rows)
    width = len(frame.columns)
    batches = _batches(panel, tmp_path, 4 * width * rows)
    seen: set[object] = set()
    for batch in batches:
        days = batch.column("date").to_pylist()
        assert days == sorted(days)
        assert not seen & set(days)
        seen |= set(days)
    got = pl.concat([pl.from_arrow(b) for b in batches])  # type: ignore[type-var]
    assert isinstance(got, pl.DataFrame)
    keys = ["date", "code"]
    assert got.select(frame.columns).sort(keys).equals(frame.sort(keys))
    assert got["date"].to_list() == frame.sort("date")["date"].to_list()
    assert [p.name for p in tmp_path.iterdir()] == [panel.name]
