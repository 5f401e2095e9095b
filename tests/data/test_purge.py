"""Labels that end later than the calendar says: a halted stock's do not train where others of that day do."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.folds import FoldOptions
from atft.data.loader import LoaderOptions
from atft.data.purge import row_purge, valid_labels
from atft.data.split import Split, SplitOptions, resolve_split
from atft.errors import InputError
from atft.panel import PanelSchema
from atft.tasks.baseline_scores import fit_baseline
from atft.tasks.day_data import DayData
from tests.conftest import trading_days

Make = Callable[..., DayCache]
CALENDAR = trading_days(80)
HALTED, RESUMED = 20, 48
"""S003 does not trade between these days, so its labels from day 20 - horizon on end on day 48."""
LOADER = LoaderOptions(lookback=6, block_days=3, batch_size=100)
DATES: dict[str, Any] = {
    "train": ["2015-01-05", "2015-02-27"],  # days 0 to 39
    "val": ["2015-03-02", "2015-03-27"],  # 40 to 59
    "test": ["2015-03-30", "2015-04-24"],  # 60 to 79
}


def ends_of_halt(horizon: int) -> list[date | None]:
    """Date on which the target of each row is known, null where the calendar says so: days, then 20 stocks."""
    ends: list[date | None] = [None] * (80 * 20)
    for day in range(HALTED - horizon, RESUMED - horizon):
        ends[day * 20 + 3] = CALENDAR[RESUMED]
    return ends


def halted_panel(make_panel: Callable[..., Path], **more: Any) -> Path:
    return make_panel(
        missing=0.0, extra={"label_end_1d": ends_of_halt(1), "label_end_5d": ends_of_halt(5)} | more
    )


def data_of(cache: DayCache, **split: Any) -> DayData:
    return DayData.from_cache(cache.path, SplitOptions(**{**DATES, "embargo_days": 2, **split}), LOADER)


# -- a halted stock, end to end


def test_a_training_label_that_is_open_when_validation_begins_does_not_train(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    data = data_of(make_cache(halted_panel(make_panel), graph=None))
    assert data.split.train.tolist() == list(range(5, 33))  # 40 - 5 days of label - 2 of embargo
    stock = data.open_cache().codes.index("S003")
    seen = 0
    for batch in data.train_dataloader():
        for row, day in enumerate(batch.day.tolist()):
            column = batch.stock.tolist().index(stock)
            opened = [day >= HALTED - 1, day >= HALTED - 5]
            assert batch.valid[row, column].tolist() == [not o for o in opened], day
            others = batch.valid[row].clone()
            others[column] = True
            assert others.all()  # the labels of the others, and of this stock before the halt, all train
            seen += 1
    assert seen == 28
    # A validation label that is known before the test days begin selects, however late that is.
    assert all(batch.valid.all() for batch in data.val_dataloader())


def test_a_validation_label_that_is_open_when_the_test_days_begin_does_not_select(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    ends: list[date | None] = [None] * (80 * 20)
    ends[45 * 20 + 3], ends[46 * 20 + 3], ends[47 * 20 + 3] = CALENDAR[57], CALENDAR[58], CALENDAR[60]
    cache = make_cache(halted_panel(make_panel, label_end_5d=ends), graph=None)
    data = data_of(cache)
    stock = cache.codes.index("S003")
    lost = [
        (day, horizon)
        for batch in data.val_dataloader()
        for row, day in enumerate(batch.day.tolist())
        for horizon in (0, 1)
        if not batch.valid[row, batch.stock.tolist().index(stock), horizon]
    ]
    # Known on day 57 is 3 days before the test days, 58 is 2: within the embargo.
    assert lost == [(46, 1), (47, 1)]
    assert all(batch.valid[batch.target.isfinite()].all() for batch in data.test_dataloader())


def test_the_baseline_trains_on_the_labels_that_the_network_trains_on(
    make_panel: Callable[..., Path], make_cache: Make, tmp_path: Path
) -> None:
    halted = halted_panel(make_panel)
    known = make_cache(halted, graph=None)
    # The same panel without the column, and without the targets that it purges.
    frame = pl.read_parquet(halted).drop("label_end_1d", "label_end_5d")
    for horizon in (1, 5):
        purged = (pl.col("code") == "S003") & pl.col("date").is_between(
            CALENDAR[HALTED - horizon], CALENDAR[RESUMED - horizon - 1]
        )
        frame = frame.with_columns(pl.when(~purged).then(f"target_{horizon}d").alias(f"target_{horizon}d"))
    other = tmp_path / "other.parquet"
    frame.write_parquet(other)
    plain = make_cache(other, graph=None)
    ours, theirs = (fit_baseline("ridge", data_of(cache)) for cache in (known, plain))
    np.testing.assert_array_equal(ours.coefficients, theirs.coefficients)


def test_labels_of_a_stock_wait_for_its_test_labels_in_a_fold_that_trains_after_them(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    cache = make_cache(halted_panel(make_panel), graph=None)
    folds = FoldOptions("k_fold", n=5, val_days=5, period=["2015-01-05", "2015-04-24"])
    # Scored are days 5 to 19: the label of the last one is open until day 48, for training until day 50.
    data = data_of(cache, test=None, fold=0, folds=folds)
    assert data.split.test.tolist() == list(range(5, 20)) and data.split.val.tolist() == list(range(27, 32))
    assert data.split.train[0] == 39
    stock = cache.codes.index("S003")
    counts = {
        day: valid_labels(cache, day, data.split.min_stocks, data.row_purge)
        for day in data.split.train.tolist()
    }
    waiting = [day for day, valid in counts.items() if day < 79 and not valid[stock].any()]
    assert waiting == list(range(39, 51))
    assert all(np.delete(valid, stock, axis=0)[:, 0].all() for day, valid in counts.items() if day < 79)


def test_a_day_whose_labels_are_too_few_once_purged_has_none(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    ends: list[date | None] = [None] * (80 * 20)
    ends[30 * 20 : 30 * 20 + 11] = [CALENDAR[60]] * 11  # 9 of 20 stocks are left, fewer than half of them
    cache = make_cache(halted_panel(make_panel, label_end_1d=ends), graph=None)
    data = data_of(cache)
    assert data.split.min_stocks == 10
    valid = valid_labels(cache, 30, 10, data.row_purge)
    assert not valid[:, 0].any() and valid[:, 1].sum() == 19
    assert valid_labels(cache, 30, 9, data.row_purge)[:, 0].sum() == 9


def test_a_training_day_whose_labels_all_end_too_late_does_not_train(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    """With such a day in its step the others would teach half as much."""
    ends: list[date | None] = [None] * (80 * 20)
    ends[30 * 20 : 30 * 20 + 11] = [
        CALENDAR[60]
    ] * 11  # at both horizons: fewer than half of the stocks are left
    ends[31 * 20 : 31 * 20 + 10] = [CALENDAR[60]] * 10  # half of them are enough
    cache = make_cache(
        make_panel(missing=0.0, extra={"label_end_1d": ends, "label_end_5d": ends}), graph=None
    )
    data = data_of(cache)
    assert data.split.train.tolist() == [*range(5, 30), 31, 32]
    assert data.planned()["train"][0] == 27
    batches = list(data.train_dataloader())
    assert sorted(day for batch in batches for day in batch.day.tolist()) == data.split.train.tolist()
    assert all(batch.valid[batch.universe].any() for batch in batches)
    # The days of then: with the labels known on day 50, those of day 30 were none.
    then = data_of(cache, test=None, known_to=CALENDAR[50].isoformat())
    assert 30 not in then.split.train


def test_a_period_whose_labels_all_end_too_late_is_an_error(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    late: list[date | None] = [None] * (80 * 20)
    late[40 * 20 : 60 * 20] = [CALENDAR[62]] * 400
    none: list[date | None] = [None] * (80 * 20)
    cache = make_cache(
        make_panel(missing=0.0, extra={"label_end_1d": none, "label_end_5d": late}), graph=None
    )
    message = (
        r"horizon 5 is known for fewer than 10 stocks before a later period begins .* 13 validation days"
    )
    with pytest.raises(InputError, match=message):
        data_of(cache).prepare_training()


# -- the column


def test_a_panel_without_the_column_has_the_cache_it_had(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    cache = make_cache(make_panel(), graph=None)
    assert cache.day(5).label_end.shape == (20, 0)
    assert "label_end" not in cache.manifest.schema
    former = {k: v for k, v in asdict(PanelSchema()).items() if k != "label_end"}
    assert cache.manifest.schema == former
    assert make_cache(graph=None, schema=PanelSchema(label_end=None)).path == cache.path
    split = Split(np.arange(5, 30), np.arange(40, 60), np.arange(70, 80))
    assert row_purge(cache, split, 2) is None
    counting = DayBlocks(cache, 6, 2, None)
    assert counting.purge is None


def test_ends_are_stored_as_days_of_the_calendar_a_holiday_as_the_day_after_it(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    ends: list[date | None] = [None] * (80 * 20)
    ends[7], ends[8], ends[9] = CALENDAR[30], date(2015, 2, 1), date(2015, 6, 1)  # a Sunday; after the panel
    cache = make_cache(halted_panel(make_panel, label_end_1d=ends), graph=None)
    stored = cache.day(0).label_end[:, 0]
    assert stored[7:10].tolist() == [30, CALENDAR.index(date(2015, 2, 2)), 80]
    assert np.isnan(np.delete(stored, [7, 8, 9])).all()
    assert cache.manifest.schema["label_end"] == "label_end_{h}d"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"label_end_1d": ["soon"] * 1600}, "'soon' is not an ISO date"),
        ({"label_end_1d": [1.5] * 1600}, "must hold dates; write numbers as YYYYMMDD"),
        (
            {"label_end_1d": [CALENDAR[0]] * 1600},
            "is 2015-01-05 on 2015-01-05; a label is known after its day",
        ),
    ],
)
def test_ends_that_are_none_are_an_error_in_one_line(
    make_panel: Callable[..., Path], make_cache: Make, extra: dict[str, Any], message: str
) -> None:
    panel = halted_panel(make_panel, **extra)
    with pytest.raises(InputError, match=message) as caught:
        make_cache(panel, graph=None)
    assert "\n" not in str(caught.value)


def test_an_end_for_some_horizons_only_is_an_error(make_panel: Callable[..., Path], make_cache: Make) -> None:
    panel = make_panel(extra={"label_end_1d": ends_of_halt(1)})
    with pytest.raises(InputError, match="no column 'label_end_5d' for the role label_end of horizon 5"):
        make_cache(panel, graph=None)


def test_a_split_of_an_earlier_date_trains_on_what_was_known_then(
    make_panel: Callable[..., Path], make_cache: Make, tmp_path: Path
) -> None:
    """Batches are those of a panel that ends on that date, with the labels that were known then."""
    known = 50
    panel = halted_panel(make_panel)
    then = pl.read_parquet(panel).filter(pl.col("date") <= CALENDAR[known])
    for horizon in (1, 5):
        open_late = pl.col(f"label_end_{horizon}d") > CALENDAR[known]
        open_late |= pl.col("date") > CALENDAR[known - horizon]
        then = then.with_columns(
            pl.when(open_late.fill_null(False)).then(None).otherwise(pl.col(name)).alias(name)
            for name in (f"target_{horizon}d", f"label_end_{horizon}d")
        )
    then.write_parquet(tmp_path / "then.parquet")
    split = {"test": None, "known_to": CALENDAR[known].isoformat()}
    now = data_of(make_cache(panel, graph=None), **split)
    was = data_of(make_cache(tmp_path / "then.parquet", graph=None), **split)
    assert now.split.val.tolist() == was.split.val.tolist() == list(range(40, known - 5 + 1))
    late = 0
    for loader in ("train_dataloader", "val_dataloader"):
        for one, other in zip(getattr(now, loader)(), getattr(was, loader)(), strict=True):
            assert one.day.tolist() == other.day.tolist() and one.stock.tolist() == other.stock.tolist()
            assert torch.equal(one.valid, other.valid) and torch.equal(one.features, other.features)
            assert torch.equal(one.target[one.valid], other.target[other.valid])
            late += int((one.target.isfinite() & ~one.valid).sum())
    assert late > 0  # labels of the halted stock, known later


# -- over all pairs of labels


class Ends(DayCache):
    """A cache that has nothing but the ends of labels, of which some may be known and in the universe alone."""

    def __init__(self, ends: np.ndarray, known: Any = True, universe: Any = True) -> None:
        self.ends = ends
        self.target = np.where(np.broadcast_to(known, ends.shape), np.float32(0), np.float32(np.nan))
        self.universe = np.broadcast_to(universe, ends.shape[:2])
        self.__dict__["manifest"] = SimpleNamespace(
            schema={"label_end": "label_end_{h}d"}, codes=range(5), dates=CALENDAR
        )

    def day(self, index: int) -> Any:
        return SimpleNamespace(
            stock=np.arange(5),
            label_end=self.ends[index],
            target=self.target[index],
            universe=self.universe[index],
        )


@pytest.mark.parametrize("embargo", [0, 3])
def test_a_label_may_end_on_the_last_known_day_itself_and_not_after_it(embargo: int) -> None:
    asked = SplitOptions(DATES["train"], DATES["val"], None, embargo, known_to=CALENDAR[52].isoformat())
    split = resolve_split(CALENDAR, asked, 5, 1, [5] * 80)
    assert split.val.tolist() == list(range(40, 48))
    purge = row_purge(Ends(np.full((80, 5, 2), np.nan, dtype=np.float32)), split, embargo)
    assert purge is not None
    ends = np.array([[np.nan, 47], [51, 52], [53, 52], [52, 53], [79, 80]], dtype=np.float32)
    counts = [[True, True], [True, True], [False, True], [True, False], [False, False]]
    assert purge.counts(46, np.arange(5), ends).tolist() == counts
    # A training label gives way to the validation days before that.
    late = np.array([[40 - embargo, 39 - embargo]] * 5, dtype=np.float32)
    assert purge.counts(30, np.arange(5), late).tolist() == [[False, True]] * 5


@settings(max_examples=40)
@given(st.data())
def test_over_all_pairs_no_label_reaches_a_day_or_a_label_that_takes_precedence(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    scheme = data.draw(st.sampled_from(["walk_forward", "k_fold", "combinatorial"]))
    own = {"every": 20} if scheme == "walk_forward" else {"n": 4}
    embargo, fold = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 2))
    folds = FoldOptions(scheme, val_days=6, **own)  # type: ignore[arg-type]
    asked = SplitOptions(
        **DATES, embargo_days=embargo, fold=fold if scheme != "walk_forward" else 0, folds=folds
    )
    split = resolve_split(CALENDAR, asked, 5, 1, [5] * 80)
    day = np.arange(80)[:, None, None]
    ends = (day + rng.integers(1, 60, (80, 5, 2))).astype(np.float32)
    ends[rng.random(ends.shape) < 0.8] = np.nan
    known, universe = rng.random(ends.shape) < 0.7, rng.random((80, 5)) < 0.7
    purge = row_purge(Ends(ends, known, universe), split, embargo)
    assert purge is not None
    uses = [split.train.tolist(), split.val.tolist(), split.test.tolist()]
    last = np.where(np.isnan(ends), day + 5, ends)
    # No other label validates or tests.
    scored_last = np.where(known & universe[:, :, None], last, -np.inf)
    for rank, days in enumerate(uses):
        higher = [t for above in uses[rank + 1 :] for t in above]
        for s in days:
            kept = purge.counts(s, np.arange(5), ends[s])
            for stock in range(5):
                open_before = any((scored_last[t, stock] + embargo >= s).any() for t in higher if t < s)
                for horizon in (0, 1):
                    reaches = any(last[s, stock, horizon] + embargo >= t for t in higher if t > s)
                    # What the calendar alone decides has been purged by days already.
                    assert kept[stock, horizon] == (not reaches and not open_before)
