"""Numbers that are read later are those of when the copy was started."""

import torch

from atft.device_read import DeviceRead


def test_what_is_read_later_is_what_the_tensor_was() -> None:
    values = torch.tensor([1.0, 2.0])
    reading = DeviceRead(values)
    values.zero_()
    assert reading.values().tolist() == [1.0, 2.0]
