"""What a checkpoint must hold, entry by entry."""

from typing import Any

import pytest
import torch

from atft.callbacks.record.checkpoint_content import ENTRIES, OWN_ENTRIES, check_content
from atft.errors import InputError
from tests.support.checkpoints import small_checkpoint

STRANGE: tuple[Any, ...] = (
    None, -1, 10**30, 0.5, float("nan"), True, "word", "nul\0", [[1]], {"a": 1}, {1: {}}, (1,), torch.zeros(3),
)  # fmt: skip


def test_a_checkpoint_of_the_program_passes() -> None:
    content = small_checkpoint(callbacks={"a": {}}, optimizer_states=[{}], lr_schedulers=[{}])
    assert check_content(content, "a.ckpt") is content


@pytest.mark.parametrize("content", [None, 3, [], "word", torch.zeros(2)])
def test_something_else_is_no_checkpoint(content: Any) -> None:
    with pytest.raises(InputError, match=r"a.ckpt: not a checkpoint of atft, it holds"):
        check_content(content, "a.ckpt")


@pytest.mark.parametrize("key", [k for k, (_, _, required) in ENTRIES.items() if required])
def test_what_every_checkpoint_has_may_not_be_missing(key: str) -> None:
    content = small_checkpoint()
    del content[key]
    with pytest.raises(InputError, match=f"it has no {key}; name another checkpoint"):
        check_content(content, "a.ckpt")


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_of_another_kind_is_named(key: str) -> None:
    wrong = [v for v in STRANGE if not ENTRIES[key][0](v)]
    assert len(wrong) >= len(STRANGE) - 2
    for value in wrong:
        with pytest.raises(InputError, match=f"^a.ckpt: {key} is not {ENTRIES[key][1]}; "):
            check_content(small_checkpoint(**{key: value}), "a.ckpt")


@pytest.mark.parametrize("key", OWN_ENTRIES)
def test_an_entry_of_the_tasks_own_of_another_kind_is_named(key: str) -> None:
    wrong = [v for v in STRANGE if not OWN_ENTRIES[key][0](v)]
    assert len(wrong) >= len(STRANGE) - 2
    for value in wrong:
        with pytest.raises(InputError, match=f"^a.ckpt: atft.{key} is not {OWN_ENTRIES[key][1]}; "):
            check_content(small_checkpoint(atft={key: value}), "a.ckpt")


def test_blocks_say_what_is_on_and_what_was_asked() -> None:
    with pytest.raises(InputError, match="name different parts"):
        check_content(small_checkpoint(atft={"parts": {"fan": True}}), "a.ckpt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_not_finite_are_named_the_first_one(value: float, dtype: torch.dtype) -> None:
    weights = {"a": torch.zeros(3), "b": torch.tensor([0.0, value], dtype=dtype), "c": torch.tensor(value)}
    with pytest.raises(InputError, match=r"^a.ckpt: b holds values that are not finite; "):
        check_content(small_checkpoint(state_dict=weights), "a.ckpt")
    state = [{"state": {0: {"exp_avg": torch.tensor(value)}}}]
    with pytest.raises(InputError, match=r"optimizer_states.0.state.0.exp_avg holds"):
        check_content(small_checkpoint(optimizer_states=state), "a.ckpt")


def test_a_score_may_be_infinite_before_the_first_one() -> None:
    check_content(small_checkpoint(callbacks={"stop": {"best_score": torch.tensor(float("inf"))}}), "a.ckpt")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(1 << 20, 1 << 20),  # 4 TB for whoever touches it
        torch.zeros(3, 3).to_sparse(),
        torch.zeros(3, device="meta"),
    ],
)
def test_a_tensor_whose_values_are_not_all_there_is_no_weight(tensor: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"state_dict.w is no plain tensor"):
        check_content(small_checkpoint(state_dict={"w": tensor}), "a.ckpt")
