"""Do features of a day change when later prices do? Made again from changed prices they must be the same bits.

The same comparison for a panel of one's own: made once from all prices and once from those up to a day, its rows up
to that day must be the same. Whatever program made it, and however little a leak predicts, that finds it.
"""

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.panel_stream import day_numbers, read_batches
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import read_prices
from atft.files.cells import find_sorted
from atft.files.panel_files import footer_names
from atft.panel import PanelSchema, match
from atft.probes.finding import Finding, Suspect, cannot_tell, conclude_probe
from atft.probes.panel_grid import PanelGrid, read_grid

PRICE_CHANGES = ("deleted", "disturbed")
MAX_PRICED_STOCKS = 60
SLICE_DAYS = 700
"""Days of prices that are read: features reach back 260 days."""
KEPT_DAYS = 60
"""Days after the cut, which are changed."""


def earlier_panel_finding(earlier: str | Path, panel: str | Path, schema: PanelSchema) -> Finding:
    """Compare a panel with what it was when it ended earlier.

    Labels that the earlier panel could not know are left out, as is what only one of the two has a column for.
    Panels that end on one day have read the same data, and of an earlier one that begins after the other has ended
    there is nothing to compare.
    """
    before = read_grid(earlier, _of_panel(schema, earlier, panel))
    after = read_grid(panel, _of_panel(schema, panel, earlier), only=before.codes)
    days = int(np.searchsorted(before.dates, after.dates[-1], side="right"))
    suspects = [*_added_rows(before, after), *changed_columns(before, after, days)]
    if not suspects and (not days or before.dates[-1] == after.dates[-1]):
        ends = f"the panel ends on {after.dates[-1]}, the earlier one on {before.dates[-1]}"
        return cannot_tell(
            "earlier panel", f"{ends}: make that one from data up to an earlier day of the panel"
        )
    return conclude_probe(
        "earlier panel",
        suspects,
        f"rows up to {before.dates[days - 1]} are the same in both panels",
        "compute each row from data up to its day; corrected data is a leak too where it is used for the past",
    )


def changed_columns(before: PanelGrid, after: PanelGrid, days: int) -> list[Suspect]:
    """Columns of the first ``days`` days of a panel that another one has otherwise, or has other rows for.

    Labels are compared where both know them.
    """
    columns = before.columns
    later_days, same_days = find_sorted(after.dates, before.dates[:days])
    codes = sorted(set(before.codes) & set(after.codes))
    mine, other = (np.searchsorted(np.array(g.codes), codes) for g in (before, after))
    rows, later = before.present[:days][:, mine], after.present[later_days][:, other] & same_days[:, None]
    suspects = []
    lost = int((rows != later).sum() + before.present[:days].sum() - rows.sum())
    if lost:
        suspects.append(Suspect("rows", f"{lost:,} rows are in one of the two panels only"))
    # Values are compared bit by bit where both have the row; unknown equals unknown.
    both = rows & later
    for role, of in {"universe": lambda g: g.universe, "sector": _sector_texts}.items():
        name = getattr(columns, role)
        if name is not None and getattr(after.columns, role) is not None:
            differs = both & (of(before)[:days][:, mine] != of(after)[later_days][:, other])
            if differs.any():
                suspects.append(Suspect(name, _count(before, differs, codes)))
    labels = {*columns.targets, *columns.delayed_targets, *columns.oracle, *columns.label_ends}
    known_names = set(footer_names(after.files[0]))
    names = [
        name
        for name in columns.all
        if name in known_names and name not in (columns.date, columns.code, columns.sector, columns.universe)
    ]
    for name, table in before.numbers(names):
        a, b = table[:days][:, mine], after.number(name)[later_days][:, other]
        unknown = np.isnan(a) if name in labels else np.isnan(a) & np.isnan(b)
        differs = both & ~unknown & (a != b)
        if differs.any():
            suspects.append(Suspect(name, _count(before, differs, codes)))
    return suspects


def _sector_texts(grid: PanelGrid) -> np.ndarray:
    """Name of each cell's sector; empty where unknown, which -1 finds at the end."""
    texts: np.ndarray = np.array([*grid.sector_names, ""], dtype=object)[grid.sector]
    return texts


def _added_rows(before: PanelGrid, after: PanelGrid) -> list[Suspect]:
    """Rows within the days of the earlier panel, of a code or a date that it does not have: they came later."""
    import pyarrow.compute as pc

    keys = [after.columns.date, after.columns.code]
    codes = {
        code
        for batch in read_batches(before.files, before.columns, [before.columns.code])
        for code in batch.column(0).unique().to_pylist()
    }
    count, first = 0, ""
    for batch in read_batches(after.files, after.columns, keys):
        day = day_numbers(batch, keys[0]).astype("datetime64[D]")
        within = (day >= before.dates[0]) & (day <= before.dates[-1])
        known = pc.is_in(batch.column(keys[1]), pa.array(sorted(codes), pa.string()))
        added = np.flatnonzero(within & ~(np.isin(day, before.dates) & known.to_numpy(zero_copy_only=False)))
        if len(added) and not count:
            first = f"{batch.column(keys[1])[int(added[0])]} on {day[added[0]]}"
        count += len(added)
    text = f"{count:,} rows of codes or dates that the earlier panel lacks, as {first}"
    return [Suspect("rows", text)] if count else []


