"""Roles of a panel's columns: every column in one of them, or a line that says why not."""

from dataclasses import replace
from datetime import date

import pytest

from atft.errors import InputError
from atft.panel import (
    PanelSchema,
    check_excluded,
    match,
    resolve_columns,
)

NAMES = [
    "date", "code", "sector", "universe", "x_1", "x_0", "x_bad", "target_1d", "target_5d", "target_1d_lag1",
    "target_5d_lag1", "exposure_size", "regime_trend", "return_1d", "momentum_20d", "traded_value",
]  # fmt: skip
TOKYO = PanelSchema(
    date="Date",
    code="Code",
    features=["feat_*"],
    exclude=["feat_ret_*"],
    targets="feat_ret_{h}d",
    sector="sector33_code",
)


def test_defaults_give_every_column_its_role() -> None:
    columns = resolve_columns(PanelSchema(exclude=["*_bad"]), NAMES, [1, 5], "p")
    assert columns.features == ("x_1", "x_0"), "in the order of the file"
    assert columns.targets == ("target_1d", "target_5d")
    assert columns.delayed_targets == ("target_1d_lag1", "target_5d_lag1")
    assert columns.exposures == ("exposure_size",) and columns.regime == ("regime_trend",)
    assert columns.context == ("return_1d", "momentum_20d", "traded_value")
    assert columns.oracle == () and columns.longest_label_days == 5
    assert len(columns.all) == len(set(columns.all)) and set(NAMES) - set(columns.all) == {"x_bad"}


def test_optional_roles_are_absent_where_the_panel_lacks_their_default() -> None:
    columns = resolve_columns(PanelSchema(), ["date", "code", "x_0", "target_1d"], [1], "p")
    assert columns.sector is columns.universe is columns.return_1d is None
    assert columns.exposures == columns.regime == columns.context == columns.delayed_targets == ()


def test_labels_named_like_features_stay_labels() -> None:
    names = ["Date", "Code", "sector33_code", "feat_a", "feat_ret_1d", "feat_ret_5d"]
    columns = resolve_columns(TOKYO, names, [1, 5], "p")
    assert columns.features == ("feat_a",) and columns.targets == ("feat_ret_1d", "feat_ret_5d")
    with pytest.raises(InputError, match=r"column 'feat_ret_1d' would be both feature and label"):
        resolve_columns(replace(TOKYO, exclude=[]), names, [1, 5], "p")
    with pytest.raises(InputError, match=r"'feat_ret_5d' would be both feature and label"):
        resolve_columns(replace(TOKYO, exclude=["feat_ret_1d"]), names, [1], "p")


