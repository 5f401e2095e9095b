"""The panel's columns and the one role each of them plays.

A panel is a table of (date, code) x columns. `PanelSchema` says, by name or glob, which column plays which
role; `resolve_columns` turns it into `PanelColumns` against the column names of a real file. The role decides
where a column may go: a feature can never be a label, a label can never be a feature.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Literal

from atft.errors import InputError, closest, counted, nearest
from atft.files.yaml_text import read_date
from atft.option_types import check_option_types

MIN_RETURN, MAX_RETURN = -2.0, 1000.0
"""A stock loses at most all; an excess return may be a little lower."""
MISSPELT = 0.8
"""How like a feature a name must be to be taken for a misspelt one; see `closest`."""
DIGITS = re.compile(r"\d+")

CalendarDate = date
"""A column's role is called date too."""


@dataclass(frozen=True)
class PanelSchema:
    """Which column of the panel plays which role. The defaults fit the panels that atft writes itself.

    Args:
        date: column of the trading day.
        first_era: ISO date of era 1, if the date column counts weekly eras (1, "0001" or "era1"); each era is then
            a day of the calendar. Null: the column has dates.
        code: column of the stock's identifier.
        features: names or globs of the columns that the network reads; every match must be numeric.
        exclude: names or globs taken out of ``features``.
        targets: name of the forward return of horizon ``{h}`` trading days, a fraction. With a single horizon
            ``{h}`` is optional, and the name may be a glob that one column matches.
        target_unit: return (a fraction), or score (any scale, such as a rank, a z-score, a quantile), for which
            figures of money mean nothing.
        delayed_targets: the same for a trade one close later; never trained on, only evaluated. Used if the panel
            has it.
        label_end: column of the date on which the target of horizon ``{h}`` becomes known, for targets known later
            than the calendar says, such as a halted stock's. Null cells mean the calendar. Used if the panel has
            it.
        lag: trading days between the score and the trade that ``targets`` assumes (0: this day's close).
        sector: column of the sector; null: there is none.
        universe: boolean column, True if the stock may be ranked; null: every row may.
        exposures: names or globs of risk exposures (size, beta, volatility).
        regime: names or globs of market-wide columns, one value a day.
        context: names or globs of columns that evaluation needs and no network reads.
        return_1d: column of the stock's own trailing return of that day, from which the graph is computed; it must
            be a context or a feature column. Null: no graph can be made.
        oracle: name of the best possible score of horizon ``{h}`` in a simulated market.
    """

    date: str = "date"
    first_era: str | None = None
    code: str = "code"
    features: list[str] = field(default_factory=lambda: ["x_*"])
    exclude: list[str] = field(default_factory=list)
    targets: str = "target_{h}d"
    target_unit: Literal["return", "score"] = "return"
    delayed_targets: str | None = "target_{h}d_lag1"
    label_end: str | None = "label_end_{h}d"
    lag: int = 0
    sector: str | None = "sector"
    universe: str | None = "universe"
    exposures: list[str] = field(default_factory=lambda: ["exposure_*"])
    regime: list[str] = field(default_factory=lambda: ["regime_*"])
    context: list[str] = field(default_factory=lambda: ["return_1d", "momentum_20d", "traded_value"])
    return_1d: str | None = "return_1d"
    oracle: str | None = "oracle_{h}d"

    def __post_init__(self) -> None:
        check_option_types("data.panel.schema", self, (CalendarDate,))


