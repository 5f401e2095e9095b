"""Where the panel is while it trains, scores or predicts: in device memory, in pinned host buffers, or in files.

- ``device``: `ResidentPanel` in the memory of the device; a block is gathered there (`ResidentBlocks`).
- ``pinned``: blocks are read from the cache into pinned memory and copied on a stream of their own, one block ahead
  of the one that is asked for, so that the copy overlaps with the step before.
- ``host``: blocks are read from the cache; the trainer copies each when its step begins.

``auto`` takes ``device`` on a CUDA device where the panel leaves at least half of the free memory to the step,
``pinned`` on one where it does not, and ``host`` elsewhere: on a CPU the mapped files are memory already, and
reading a block from them costs as much as gathering it. The choice is made at the first block of a pass, once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.data.block_plan import PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.resident_blocks import ResidentBlocks
from atft.data.resident_panel import ResidentPanel
from atft.errors import InputError

Residency = Literal["auto", "device", "pinned", "host"]

PANEL_SHARE = 0.5
"""Of the free memory that the panel takes at most under ``auto``: the rest is the step's."""
RESERVE_BYTES = 1_000_000_000
"""Free memory that ``device`` leaves at least: a step needs more than none."""


class PanelMemory:
    """Decides in which memory a panel is, for all loaders that share it.

    Args:
        panel: the days of these loaders, not read yet.
        residency: as the user set it.
        free_bytes: free memory of a CUDA device, the allocator's own reserve included.
    """

    def __init__(
        self,
        panel: ResidentPanel,
        residency: Residency,
        free_bytes: Callable[[torch.device], int] | None = None,
    ) -> None:
        self.panel, self.residency = panel, residency
        self.free_bytes = free_bytes or free_cuda_bytes
        self._kind: Residency | None = None

    @property
    def kind(self) -> Residency:
        """``device``, ``pinned`` or ``host``; decided when first asked for.

        Raises:
            InputError: the user set ``device``, and the panel does not fit.
        """
        if self._kind is None:
            self._kind = self._chosen()
        return self._kind

    def text(self) -> str:
        """Where the panel is, for a person; empty for ``host``."""
        panel = self.panel
        texts = {
            "device": f"{panel.nbytes / 1e9:.1f} GB of the panel in the memory of {panel.device}",
            "pinned": f"blocks go to {panel.device} from pinned memory while the step before runs",
        }
        return texts.get(self.kind, "")

    def _chosen(self) -> Residency:
        device, asked = self.panel.device, self.residency
        if device.type != "cuda":
            return "device" if asked == "device" else "host"
        if asked in ("pinned", "host"):
            return asked
        needed, free = self.panel.nbytes, self.free_bytes(device)
        if asked == "auto":
            return "device" if needed <= PANEL_SHARE * free else "pinned"
        missing = needed + RESERVE_BYTES - free
        if missing > 0:
            raise InputError(
                f"data.loader.residency: device needs {needed / 1e9:.1f} GB for the panel and 1 for the step, "
                f"{missing / 1e9:.1f} more than {device} has free; set pinned, or data.cache.dtype: float16"
            )
        return "device"

    def stream(
        self, blocks: DayBlocks, plan: Iterable[PlannedBlock], read: Callable[[bool], Iterator[DayBatch]]
    ) -> Iterator[DayBatch]:
        """Yield the planned blocks, on the device unless the panel stays on the host.

        Args:
            blocks: as the host reads them.
            plan: blocks of one pass.
            read: reads the same pass on the host; True asks for pinned memory.
        """
        if self.kind == "device":
            resident = ResidentBlocks(self.panel, blocks)
            return (resident[block] for block in plan)
        if self.kind == "pinned":
            return copied_ahead(read(True), self.panel.device)
        return read(False)


def free_cuda_bytes(device: torch.device) -> int:
    """Memory of a CUDA device that is free, or kept by torch's allocator without being used."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def copied_ahead(blocks: Iterator[DayBatch], device: torch.device) -> Iterator[DayBatch]:
    """Copy pinned blocks to a CUDA device, each while the step before the one that reads it is under way.

    The trainer asks for a block one step early, so the copy that a block waits for has had a whole step of time.
    """
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    waiting: deque[tuple[DayBatch, torch.cuda.Event]] = deque()

    def copy(block: DayBatch) -> None:
        event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            copied = [v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for v in block]
            event.record(stream)
        waiting.append((DayBatch._make(copied), event))

    def first_copied() -> DayBatch:
        copied, event = waiting.popleft()
        step = torch.cuda.current_stream(device)
        step.wait_event(event)
        for value in copied:
            if isinstance(value, Tensor):
                value.record_stream(step)
        return copied

    for block in blocks:
        copy(block)
        if len(waiting) > 1:
            yield first_copied()
    while waiting:
        yield first_copied()
