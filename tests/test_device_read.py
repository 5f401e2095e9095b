"""Numbers that are read later are those of when the copy was started."""

from typing import Any

import torch

from atft.device_read import DeviceRead


def test_what_is_read_later_is_what_the_tensor_was() -> None:
    values = torch.tensor([1.0, 2.0])
    reading = DeviceRead(values)
    values.zero_()
    assert reading.values().tolist() == [1.0, 2.0]


def test_a_device_whose_copies_nothing_waits_for_copies_at_once() -> None:
    class OnApple:
        device, is_cuda = torch.device("mps"), False

        def to(self, device: str, non_blocking: bool, copy: bool) -> torch.Tensor:
            return torch.tensor([non_blocking])

    values: Any = OnApple()
    assert not DeviceRead(values).values().item()
