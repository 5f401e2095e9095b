"""Does training know the validation days? The purge, the scaling, and what can be learned from shuffled labels."""

from pathlib import Path

import numpy as np

from atft.baselines.stock_days import Baseline
from atft.data.day_features import day_features
from atft.data.manifest import Manifest
from atft.data.split import Split
from atft.errors import counted
from atft.evaluation.plausible_ic import plausible_ic
from atft.network import Scaling
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Daily
from atft.probes.pipeline_slice import blown_up_rows, change_after, open_slice, slice_columns
from atft.probes.rank_correlations import daily_correlation, least_mean, scaled_ranks
from atft.tasks.baseline_scores import fit_baseline
from atft.tasks.day_data import DayData


def purge_suspects(split: Split, manifest: Manifest) -> list[Suspect]:
    """Accuse a split in which the label of a training day covers a day that a validation or test label covers.

    A day's label covers the trading days after it, as many as the longest horizon plus the lag: counted on the
    panel's calendar, whatever weekends and holidays are between. Days may come in any order, as in K folds.
    """
    reach, dates = manifest.longest_label_days, manifest.dates
    suspects = []
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    for earlier, later in pairs:
        first, second = getattr(split, earlier), getattr(split, later)
        if not len(first) or not len(second):
            continue
        # The nearest day of the other period on each side; labels of days less than `reach` apart overlap.
        next_day = np.searchsorted(second, first)
        after = second[np.minimum(next_day, len(second) - 1)] - first
        before = first - second[np.maximum(next_day - 1, 0)]
        near = ((after >= 0) & (after <= reach)) | ((before >= 0) & (before < reach))
        if near.any():
            day = int(first[near][-1])
            suspects.append(
                Suspect(
                    f"{earlier} and {later}",
                    f"labels of {near.sum()} {earlier} days reach into {later} (or the reverse): that of "
                    f"{dates[day]} ends {reach} trading days later"
                    + (f", on {dates[day + reach]}" if day + reach < len(dates) else "")
                    + f", {later} begins on {dates[int(second[0])]}",
                )
            )
    return suspects


def scaler_suspects(data: DayData, folder: Path) -> list[Suspect]:
    """Accuse a scaling that moves when all rows from the first validation day on are a million times themselves."""
    changed = change_after(data, int(data.split.val[0]) - 1, blown_up_rows, folder / "scaler", "panel")
    names = (data.features, data.features, data.regimes, data.regimes, data.features, data.regimes)
    suspects = []
    for field, columns, before, after in zip(
        Scaling._fields, names, data.scaling(), changed.scaling(), strict=True
    ):
        if before is None or after is None:
            continue
        same_rows = (before == after).flatten(1).all(1) if before.ndim > 1 else before == after
        moved = [n for n, same in zip(columns, same_rows.tolist(), strict=True) if not same]
        if moved:
            suspects.append(
                Suspect(
                    field,
                    f"of {', '.join(moved[:3])} ({len(moved)} of {len(columns)}) moves with validation rows",
                )
            )
    return suspects


def shuffled_label_suspects(data: DayData, folder: Path) -> tuple[list[Suspect], str]:
    """Accuse data from which a ridge learns labels that were shuffled among each day's stocks.

    Nothing can predict such labels, so the ridge's mean RankIC on the validation days is normal around 0 with the
    variance of random orders, 1 / (n - 1) a day (Hoeffding 1951), however labels of neighbouring days overlap.

    Returns:
        Suspects, and the RankIC of each horizon with its band in words.
    """
    from scipy.special import ndtri

    shuffled = shuffle_labels(data, folder / "shuffled", seed=0)
    ridge = fit_baseline("ridge", shuffled)
    suspects, texts = [], []
    for column, horizon in enumerate(shuffled.horizons):
        series, variance = _validation_series(shuffled, ridge, column)
        known = np.isfinite(series)
        if known.sum() < 5:
            continue
        mean = float(series[known].mean())
        quantile = float(ndtri(1 - FALSE_ALARM / (2 * len(shuffled.horizons))))
        band = quantile * float(variance[known].sum()) ** 0.5 / int(known.sum())
        ahead, days = counted(horizon, "day"), counted(int(known.sum()), "validation day")
        text = f"RankIC {mean:+.3f} at {ahead} on {days}, band of chance ±{band:.3f}"
        texts.append(text)
        if abs(mean) > band:
            suspects.append(Suspect("shuffled labels", text))
    return suspects, "; ".join(texts)


def _validation_series(data: DayData, baseline: Baseline, column: int) -> tuple[Daily, Daily]:
    """RankIC of each validation day, and its variance were the order random."""
    cache, days = data.open_cache(), data.split.val
    scores, targets = (np.full((len(days), cache.stocks), np.nan) for _ in range(2))
    for row, day in enumerate(days.tolist()):
        view = cache.day(day)
        stocks = view.ranked
        scores[row, stocks] = baseline.score(day_features(cache, day, stocks))[:, column]
        targets[row, stocks] = view.target[view.universe, column]
    known = np.isfinite(targets)
    series = daily_correlation(scaled_ranks(scores, known), scaled_ranks(targets, known))
    return series, 1 / np.maximum(known.sum(axis=1) - 1.0, 1.0)


def shuffle_labels(data: DayData, folder: Path, seed: int) -> DayData:
    """The slice with the labels of each day shuffled among the day's rows, all labels of a row together."""
    import polars

    frame, columns = polars.read_parquet(str(data.panel.path), glob=False), slice_columns(data)
    rng = np.random.default_rng(seed)
    _, day = np.unique(frame[columns.date].to_numpy(), return_inverse=True)
    # Rows in the order of (day, a random number) take the labels of rows in the order of days.
    order = np.lexsort((rng.random(len(frame)), day))
    source = np.empty(len(frame), dtype=np.int64)
    source[np.argsort(day, kind="stable")] = order
    labels = (*columns.targets, *columns.delayed_targets, *columns.oracle)
    return open_slice(
        data, frame.with_columns(frame[name].gather(source) for name in labels), folder, "panel"
    )


def order_suspects(data: DayData) -> list[Suspect]:
    """Accuse a loader whose order of stocks within a day, or of a step's days, says what their labels are."""
    series: list[float] = []
    for batch in data.train_dataloader():
        universe, target = batch.universe.numpy(), batch.target[..., 0].numpy().astype(np.float64)
        position = np.broadcast_to(np.arange(universe.shape[1], dtype=np.float64), universe.shape)
        series += daily_correlation(
            scaled_ranks(position, universe & np.isfinite(target)), scaled_ranks(target, universe)
        ).tolist()
    bound = least_mean(np.array(series), 1, 1)
    if bound.least <= plausible_ic(1):
        return []
    return [Suspect("", f"the place of a stock in its batch has RankIC {bound.mean:+.3f} with its label")]