@dataclass(frozen=True)
class PanelColumns:
    """A schema resolved against a real panel: plain column names, each in one role, in a fixed order."""

    date: str
    code: str
    features: tuple[str, ...]
    horizons: tuple[int, ...]
    targets: tuple[str, ...]
    """Target of ``horizons[i]`` at index ``i``."""
    delayed_targets: tuple[str, ...]
    """Empty where the panel has none."""
    label_ends: tuple[str, ...]
    """Date on which each target is known; empty where the calendar alone says so."""
    oracle: tuple[str, ...]
    """Empty where the market is real."""
    sector: str | None
    universe: str | None
    exposures: tuple[str, ...]
    regime: tuple[str, ...]
    context: tuple[str, ...]
    return_1d: str | None
    lag: int
    first_era: CalendarDate | None = None
    target_unit: str = "return"

    @property
    def longest_label_days(self) -> int:
        """Trading days after day t that the labels of day t reach: the longest horizon plus the lag."""
        return max(self.horizons) + self.lag

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is read, once each."""
        single = [self.date, self.code, *(c for c in (self.sector, self.universe, self.return_1d) if c)]
        groups = (self.features, self.targets, self.delayed_targets, self.oracle, self.label_ends)
        more = (self.exposures, self.regime, self.context)
        return tuple(dict.fromkeys([*single, *(c for g in (*groups, *more) for c in g)]))


def match(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Names that match any of the globs, or are one, in their order; no glob matches row numbers of pandas."""
    names = [n for n in names if n in patterns or not n.startswith("__index_level_")]
    return tuple(n for n in names if n in patterns or any(fnmatchcase(n, p) for p in patterns))


def feature_names(schema: PanelSchema, names: Sequence[str], where: str) -> tuple[str, ...]:
    """Columns that the network reads, in the panel's order, or raise where there is none."""
    excluded = match(schema.exclude, names)
    features = tuple(n for n in match(schema.features, names) if n not in excluded)
    if not features:
        meant = nearest(next(iter(schema.features), ""), names)
        raise InputError(
            f"{where}: no column matches the features {schema.features}; it has "
            f"{counted(len(names), 'column')}{meant}"
        )
    return features


def check_excluded(schema: PanelSchema, names: Sequence[str], where: str) -> None:
    """Check that no name in ``exclude`` is a misspelt column: that column would be read as a feature.

    A panel may lack an excluded column. So only a name that is nearly one of the features raises; no glob does, and
    no name of another number, such as ``x_return_3d`` beside ``x_return_5d``.
    """
    features = feature_names(schema, names, where)
    for name in schema.exclude:
        if match([name], names) or any(c in name for c in "*?["):
            continue
        meant = closest(name, features, MISSPELT)
        if meant is not None and DIGITS.sub("", meant) != DIGITS.sub("", name):
            raise InputError(
                f"{where}: data.panel.schema.exclude names {name!r}, which is no column; did you mean {meant!r}? "
                f"Correct the name or remove it"
            )


@dataclass(frozen=True)
class _Roles:
    """Gives the roles of a schema their columns among the ``names`` of a panel, or raises with the nearest name."""

    schema: PanelSchema
    names: Sequence[str]
    horizons: Sequence[int]
    where: str

    def need(self, column: str, role: str, advice: str = "", among: Sequence[str] | None = None) -> str:
        if column not in self.names:
            hint = nearest(column, self.names if among is None else among)
            raise InputError(f"{self.where}: no column {column!r} for the role {role}{advice}{hint}")
        return column

    def is_usual(self, role: str) -> bool:
        """Whether a role has its default, which a panel may lack; a name that the user wrote must be there."""
        return bool(getattr(self.schema, role) == getattr(PanelSchema(), role))

    def optional(self, role: str) -> str | None:
        column: str | None = getattr(self.schema, role)
        if column is None or (column not in self.names and self.is_usual(role)):
            return None
        return self.need(column, role)

    def several(self, role: str) -> tuple[str, ...]:
        patterns = getattr(self.schema, role)
        for pattern in () if self.is_usual(role) else patterns:
            if not match([pattern], self.names):
                self.need(pattern, role)
        return match(patterns, self.names)

    def of_horizons(self, role: str) -> tuple[str, ...]:
        """Label of each horizon; empty where the role is null or an absent default, but for the targets."""
        schema, pattern = self.schema, getattr(self.schema, role)
        if pattern is None:
            return ()
        if "{h}" not in pattern and len(self.horizons) > 1:
            raise InputError(
                f"{role} must contain {{h}}, the horizon in days, got {pattern!r}; or name one horizon"
            )
        columns = tuple(pattern.replace("{h}", str(h)) for h in self.horizons)
        if "{h}" not in pattern and len(matches := match([pattern], self.names)) == 1:
            columns = matches
        advice = " (nulls will do to score days)"
        if role != "targets":
            advice = f" (every horizon needs one; {role}: null leaves all out)"
            if self.is_usual(role) and not set(columns) & {*self.names}:
                return ()
        # Today's return and a feature are no labels, however alike their names: a hint names neither.
        past = [schema.return_1d or "", *schema.features, *schema.context, *schema.exposures, *schema.regime]
        no_label = set(match(past, self.names)) - set(match([schema.targets.replace("{h}", "*")], self.names))
        labels = [n for n in self.names if n not in no_label]
        pairs = zip(columns, self.horizons, strict=True)
        return tuple(self.need(c, f"{role} of horizon {h}", advice, labels) for c, h in pairs)


