"""Which columns cannot be known without some prices."""

from atft.features.build import _every_feature
from atft.features.unknown_prices import unknown_features


def test_nothing_is_unknown_where_every_price_is_there() -> None:
    assert unknown_features((), _every_feature) == frozenset()


def test_features_of_a_price_that_is_missing_are_unknown_and_no_others() -> None:
    no_open = unknown_features(("open",), _every_feature)
    no_volume = unknown_features(("volume",), _every_feature)
    assert {"x_gap_1d", "x_tug_20d", "x_garman_klass_20d", "x_gap_1d_vs_market"} <= no_open
    assert {"x_volume_ratio_1_5", "x_illiquidity_20d", "x_vwap_distance_5d"} <= no_volume
    assert not no_open & no_volume
    assert {f"x_money_flow_{days}d" for days in (5, 20, 60)} <= unknown_features(
        ("high", "low"), _every_feature
    )
    closes_only = unknown_features(("open", "high", "low", "volume"), _every_feature)
    assert no_open | no_volume <= closes_only
    kept = {
        "x_return_250d",
        "x_stochastic_20d",
        "x_residual_momentum",
        "x_peers_return_1d",
        "x_volatility_250d",
    }
    assert not kept & closes_only


def test_a_feature_is_left_out_by_what_it_is_made_of_not_by_its_values() -> None:
    made = unknown_features(("volume",), _every_feature)
    assert all("volume" in n or "illiq" in n or "money" in n or "vwap" in n or "traded" in n for n in made)
