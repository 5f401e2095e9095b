"""Options and names are known before anything is simulated."""

from dataclasses import replace

import pytest

from atft.errors import InputError
from atft.market.options import MarketOptions, feature_columns, market_columns, market_digest, stream
from atft.panel import PanelSchema, resolve_columns


def test_the_default_schema_gives_every_column_its_role() -> None:
    options = MarketOptions()
    columns = resolve_columns(PanelSchema(), market_columns(options), options.horizons, "market")
    assert columns.features == feature_columns(24)
    assert len(columns.features) == 24
    assert columns.targets == ("target_1d", "target_5d")
    assert columns.delayed_targets == ("target_1d_lag1", "target_5d_lag1")
    assert columns.oracle == ("oracle_1d", "oracle_5d")
    assert columns.return_1d == "return_1d"
    assert set(columns.all) == set(market_columns(options))


def test_the_noise_only_twin_has_no_oracle() -> None:
    names = market_columns(MarketOptions(noise_only=True))
    assert resolve_columns(PanelSchema(), names, [1, 5], "market").oracle == ()
    assert set(market_columns(MarketOptions())) - set(names) == {"oracle_1d", "oracle_5d"}


def test_any_option_changes_the_digest_and_the_same_options_do_not() -> None:
    options = MarketOptions()
    others = [replace(options, seed=2), replace(options, noise_only=True), replace(options, horizons=[1])]
    assert market_digest(options) == market_digest(MarketOptions())
    assert len({market_digest(o) for o in [options, *others]}) == 4


def test_purposes_do_not_share_their_draws() -> None:
    assert stream(1, "a").random() == stream(1, "a").random()
    assert stream(1, "a").random() != stream(1, "b").random()
    assert stream(1, "a").random() != stream(2, "a").random()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stocks": 5}, "stocks must be at least 12 and at most 100,000, got 5"),
        ({"days": 3}, "days must be at least 7 and at most 100,000, got 3"),
        ({"features": 4}, "features must be at least 17 and at most 100,000, got 4"),
        ({"stocks": 2**63 - 1}, "stocks must be at least 12 and at most 100,000, got 9223372036854775807"),
        ({"horizons": []}, "horizons must be distinct trading days >= 1"),
        ({"horizons": [1, 1]}, "horizons must be distinct trading days >= 1"),
        ({"horizons": [5, 0]}, "horizons must be distinct trading days >= 1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_named_in_one_line(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        market_columns(replace(MarketOptions(), **change))  # type: ignore[arg-type]


def test_the_smallest_market_has_options_and_each_is_of_its_type() -> None:
    assert len(market_columns(MarketOptions(stocks=12, days=7, features=17, seed=0))) == 35
    with pytest.raises(InputError, match="simulate"):
        MarketOptions(stocks="many")  # type: ignore[arg-type]
