"""A small part of a run's panel around its first validation day, and copies of it whose later rows are changed.

Everything that the program makes of a panel (cache, graph, scaling, batches) is made again from each copy, by the
run's own data module and options.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atft.files.cells import MIN_ROWS_PER_CODE, CellRange, read_codes
from atft.files.dates import DayReader
from atft.files.panel_files import footer_names, panel_files
from atft.panel import PanelColumns, resolve_columns
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions, panel_path

if TYPE_CHECKING:
    import polars

MAX_STOCKS = 120
TRAINING_DAYS = 80
"""Days of the slice that train, on top of those that the lookback, the graph and the purge take."""
LATER_DAYS = 40
"""Days of the slice from the first validation day on."""
BLOW_UP = 1e6

Change = Callable[["polars.DataFrame", PanelColumns, int], "polars.DataFrame"]
"""What is done to the rows after a day; the number is a seed."""


def slice_panel(data: DayData, folder: Path) -> DayData:
    """Write the slice and open it with the run's own options, split at the same first validation day."""
    import polars

    cache, split = data.open_cache(), data.split_options
    manifest = cache.manifest
    first_val, reach = int(data.split.val[0]), manifest.longest_label_days + split.embargo_days
    window = int(manifest.graph["window"]) if manifest.graph else 0
    before = data.loader_options.lookback + window + reach + TRAINING_DAYS
    days = manifest.dates[max(0, first_val - before) : first_val + LATER_DAYS]
    chosen = np.unique(np.linspace(0, cache.stocks - 1, min(cache.stocks, MAX_STOCKS)).astype(int))
    codes = [cache.codes[i] for i in chosen]
    path = panel_path(data.panel, data.cache_options.dir)
    date, code = data.panel.schema.date, data.panel.schema.code
    rows = polars.scan_parquet([str(file) for file in panel_files(path)], glob=False)
    # Dates may be text, timestamps or eras: those as the file has them are compared.
    dates = rows.select(date).unique().collect()[date]
    day = _days_of(dates, data)
    chosen_dates = dates.filter(
        polars.Series((day >= np.datetime64(days[0])) & (day <= np.datetime64(days[-1])))
    )
    # Codes that come once: a share of them would be a share of each day.
    once = sum(manifest.observed_rows) < MIN_ROWS_PER_CODE * cache.stocks
    if not once:
        # As the cache reads them: the number 1301.0 is "1301" there.
        stored = rows.select(code).unique().collect()[code]
        texts = read_codes(stored.to_arrow(), CellRange(Path(path), code)).to_pylist()
        rows = rows.filter(polars.col(code).is_in(stored.filter([text in codes for text in texts]).to_list()))
    frame = rows.filter(polars.col(date).is_in(chosen_dates.to_list())).collect()
    first = max(split.train[0], days[0].isoformat())
    last = min(split.val[1], days[-1].isoformat())
    options = replace(
        split,
        train=[first, split.train[1]],
        val=[manifest.dates[first_val].isoformat(), last],
        test=None,
        fold=None,
        folds=None,
    )
    return open_slice(data, frame, folder, "slice", split=options)


def open_slice(
    data: DayData, frame: "polars.DataFrame", folder: Path, name: str, **changes: object
) -> DayData:
    """Write rows to a panel file and open them as a run's data, with its options but for ``changes``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    frame.write_parquet(path)
    arguments = {
        "panel": PanelOptions(str(path), None, data.panel.schema),
        "split": data.split_options,
        "loader": replace(data.loader_options, num_workers=0),
        "cache": replace(data.cache_options, dir=str(folder / "cache")),
        "graph": data.graph_options,
        "horizons": data.horizons,
        "seed": data.seed,
    }
    return type(data)(**{**arguments, **changes})  # type: ignore[arg-type]


def slice_columns(data: DayData) -> PanelColumns:
    """The roles of a panel's columns."""
    path = panel_path(data.panel, data.cache_options.dir)
    return resolve_columns(data.panel.schema, footer_names(path), data.horizons, path)


def change_after(data: DayData, day: int, change: Change, folder: Path, name: str, seed: int = 0) -> DayData:
    """The slice with a change of all rows after a day of its calendar."""
    import polars

    frame = polars.read_parquet(str(data.panel.path), glob=False)
    columns, cut = slice_columns(data), data.open_cache().manifest.dates[day]
    later = polars.Series(_days_of(frame[columns.date], data) > np.datetime64(cut))
    changed = change(frame.filter(later), columns, seed)
    whole = polars.concat([frame.filter(~later), changed.cast(frame.schema)])
    return open_slice(data, whole, folder, name)


def _days_of(dates: "polars.Series", data: DayData) -> np.ndarray:
    """Days, datetime64[D], of a panel's column of dates."""
    columns = slice_columns(data)
    cells = CellRange(Path(panel_path(data.panel, data.cache_options.dir)), columns.date)
    days: np.ndarray = DayReader(first_era=columns.first_era).read(dates.to_arrow(), cells)
    return days.astype("datetime64[D]")


def deleted_rows(later: "polars.DataFrame", columns: PanelColumns, seed: int) -> "polars.DataFrame":
    """Nothing is left: the panel ends on the day."""
    return later.head(0)


def scrambled_rows(later: "polars.DataFrame", columns: PanelColumns, seed: int) -> "polars.DataFrame":
    """Every column but the ends of labels keeps its values on other rows; stocks join and leave the universe."""
    import polars

    rng = np.random.default_rng(seed)
    keep = {
        columns.date,
        columns.code,
        columns.sector,
        columns.universe,
        *columns.regime,
        *columns.label_ends,
    }
    mixed = [
        polars.Series(name, later[name].gather(rng.permutation(len(later))))
        for name in columns.all
        if name not in keep
    ]
    out = later.with_columns(mixed)
    if columns.universe is not None:
        out = out.with_columns(polars.Series(columns.universe, rng.random(len(later)) < 0.5))
    return out


def blown_up_rows(later: "polars.DataFrame", columns: PanelColumns, seed: int) -> "polars.DataFrame":
    """Every number that is no label is a million times itself."""
    import polars

    labels = {*columns.targets, *columns.delayed_targets, *columns.oracle}
    large = [
        name
        for name in columns.all
        if name not in labels and later.schema[name] in (polars.Float32, polars.Float64)
    ]
    return later.with_columns(polars.col(name) * BLOW_UP for name in large)


CHANGES: dict[str, Change] = {
    "scrambled": scrambled_rows,
    "deleted": deleted_rows,
    "blown up": blown_up_rows,
}