@pytest.mark.parametrize("horizons", [[], [0], [1, 1]])
def test_horizons_are_distinct_trading_days(horizons: list[int]) -> None:
    with pytest.raises(InputError, match="horizons must be distinct trading days >= 1"):
        resolve_columns(PanelSchema(), NAMES, horizons, "p")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (PanelSchema(date="day"), r"p: no column 'day' for the role date"),
        (PanelSchema(code="codes"), r"no column 'codes' for the role code; did you mean 'code'\?"),
        (
            PanelSchema(features=["feature_*"]),
            r"no column matches the features \['feature_\*'\]; it has 16 columns; known: ",
        ),
        (
            PanelSchema(features=["x_0", "x_11"]),
            r"p: no column 'x_11' for the role features; did you mean 'x_1'\?",
        ),
        (PanelSchema(features=["x_*", "feat_*"]), r"p: no column 'feat_\*' for the role features; known: "),
        (PanelSchema(targets="targets_{h}d"), r"no column 'targets_1d' for the role targets of horizon 1"),
        (
            PanelSchema(targets="target_1d"),
            r"targets must contain \{h\}, the horizon in days, got 'target_1d'",
        ),
        (PanelSchema(sector="industry"), r"no column 'industry' for the role sector"),
        (PanelSchema(exposures=["beta_*"]), r"no column 'beta_\*' for the role exposures"),
        (
            PanelSchema(features=["x_0", "date"]),
            r"column 'date' would be both date and feature; name it in one",
        ),
        (PanelSchema(context=["target_1d"]), r"'target_1d' would be both label and context"),
        (PanelSchema(context=["return_1d"], return_1d="target_1d"), r"return_1d 'target_1d' is a label"),
        (PanelSchema(lag=-1), r"lag must be at least 0 trading days, got -1"),
    ],
)
def test_a_schema_that_does_not_fit_raises_in_one_line(schema: PanelSchema, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        resolve_columns(schema, NAMES, [1, 5], "p")
    assert "\n" not in str(error.value)


def test_a_misspelt_name_in_exclude_is_an_error_where_it_is_like_a_feature() -> None:
    with pytest.raises(
        InputError, match=r"^p: data\.panel\.schema\.exclude names 'x_bda', which is no column; did you mean"
    ):
        check_excluded(PanelSchema(exclude=["x_bda"]), NAMES, "p")
    # A panel may lack what the config excludes.
    for exclude in (["x_bad"], ["leak_of_tomorrow"], ["x_bd*"], ["regime_*", "x_[b]d"], []):
        check_excluded(PanelSchema(exclude=exclude), NAMES, "p")
    families = [*NAMES, "x_return_1d", "x_range"]
    for absent in ("x_return_5d", "x_open"):
        check_excluded(PanelSchema(exclude=[absent]), families, "p")
    with pytest.raises(InputError, match="did you mean 'x_range'"):
        check_excluded(PanelSchema(exclude=["x_rnage"]), families, "p")


def test_a_feature_that_is_excluded_by_its_name_may_be_gone_from_a_panel() -> None:
    schema = PanelSchema(features=["x_*", "leak"], exclude=["leak"])
    assert resolve_columns(schema, [*NAMES, "leak"], [1], "p") == resolve_columns(schema, NAMES, [1], "p")


def test_the_target_of_a_single_horizon_may_have_a_plain_name_or_a_glob() -> None:
    for pattern, names in (("target", ["target"]), ("*LABEL0*", ["('label', 'LABEL0')", "KMID"])):
        schema = PanelSchema(features=["x_0"], targets=pattern)
        columns = resolve_columns(schema, [*NAMES, *names], [4], "p")
        assert columns.targets == (names[0],) and columns.longest_label_days == 4
    with pytest.raises(InputError, match=r"no column '\*_5d' for the role targets of horizon 5"):
        resolve_columns(PanelSchema(targets="*_5d"), [*NAMES, "other_5d"], [5], "p")
    with pytest.raises(InputError, match="'target' would be both feature and label"):
        resolve_columns(PanelSchema(features=["target"], targets="target"), [*NAMES, "target"], [1], "p")


@pytest.mark.parametrize("role", ["delayed_targets", "oracle", "label_end"])
def test_a_further_column_of_each_horizon_is_there_for_all_of_them_or_for_none(role: str) -> None:
    """One that is missing would take the figures of the other horizons with it, without a word."""
    usual = getattr(PanelSchema(), role)
    one, other = (usual.replace("{h}", str(h)) for h in (1, 5))
    names = [n for n in NAMES if "lag1" not in n]
    field = {"label_end": "label_ends"}.get(role, role)
    assert getattr(resolve_columns(PanelSchema(), names, [1, 5], "p"), field) == ()
    assert getattr(resolve_columns(PanelSchema(), [*names, one, other], [1, 5], "p"), field) == (one, other)
    with pytest.raises(InputError, match=rf"no column '{other}' .* \(every horizon needs one; {role}: null"):
        resolve_columns(PanelSchema(), [*names, one], [1, 5], "p")
    named = replace(PanelSchema(), **{role: "mine_{h}"})
    with pytest.raises(InputError, match=f"no column 'mine_1' for the role {role} of horizon 1"):
        resolve_columns(named, names, [1, 5], "p")
    assert getattr(resolve_columns(replace(PanelSchema(), **{role: None}), names, [1, 5], "p"), field) == ()


def test_a_missing_target_is_never_taken_for_a_return_of_the_past() -> None:
    names = [n for n in NAMES if not n.startswith("target")]
    with pytest.raises(InputError, match=r"role targets of horizon 1 \(nulls will do to score days\)") as e:
        resolve_columns(PanelSchema(), [*names, "x_target_1d"], [1], "p")
    assert "return_1d" not in str(e.value) and "x_target" not in str(e.value)
    with pytest.raises(InputError, match="did you mean 'Target_1d'"):
        resolve_columns(PanelSchema(), [*names, "Target_1d"], [1], "p")
    with pytest.raises(InputError, match="did you mean 'feat_ret_1d'"):
        resolve_columns(TOKYO, ["Date", "Code", "sector33_code", "feat_a", "feat_ret_1d"], [2], "p")


def test_the_first_era_is_a_date() -> None:
    assert resolve_columns(PanelSchema(first_era="2003-01-03"), NAMES, [1], "p").first_era == date(2003, 1, 3)
    with pytest.raises(InputError, match="first_era must be an ISO date such as 2017-06-30, got 'Friday'"):
        resolve_columns(PanelSchema(first_era="Friday"), NAMES, [1], "p")


def test_the_lag_lengthens_the_labels() -> None:
    assert resolve_columns(PanelSchema(lag=1), NAMES, [1, 5], "p").longest_label_days == 6


def test_what_is_known_that_day_may_also_be_a_feature() -> None:
    columns = resolve_columns(PanelSchema(features=["x_*", "regime_*", "exposure_*"]), NAMES, [1], "p")
    assert "regime_trend" in columns.features and columns.regime == ("regime_trend",)


def test_a_column_with_brackets_is_named_as_it_is_written() -> None:
    assert match(["mom[5]"], ["mom[5]", "mom5", "mom"]) == ("mom[5]", "mom5")


def test_globs_keep_the_files_order_and_each_name_once() -> None:
    assert match(["x_*", "x_0", "code"], NAMES) == ("code", "x_1", "x_0", "x_bad")


def test_no_glob_matches_the_row_numbers_that_pandas_writes_but_their_name_does() -> None:
    names = ["x_0", "__index_level_0__"]
    assert match(["*"], names) == ("x_0",)
    assert match(["*", "__index_level_0__"], names) == ("x_0", "__index_level_0__")
