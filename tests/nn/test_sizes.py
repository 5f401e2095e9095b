"""Sizes out of range are errors of one line; attention heads follow from the width."""

from typing import Any

import pytest

from atft.errors import InputError
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.sizes import head_count
from networks import inputs_of


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be 4 to 4096, got 0"),
        ({"gat_layers": 5}, "gat_layers must be 1 to 4, got 5"),
        ({"gat_layers": 0}, "gat_layers"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"gat_dropout": -0.1}, "gat_dropout"),
        ({"dropout": float("nan")}, "dropout"),
        ({"quantiles": [0.9, 0.1]}, "quantiles must ascend"),
        ({"quantiles": [0.0, 0.5]}, "quantiles"),
        ({"quantiles": [0.001, 0.004, 0.5, 0.996, 0.999]}, "two levels of 0 %, whose columns would have one"),
        (
            {"quantiles": [0.104, 0.106, 0.5, 0.894, 0.896]},
            "two intervals of 79 %, whose columns would have one",
        ),
    ],
)
def test_a_size_out_of_range_is_an_error_of_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        ATFTGATFAN(inputs_of(3), **options)
    (option,) = options
    assert str(error.value).startswith(f"model.network.init_args.{option} ") and "\n" not in str(error.value)


@pytest.mark.parametrize("horizons", [(), (5, 1), (0, 1), (1, 1)])
def test_horizons_out_of_order_are_an_error(horizons: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"model\.horizons must be ascending trading days >= 1, got"):
        ATFTGATFAN(inputs_of(3, horizons))


def test_the_defaults_are_in_range_for_one_feature() -> None:
    ATFTGATFAN(inputs_of(1))


@pytest.mark.parametrize("quantiles", [[0.001, 0.999], [0.05, 0.25, 0.5, 0.75, 0.95], [0.5]])
def test_levels_that_differ_in_whole_percent_are_taken(quantiles: list[float]) -> None:
    ATFTGATFAN(inputs_of(3), quantiles=quantiles)


@pytest.mark.parametrize(
    ("hidden", "heads"), [(4, 1), (32, 2), (48, 2), (64, 4), (100, 4), (37, 1), (256, 8)]
)
def test_heads_divide_the_width_and_keep_sixteen_channels(hidden: int, heads: int) -> None:
    assert head_count(hidden) == heads and hidden % heads == 0