def _of_panel(schema: PanelSchema, panel: str | Path, other: str | Path) -> PanelSchema:
    """The schema without the features that only the ``other`` panel has a column for."""
    mine, theirs = footer_names(panel), footer_names(other)
    features = [name for name in schema.features if match([name], mine) or not match([name], theirs)]
    return replace(schema, features=features)


def _count(grid: PanelGrid, differs: np.ndarray, codes: list[str]) -> str:
    day, stock = (int(i[0]) for i in np.nonzero(differs))
    return f"{differs.sum():,} values differ, the first on {grid.dates[day]} for {codes[stock]}"


def price_finding(prices: Path, options: FeatureOptions | None = None) -> Finding:
    """Make features from a slice of a price file, and again with later prices deleted and disturbed."""
    probe, suspects = "later prices", []
    options = options or FeatureOptions()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        table, cut = price_slice(prices)
        days, least = len(table["date"].unique()), KEPT_DAYS + options.min_history_days
        if days <= least:
            return cannot_tell(probe, f"{prices} has {days} days of prices; more than {least} are needed")
        texts = {"whole": table} | {name: changed_prices(table, cut, name) for name in PRICE_CHANGES}
        grids = {}
        for name, rows in texts.items():
            source, out = where / f"{name}-prices.parquet", where / f"{name}.parquet"
            _write(source, rows)
            build_panel(source, out, options)
            grids[name] = read_grid(out, PanelSchema(lag=options.lag), options.horizons)
        whole = grids["whole"]
        days = int(np.searchsorted(whole.dates, np.datetime64(cut), side="right"))
        if not days:
            return cannot_tell(probe, "no day of the slice passes the checks of prices")
        labels = {*whole.columns.targets, *whole.columns.delayed_targets}
        for name in PRICE_CHANGES:
            # Labels read later prices: disturbed ones differ, those that a cut panel knows do not.
            not_compared = labels if name == "disturbed" else ()
            suspects += [
                Suspect(f"{s.name} with later prices {name}", s.evidence)
                for s in changed_columns(grids[name], whole, days)
                if s.name not in not_compared
            ]
    columns = len(whole.columns.features)
    return conclude_probe(
        probe,
        suspects,
        f"{columns} features are the same bits up to {cut} with later prices deleted and disturbed",
        "compute features from prices up to their day",
    )


def price_slice(prices: Path) -> tuple[pa.Table, date]:
    """Some stocks and the last `SLICE_DAYS` days of a price file, and the date after which prices are changed."""
    grid = read_prices(prices, FeatureOptions(duplicates="exclude"))
    days = slice(max(0, len(grid.calendar) - SLICE_DAYS), None)
    seen = np.isfinite(grid.close[days])
    order = np.argsort(-seen.sum(axis=0), kind="stable")[:MAX_PRICED_STOCKS]
    stocks = np.sort(order)
    calendar = grid.calendar[days]
    day, stock = np.nonzero(seen[:, stocks])
    columns = {
        "date": pa.array(calendar, pa.date32()).take(pa.array(day)),
        "code": pa.array([grid.codes[i] for i in stocks]).take(pa.array(stock)),
    }
    for name in (n for n in PRICES if n not in grid.missing):
        values = getattr(grid, name)[days][:, stocks][day, stock]
        columns[name] = pa.array(values, mask=~np.isfinite(values))
    return pa.table(columns), calendar[max(0, len(calendar) - KEPT_DAYS - 1)]


def changed_prices(table: pa.Table, cut: date, change: str) -> pa.Table:
    """Prices with those after a date deleted, or raised and lowered from one day to the next."""
    import pyarrow.compute as pc

    later = pc.greater(table["date"], pa.scalar(cut, pa.date32()))
    if change == "deleted":
        return table.filter(pc.invert(later))
    day = table["date"].cast(pa.int32()).to_numpy()
    factor = np.where(later.to_numpy(zero_copy_only=False), np.where(day % 2 == 0, 1.7, 0.8), 1.0)
    for name in (n for n in PRICES if n in table.column_names):
        values = table[name].to_numpy() * factor.astype(np.float32)
        index = table.column_names.index(name)
        table = table.set_column(index, name, pa.array(values, mask=~np.isfinite(values)))
    return table


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path)