def resolve_columns(
    schema: PanelSchema, names: Sequence[str], horizons: Sequence[int], where: str
) -> PanelColumns:
    """Give each role its columns among the ``names`` of a panel; ``where`` is its path, for messages.

    Raises:
        InputError: a named column is missing, a horizon has no target, no feature is left, or one column
            would be both a feature and a label.
    """
    if not horizons or len(set(horizons)) != len(horizons) or min(horizons) < 1:
        raise InputError(f"horizons must be distinct trading days >= 1, got {list(horizons)}")
    if schema.lag < 0:
        raise InputError(f"lag must be at least 0 trading days, got {schema.lag}")
    roles = _Roles(schema, names, horizons, where)
    columns = PanelColumns(
        date=roles.need(schema.date, "date"),
        code=roles.need(schema.code, "code"),
        features=feature_names(schema, names, where),
        horizons=tuple(horizons),
        targets=roles.of_horizons("targets"),
        delayed_targets=roles.of_horizons("delayed_targets"),
        label_ends=roles.of_horizons("label_end"),
        oracle=roles.of_horizons("oracle"),
        sector=roles.optional("sector"),
        universe=roles.optional("universe"),
        exposures=roles.several("exposures"),
        regime=roles.several("regime"),
        context=roles.several("context"),
        return_1d=roles.optional("return_1d"),
        lag=schema.lag,
        first_era=None if schema.first_era is None else read_date("first_era", schema.first_era),
        target_unit=schema.target_unit,
    )
    # What only repeats a name of `exclude` may be gone from a panel.
    for pattern in schema.features:
        if not match([pattern], [*names, *schema.exclude]):
            roles.need(pattern, "features")
    by_day = (schema.targets, schema.delayed_targets, schema.oracle, schema.label_end)
    patterns = [*columns.targets, *(p.replace("{h}", "*") for p in by_day if p)]
    _check_roles(columns, match(patterns, names), where)
    return columns


def further_columns(schema: PanelSchema, columns: PanelColumns, names: Sequence[str]) -> tuple[str, ...]:
    """Names of a later file of a panel that the schema gives a role, and that the first file's ``columns`` lack."""
    excluded = match(schema.exclude, names)
    by_horizon = (schema.delayed_targets, schema.label_end, schema.oracle)
    have = (
        *(n for n in match(schema.features, names) if n not in excluded),
        *match([*schema.exposures, *schema.regime, *schema.context], names),
        *(n for n in (schema.sector, schema.universe, schema.return_1d) if n in names),
        *(n for p in by_horizon if p for h in columns.horizons if (n := p.replace("{h}", str(h))) in names),
    )
    return tuple(dict.fromkeys(str(n) for n in have if n not in columns.all))


def _check_roles(columns: PanelColumns, labels: tuple[str, ...], where: str) -> None:
    """Check that no column has two roles, but for those that are all known that day."""
    roles: Mapping[str, tuple[str | None, ...]] = {
        "date": (columns.date,),
        "code": (columns.code,),
        "universe": (columns.universe,),
        "sector": (columns.sector,),
        "feature": columns.features,
        "label": labels,
        "exposure": columns.exposures,
        "regime": columns.regime,
        "context": columns.context,
    }
    # A market-wide or risk column may also be read as a feature. A label never.
    shared = {"feature", "exposure", "regime", "context"}
    role_of: dict[str, str] = {}
    for role, names in roles.items():
        for name in filter(None, names):
            first = role_of.setdefault(name, role)
            if first != role and not {first, role} <= shared:
                raise InputError(
                    f"{where}: column {name!r} would be both {first} and {role}; "
                    f"name it in one role, or in exclude"
                )
    if columns.return_1d in labels:
        raise InputError(f"{where}: return_1d {columns.return_1d!r} is a label; it must be a trailing return")
