"""Is a column a label: the same, a monotone function of it, or an older one that is not old enough?

The target of day t - s covers the days up to t - s + horizon + lag. It may stand in a feature of day t once that
day is over: s >= horizon + lag. A column that ranks each day's stocks as a younger one does is a label, whatever
function was applied to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atft.data.checks import COPY_CORRELATION
from atft.errors import counted
from atft.evaluation.plausible_ic import plausible_ic
from atft.probes.finding import Suspect
from atft.probes.future import Label
from atft.probes.panel_grid import Cells, Marks
from atft.probes.rank_correlations import MIN_STOCKS, daily_correlation, least_mean, scaled_ranks, shift_days

CANDIDATE_CORRELATION = 0.9
"""Above this the ranks are compared again over the cells that both know."""
LEADS = 5
"""Days by which a column may run ahead of a label."""
SAMPLED_DAYS = 24
MIN_COPIED_SHARE = 0.9
"""Of the sampled days, the share on which the ranks agree."""


@dataclass(frozen=True)
class LabelSample:
    """Ranks of all labels, at all shifts that look ahead, on a few days."""

    days: np.ndarray
    """Int [sampled days]."""
    text: tuple[str, ...]
    """[labels]; what a copy of it is."""
    values: np.ndarray
    """float32 [labels, sampled days, stocks]; ranks, 0 where unknown."""


def sample_labels(labels: Sequence[Label], next_return: Cells) -> LabelSample:
    """Take labels that are columns of the panel, at every shift that is not over at t.

    Days on which ``next_return``, ranks of the return of day t + 1 at t, is known are sampled; any where none is.
    """
    total = len(next_return)
    usable = np.flatnonzero((next_return != 0).any(axis=1))
    if not len(usable):
        usable = np.arange(total)
    days = np.unique(usable[np.linspace(0, len(usable) - 1, SAMPLED_DAYS).round().astype(int)])
    text, values = [], []
    for label in labels:
        for shift in range(-LEADS, label.days):
            text.append(_copy_text(label, shift))
            values.append(shift_days(label.ranks, -shift)[days].astype(np.float32))
    return LabelSample(days, tuple(text), np.array(values, dtype=np.float32))


def _copy_text(label: Label, shift: int) -> str:
    if shift == 0:
        return f"it ranks stocks exactly as {label.text} of the same day"
    if shift < 0:
        return f"it ranks stocks exactly as {label.text} of {counted(-shift, 'day')} later"
    before, after = counted(shift, "day"), counted(label.days, "day")
    return f"it ranks stocks exactly as {label.text} of {before} before, known after {after} only"


def copy_suspect(name: str, ranks: Cells, sample: LabelSample) -> Suspect | None:
    """Accuse a column that ranks the stocks as a label does, on `MIN_COPIED_SHARE` of the sampled days or more."""
    x = ranks[sample.days].astype(np.float32)
    if not len(sample.text):
        return None
    rough, measured = _rough_correlations(sample.values, x)
    share = (rough > CANDIDATE_CORRELATION).sum(axis=1) / np.maximum(measured.sum(axis=1), 1)
    for label in np.flatnonzero((share >= MIN_COPIED_SHARE) & (measured.sum(axis=1) >= 3)):
        exact = exact_correlations(x, sample.values[label])
        exact = exact[np.isfinite(exact)]
        copied = np.abs(exact) >= COPY_CORRELATION
        if len(exact) >= 3 and copied.mean() >= MIN_COPIED_SHARE:
            return Suspect(name, f"{sample.text[label]} ({copied.sum()} of {len(exact)} sampled days)")
    return None


def _rough_correlations(labels: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size of the correlation of ranks with all labels, float32 [labels, days], and where there are enough stocks.

    It is over the cells that both know: a column may lack some stocks, and not at random.
    """
    known_label, known = (labels != 0).astype(np.float32), (x != 0).astype(np.float32)
    pairs = [(known_label, known), (labels, known), (known_label, x)]
    pairs += [(labels**2, known), (known_label, x**2), (labels, x)]
    # Sums over the stocks of each day, all labels at once.
    count, of_label, of_x, label_square, x_square, product = (
        np.einsum("lds,ds->ld", *pair) for pair in pairs
    )
    n = np.maximum(count, 1)
    power = (label_square - of_label**2 / n) * (x_square - of_x**2 / n)
    measured = (count >= MIN_STOCKS) & (power > 0)
    return np.abs(product - of_label * of_x / n) / np.sqrt(np.where(measured, power, 1)), measured


def exact_correlations(a: Cells, b: Cells) -> np.ndarray:
    """Spearman's correlation on each day, ranked again over the cells that both know; NaN where they are few."""
    both = (a != 0) & (b != 0)
    x, y = (scaled_ranks(v.astype(np.float64), both) for v in (a, b))
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: np.ndarray = (x * y).sum(axis=1) / size
    return np.where(both.sum(axis=1) >= MIN_STOCKS, correlation, np.nan)


def filled_label(name: str, values: Cells, universe: Marks, reach: int) -> Suspect | None:
    """Accuse a target that is one number for all stocks on the last days, on which nothing can know it.

    Labels filled with 0 teach that nothing happened, and count in every figure. ``values`` depend on ``reach`` days
    after t. A panel that was cut from a longer one has labels there, but not the same for all stocks; where other
    days are like that too, as holidays with the prices of the day before are, it proves nothing.
    """
    known = universe & np.isfinite(values)
    low, high = (np.where(known, values, end) for end in (np.inf, -np.inf))
    equal = (known.sum(axis=1) >= MIN_STOCKS) & (low.min(axis=1) == high.max(axis=1))
    filled = low[-reach:].min(axis=1)
    if len(values) <= reach or not equal[-reach:].all() or equal[:-reach].any() or np.ptp(filled):
        return None
    days = counted(reach, "day")
    return Suspect(name, f"is {filled[0]:g} for all stocks on the last {days}: unknown labels were filled")


def label_reach(labels: Sequence[Label], returns: Cells, universe: Marks) -> list[Suspect]:
    """Accuse a target that depends on days which its name and the lag do not say.

    A target of ``h`` days with lag ``l`` is the return from the close of t + l to that of t + l + h: it must not
    depend on the return of day t + l or before, nor on one after t + l + h, or the purge would end too early.

    ``returns`` are the ranks of the return of day t at t.
    """
    suspects, outside = [], 2 * LEADS
    for label in labels:
        first, last = label.days - label.span + 1, label.days
        for day in [*range(first - LEADS, first), *range(last + 1, last + LEADS + 1)]:
            daily = daily_correlation(label.ranks, np.where(universe, shift_days(returns, day), 0.0))
            bound = least_mean(daily, label.days, outside * len(labels))
            if bound.least > plausible_ic(1):
                suspects.append(
                    Suspect(
                        label.text,
                        f"depends on the return of day t{day:+d} (rank correlation {bound.mean:+.2f}), while it "
                        f"should cover t{first:+d} to t{last:+d}",
                    )
                )
                break
    return suspects
