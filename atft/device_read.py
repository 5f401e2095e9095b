"""Read numbers of a device later, so that the CPU need not wait for them now.

``float(x)`` makes the CPU wait until a GPU has done all that was queued before, and the GPU then waits for work. A
copy that is started now and read after more work has been queued costs neither. On other devices the copy is done
at once: Apple's would hand out memory that it has not written yet.
"""

import torch
from torch import Tensor


class DeviceRead:
    """A copy to the CPU that is under way.

    Args:
        values: on any device, without a graph; may be changed afterwards.
    """

    def __init__(self, values: Tensor) -> None:
        later = values.device.type in ("cuda", "meta")  # of meta there is nothing to wait for
        self._copy = values.to("cpu", non_blocking=later, copy=True)
        self._done: torch.cuda.Event | None = None
        if values.is_cuda:
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record()

    def values(self) -> Tensor:
        """Wait until the copy is there; the numbers, on the CPU."""
        if self._done is not None:
            self._done.synchronize()
        return self._copy
