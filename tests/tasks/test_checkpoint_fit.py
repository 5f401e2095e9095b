"""A checkpoint is followed where it says what its weights mean, and refused where it contradicts the config."""

import pytest
import torch

from atft.errors import InputError
from atft.tasks.checkpoint_fit import (
    feature_order,
    refuse_other_optimizer,
    refuse_other_shapes,
    selected_parts,
)


def test_features_are_found_by_name_whatever_their_order() -> None:
    assert feature_order(["a", "b", "c"], ["c", "a", "b"]) == [1, 2, 0]
    assert feature_order(["a", "b"], ["a", "b"]) == []
    with pytest.raises(InputError, match=r"missing \['b'\], not known \['c'\]"):
        feature_order(["a", "b"], ["a", "c"])


def test_other_shapes_are_counted_and_the_first_is_named() -> None:
    own = {"weight": torch.zeros(2), "bias": torch.zeros(1)}
    refuse_other_shapes({}, own)
    refuse_other_shapes({"weight": torch.ones(2), "bias": torch.ones(1)}, own)
    with pytest.raises(InputError, match="2 tensors differ, the first is weight"):
        refuse_other_shapes({"weight": torch.ones(3)}, own)


def test_the_blocks_of_the_checkpoint_score_it_unless_the_user_chose_otherwise() -> None:
    asked = {"fan": True, "graph": True}
    held = {"parts": {"fan": True, "graph": False}, "parts_asked": asked}
    assert selected_parts(held, asked) == {"fan": True, "graph": False}
    assert selected_parts(held, {"fan": False, "graph": True}) == {"fan": False, "graph": False}
    assert selected_parts({}, asked) == asked


def test_another_class_or_other_groups_of_the_optimiser_are_refused() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    own = torch.optim.SGD([{"name": "heads", "params": [weight]}], lr=0.1)
    refuse_other_optimizer("SGD", [own.state_dict()], own)
    refuse_other_optimizer("SGD", [], own)
    with pytest.raises(InputError, match="Adam trained it, the config asks for SGD"):
        refuse_other_optimizer("Adam", [], own)
    other = torch.optim.SGD([{"name": "graph", "params": [weight]}], lr=0.1)
    with pytest.raises(InputError, match="its optimiser trains graph, the config's heads"):
        refuse_other_optimizer("SGD", [other.state_dict()], own)
