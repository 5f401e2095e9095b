"""A run without a precision of its own trains in bfloat16 where a GPU multiplies it."""

import pytest
import torch

from atft.runs.precision import default_precision


@pytest.mark.parametrize(
    ("accelerator", "gpu", "multiplies", "expected"),
    [
        ("auto", True, True, "bf16-mixed"),
        ("gpu", True, True, "bf16-mixed"),
        ("gpu", True, False, "32-true"),
        ("cpu", True, True, "32-true"),
        ("auto", False, False, "32-true"),
    ],
)
def test_the_default_follows_the_device(
    accelerator: str, gpu: bool, multiplies: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: multiplies)
    assert default_precision(accelerator) == expected
