"""A checkpoint is used where it matches the network and its features."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from atft.errors import InputError
from atft.tasks.checkpoint_match import (
    check_heads_trained,
    check_horizons_agree,
    check_regimes,
    check_shapes,
    feature_order,
)


def test_features_are_found_by_name_whatever_their_order() -> None:
    assert feature_order(["a", "b", "c"], ["c", "a", "b"]) == [1, 2, 0]
    assert feature_order(["a", "b"], ["a", "b"]) == []
    with pytest.raises(InputError, match=r"missing \['b'\], not known \['c'\]"):
        feature_order(["a", "b"], ["a", "c"])


@pytest.mark.parametrize("names", [["b", "a"], ["a"], ["a", "c"], []])
def test_a_network_that_reads_market_wide_columns_needs_those_it_was_trained_on_in_their_order(
    names: list[str],
) -> None:
    reader: Any = SimpleNamespace(reads={"graph": "edges", "market": "regime"})
    other: Any = SimpleNamespace(reads={"graph": "edges"})
    check_regimes(reader, ["a", "b"], ["a", "b"])
    check_regimes(other, ["a", "b"], names)
    with pytest.raises(InputError, match=r"on the market-wide columns \['a', 'b'\], the panel gives \["):
        check_regimes(reader, ["a", "b"], names)


def test_the_data_has_a_target_for_each_score_in_their_order() -> None:
    check_horizons_agree([1, 5], (1, 5))
    for of_data in ([5, 1], [1], [1, 5, 20]):
        with pytest.raises(InputError, match=r"^model\.horizons are \[1, 5\], the data's \["):
            check_horizons_agree([1, 5], of_data)


def test_a_pretrained_network_has_no_scores() -> None:
    check_heads_trained({"features": ["a"]})
    with pytest.raises(InputError, match=r"^a\.ckpt: pretrained only, its heads were not trained"):
        check_heads_trained({"pretrained": {}}, "a.ckpt")


def test_other_shapes_are_counted_and_the_first_is_named() -> None:
    own = {"weight": torch.zeros(2), "bias": torch.zeros(1)}
    check_shapes({}, own)
    check_shapes({"weight": torch.ones(2), "bias": torch.ones(1)}, own)
    with pytest.raises(InputError, match="2 tensors differ, the first is weight"):
        check_shapes({"weight": torch.ones(3)}, own)


def test_weights_without_bins_are_an_error_that_names_the_encoding() -> None:
    with pytest.raises(InputError, match=r"does not encode features in bins.*encoding to its own") as error:
        check_shapes({"value": torch.ones(2)}, {"value": torch.ones(8), "encoding.edges": torch.ones(2, 5)})
    assert "\n" not in str(error.value)


def test_weights_of_a_window_day_by_day_are_an_error_that_names_the_patches() -> None:
    patched = {"network.encoder.patches.weight": torch.ones(4, 2)}
    with pytest.raises(InputError, match=r"reads a window day by day.*patch_days to its own, 1 where"):
        check_shapes({"value": torch.ones(2)}, {"value": torch.ones(2), **patched})
    with pytest.raises(InputError, match=r"other sizes \(1 tensors differ"):
        check_shapes({"value": torch.ones(2), **patched}, {"value": torch.ones(2)})
    check_shapes({}, patched)


def test_bins_under_another_name_are_those_of_another_number_of_members() -> None:
    one, of_two = ({f"{place}encoding.edges": torch.ones(2, 5)} for place in ("", "networks.0."))
    with pytest.raises(InputError, match=r"has other sizes.*model\.members"):
        check_shapes(one, of_two)
