"""Where the panel is: what each setting means on each device, and that the loader gives the same blocks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.loader import BlockLoader
from atft.data.residency import PanelMemory, Residency, copied_ahead
from atft.data.resident_panel import ResidentPanel
from atft.errors import InputError

Make = Callable[..., DayCache]
GB = 10**9
ON_GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
)


def on_gpu(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test where there is a CUDA device and ``-m gpu`` asks for it."""
    for mark in ON_GPU:
        test = mark(test)
    return test


class PanelOfBytes(ResidentPanel):
    """A panel that says to be of a size."""

    def __init__(self, nbytes: float, device: str) -> None:
        self.size, self.device = int(nbytes), torch.device(device)

    @property
    def nbytes(self) -> int:
        return self.size


@pytest.mark.parametrize(
    ("residency", "device", "panel_gb", "kind"),
    [
        ("auto", "cuda", 5, "device"),
        ("auto", "cuda", 5.1, "pinned"),
        ("device", "cuda", 9, "device"),
        ("pinned", "cuda", 1, "pinned"),
        ("host", "cuda", 1, "host"),
        ("auto", "cpu", 1, "host"),
        ("device", "cpu", 1, "device"),
        ("pinned", "cpu", 1, "host"),
        ("auto", "mps", 1, "host"),
    ],
)
def test_auto_keeps_half_of_the_free_memory_of_a_cuda_device_for_the_step(
    residency: Residency, device: str, panel_gb: float, kind: str
) -> None:
    memory = PanelMemory(PanelOfBytes(panel_gb * GB, device), residency, lambda _: 10 * GB)
    assert memory.kind == kind


def test_a_panel_that_does_not_fit_says_how_much_is_missing_and_what_to_set() -> None:
    memory = PanelMemory(PanelOfBytes(12.34e9, "cuda:1"), "device", lambda _: 10 * GB)
    with pytest.raises(InputError) as raised:
        _ = memory.kind
    assert str(raised.value) == (
        "data.loader.residency: device needs 12.3 GB for the panel and 1 for the step, 3.3 more than cuda:1 has "
        "free; set pinned, or data.cache.dtype: float16"
    )


def test_where_the_panel_is_is_said_unless_it_is_on_the_host() -> None:
    panel = PanelOfBytes(2.34e9, "cuda:0")
    texts = {kind: PanelMemory(panel, kind, lambda _: 10 * GB).text() for kind in ("auto", "pinned", "host")}
    assert texts == {
        "auto": "2.3 GB of the panel in the memory of cuda:0",
        "pinned": "blocks go to cuda:0 from pinned memory while the step before runs",
        "host": "",
    }


def loader(cache: DayCache, residency: Residency | None, device: str = "cpu") -> BlockLoader:
    days = np.arange(20, 70)
    sampler = BlockSampler(days, cache.manifest.universe_rows, 4, 60, seed=1)
    panel = ResidentPanel(cache, days, 10, device=device)
    return BlockLoader(
        DayBlocks(cache, 10), sampler, memory=None if residency is None else PanelMemory(panel, residency)
    )


@pytest.mark.parametrize(
    ("residency", "device"),
    [
        ("device", "cpu"),
        *(pytest.param(kind, "cuda:0", marks=ON_GPU) for kind in ("device", "pinned", "host")),
    ],
)
def test_a_pass_gives_the_blocks_of_the_host_and_goes_on_in_its_middle(
    residency: Residency, device: str, make_cache: Make
) -> None:
    cache = make_cache()
    host, ours = loader(cache, None), loader(cache, residency, device)
    for each in (host, ours):
        each.load_state_dict({"epoch": 3, "done": 2})
    want, got = list(host), list(ours)
    assert len(got) == len(want) == len(ours.plan) - 2
    for one, other in zip(got, want, strict=True):
        moved = [v.cpu() if isinstance(v, torch.Tensor) else v for v in one]
        torch.testing.assert_close(moved, list(other), rtol=0, atol=0, equal_nan=True)
        assert residency == "host" or one.features.device == torch.device(device)
    assert ours.state_dict() == host.state_dict() and ours.state_dict()["epoch"] == 4
    assert len(list(ours)) == len(ours.plan)


@on_gpu
def test_assembly_on_a_gpu_waits_for_nothing(make_cache: Make) -> None:
    blocks = iter(loader(make_cache(), "device", "cuda:0"))
    next(blocks)  # reads the panel and counts its edges
    torch.cuda.set_sync_debug_mode("error")
    try:
        list(blocks)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_gpu
def test_blocks_are_copied_in_order_one_ahead_of_the_one_asked_for(make_cache: Make) -> None:
    read = []
    cache = make_cache()
    source = (read.append(batch.position) or batch for batch in loader(cache, None))
    copied = copied_ahead(source, torch.device("cuda:0"))
    assert next(copied).position == 0 and read == [0, 1]
    assert [batch.position for batch in copied] == read[1:]
