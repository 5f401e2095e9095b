"""Was a stock's membership decided by what came later?

Three traces: stocks that leave the file before its end are never members, though stocks of their size are; the list
never changes and fits the last day's sizes better than the first day's; a stock drops out on the very days whose
label is unknown. Where no stock leaves, or the list never changes, the panel itself cannot show whether the list is
that of the last day.
"""

from collections.abc import Iterable

import numpy as np

from atft.features.survivors import MIN_ROWS, leavers
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Marks

MIN_STOCKS = 10
"""Stocks that leave, or that are no members, below which nothing can be said."""
NEAR = 0.1
"""Stocks are compared with those whose size is within this share of the ranks."""
MIN_DROPS = 20


def survivor_suspect(present: Marks, universe: Marks, size: Cells) -> Suspect | None:
    """Accuse a universe of which no stock that leaves the file is ever a member.

    Each leaver is compared with the stocks that stay and are of its size: the probability that none is a member,
    if they are as likely to be as those, must be below the level.

    Where no ``size`` is known, a leaver is compared with all stocks that stay.
    """
    gone = leavers(present)
    member: np.ndarray = np.asarray(universe.any(axis=0))
    if gone.sum() < MIN_STOCKS or member[gone].any():
        return None
    with np.errstate(invalid="ignore"):
        known = np.isfinite(size) & present
        typical = np.where(known, size, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    rank = np.argsort(np.argsort(typical)) / max(1, len(typical) - 1)
    stays = ~gone & (present.sum(axis=0) >= MIN_ROWS)
    chances = []
    for stock in np.flatnonzero(gone):
        near = stays & ((np.abs(rank - rank[stock]) <= NEAR) | ~known.any())
        # One pseudo-member fewer than there are: a few comparable stocks prove little.
        chances.append(max(0.0, (member[near].sum() - 1) / (near.sum() + 1)) if near.any() else 0.0)
    probability = float(np.prod(1 - np.array(chances)))
    if probability > FALSE_ALARM:
        return None
    return Suspect(
        "",
        f"none of the {gone.sum()} stocks that leave the file before its end is ever in the universe, while "
        f"{sum(chances):.0f} of as many stocks of their size that stay would be: only survivors are ranked",
    )


def is_static(present: Marks, universe: Marks) -> bool:
    """Whether no stock ever joins or leaves the universe while some are members and some are not."""
    long = present.sum(axis=0) >= MIN_ROWS
    member, other = (universe | ~present).all(axis=0) & long, ~universe.any(axis=0) & long
    return bool((member | other | ~long).all() and member.sum() >= MIN_STOCKS and other.sum() >= MIN_STOCKS)


def joins_only(present: Marks, universe: Marks) -> bool:
    """Whether `MIN_STOCKS` or more join the universe and none leaves it before its last row.

    A least number of rows is such a list too, but one that stocks join at the same age.
    """
    before, after = universe[:-1], universe[1:]
    joins = ~before & after & present[:-1]
    if (before & ~after & present[1:]).any() or joins.sum() < MIN_STOCKS:
        return False
    ages = np.cumsum(present, axis=0)[1:][joins]
    return bool(np.bincount(ages).max() < len(ages) / 2)


def last_day_suspect(
    present: Marks, universe: Marks, columns: Iterable[tuple[str, Cells]], count: int
) -> Suspect | None:
    """Accuse a list that never changes and that a column of the last day separates better than the first day's.

    Each column is cut once for the first day and once for the last, where it errs least. A stock that errs on one
    of the days only is as likely to do so on either, were the list older than both; a binomial test says whether
    more than chance err on the first day alone.

    ``columns`` may have decided; the level is divided by their ``count``.
    """
    from scipy.special import bdtrc

    member: np.ndarray = np.asarray(universe.any(axis=0))
    best: tuple[float, str, int, int] | None = None
    for name, values in columns:
        first, last = _first_and_last(values, present)
        both = np.isfinite(first) & np.isfinite(last)
        errs = [_errors(ends[both], member[both]) for ends in (first, last)]
        only_first, only_last = int((errs[0] & ~errs[1]).sum()), int((errs[1] & ~errs[0]).sum())
        differing = only_first + only_last
        chance = float(bdtrc(only_first - 1, differing, 0.5)) if only_first else 1.0
        if chance < FALSE_ALARM / count and (best is None or chance < best[0]):
            best = chance, name, int(errs[0].sum()), int(errs[1].sum())
    if best is None:
        return None
    _, name, on_first, on_last = best
    return Suspect(
        "",
        f"no stock ever joins or leaves the universe, and {name} of the last day separates members from others "
        f"({on_last} of {len(member)} stocks on the wrong side) better than that of the first ({on_first}): "
        f"today's universe was used for the past",
    )


def _first_and_last(values: Cells, present: Marks) -> tuple[np.ndarray, np.ndarray]:
    """First and last known value of each stock with `MIN_ROWS` rows, [stocks]; NaN for others."""
    known = np.isfinite(values) & present
    stock = np.arange(values.shape[1])
    first = values[known.argmax(axis=0), stock]
    last = values[len(values) - 1 - known[::-1].argmax(axis=0), stock]
    enough = known.sum(axis=0) >= MIN_ROWS
    return np.where(enough, first, np.nan), np.where(enough, last, np.nan)


def _errors(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Stocks on the wrong side of the cut that errs least, in whichever direction."""
    order = np.argsort(values, kind="stable")
    ordered = member[order]
    # Cut after the k lowest: members below and others above are errors; the other direction is the complement.
    below = np.concatenate([[0], np.cumsum(ordered)])
    above_others = (~ordered).sum() - np.concatenate([[0], np.cumsum(~ordered)])
    wrong = below + above_others
    cuts = np.array([wrong.min(), (len(member) - wrong).min()])
    up = bool(cuts[0] <= cuts[1])
    cut = int(wrong.argmin() if up else wrong.argmax())
    predicted = np.zeros(len(member), dtype=bool)
    predicted[order[cut:]] = True
    errors: np.ndarray = (predicted if up else ~predicted) != member
    return errors


def dropped_suspect(present: Marks, universe: Marks, target: Cells, reach: int) -> Suspect | None:
    """Accuse a universe that a stock leaves on the very days whose label is unknown.

    The target depends on ``reach`` days after t: the file's last days, unknown for all, are left out.
    """
    from scipy.special import bdtrc

    days = len(present) - reach
    if days < 2:
        return None
    unknown = present[:days] & ~np.isfinite(target[:days])
    member = universe[:days]
    drops = np.zeros_like(member)
    drops[1:] = present[1:days] & ~member[1:] & member[:-1]
    count, hit = int(drops.sum()), int((drops & unknown).sum())
    inside = int((member & unknown).sum())
    rate = max(unknown.sum() / max(present[:days].sum(), 1), 1e-6)
    # A quarter of the drops is allowed for markets in which illiquid stocks both leave and halt.
    if count < MIN_DROPS or bdtrc(hit - 1, count, max(rate, 0.25)) > FALSE_ALARM:
        return None
    return Suspect(
        "",
        f"on {hit} of {count} days on which a stock drops out of the universe its label is unknown, inside "
        f"{inside} labels are: rows were chosen by their label",
    )
