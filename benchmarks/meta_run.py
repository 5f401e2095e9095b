"""Training and evaluation on the meta device, where tensors have shapes and no values: what a step costs on a GPU.

A `RankingTask` runs under Lightning's own trainer with its guards, so that what is counted is the whole step. The
LSTM is counted as cuDNN runs it (a product and a pointwise kernel a day), not as the hundreds of operators that it
is made of on other devices. Bytes are those that each operator reads and writes, as if there were no cache.
"""

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry

from atft.batch import DayBatch
from atft.runs.run_trainer import RunTrainer
from atft.runs.third_parties import third_parties_silenced
from atft.tasks.ranking import RankingTask

META = torch.device("meta")
NO_KERNEL = (
    "_unsafe_view",
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "lift_fresh",
)
"""Operators that launch nothing on a GPU, beside views."""


class MetaAccelerator(CPUAccelerator):
    """The CPU's, for a device without values."""

    def setup_device(self, device: torch.device) -> None:
        """Set nothing up."""


class MetaStrategy(SingleDeviceStrategy):
    """One device without values; the module stays there."""

    def __init__(self) -> None:
        super().__init__(device=META, accelerator=MetaAccelerator())

    def teardown(self) -> None:
        """Move nothing back: there are no values to move."""


class _Stream:
    def __init__(self, blocks: list[DayBatch]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[DayBatch]:
        return iter(self.blocks)


class _Enough(Exception):
    """The last block is done: an epoch's end would read values."""


class _StopAfter(pl.Callback):
    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    def on_train_batch_end(self, *_: Any) -> None:
        self.blocks -= 1
        if not self.blocks:
            raise _Enough


def train_on_meta(
    task: RankingTask,
    blocks: Iterable[DayBatch],
    precision: str,
    *callbacks: pl.Callback,
    watch: AbstractContextManager[Any] | None = None,
) -> None:
    """Train a task on some blocks, as a run does, up to the end of the last one.

    Args:
        task: on any device; it is moved to meta.
        blocks: of the same; their values are not read.
        precision: 32-true or bf16-mixed.
        callbacks: of the run, for instance its guards.
        watch: mode in which it trains, a `MetaMode` that counts or raises.
    """
    on_device = [on_meta(block) for block in blocks]
    # Without a length, which Lightning would sum over devices; read ahead, the last one is not the epoch's last.
    loader = _Stream([*on_device, on_device[0], on_device[0]])
    task = task.to(META)
    with third_parties_silenced(), watch or MetaMode():
        _train(task, on_device, loader, precision, callbacks)


def _train(
    task: RankingTask,
    blocks: list[DayBatch],
    loader: _Stream,
    precision: str,
    callbacks: Iterable[pl.Callback],
) -> None:
    silent = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
    trainer = RunTrainer(
        strategy=MetaStrategy(),
        max_epochs=1,
        # Of the CPU: Lightning would take any other accelerator for a GPU that is not there.
        plugins=[MixedPrecision("bf16-mixed", "cpu")] if precision == "bf16-mixed" else [Precision()],
        limit_val_batches=0,
        num_sanity_val_steps=0,
        callbacks=[*callbacks, _StopAfter(len(blocks))],
        **dict.fromkeys(silent, False),
    )
    with suppress(_Enough), cudnn_lstm(), MetaAutocast():
        trainer.fit(task, loader)


def on_meta(batch: DayBatch) -> DayBatch:
    """The same block without values."""
    return DayBatch(*(x.to(META) if isinstance(x, Tensor) else x for x in batch))


@dataclass
class Counts:
    """What operators did."""

    kernels: float = 0
    bytes: float = 0
    """Read and written by them."""
    flop: float = 0
    """Of products of matrices, forward and backward."""
    peak_bytes: int = 0
    """Most that live tensors took at once."""
    by_operator: Counter[str] = field(default_factory=Counter)
    """Bytes of each kind of operator."""


WRITE_ONLY = ("bernoulli_", "copy_", "exponential_", "fill_", "normal_", "random_", "uniform_", "zero_")
"""In-place operators that do not read what they write to."""


def _read(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operator reads, each once: neither what it only writes nor what only lends a shape."""
    name = func.overloadpacket.__name__
    given = zip(func._schema.arguments, args, strict=False)
    named = ((a, kwargs[a.name]) for a in func._schema.arguments if a.name in kwargs)
    read: dict[int, Tensor] = {}
    for argument, value in (*given, *named):
        written = argument.alias_info is not None and argument.alias_info.is_write
        lends_shape = argument.name == "self" and (name.endswith("_like") or name.startswith("new_"))
        if not lends_shape and not (written and (argument.kwarg_only or name in WRITE_ONLY)):
            read |= {id(x): x for x in tree_leaves(value) if isinstance(x, Tensor)}
    return list(read.values())


def _bytes(x: Tensor) -> int:
    """What its numbers take in memory, where an expanded one has fewer than its shape."""
    return min(x.numel() * x.element_size(), x.untyped_storage().nbytes())


class MetaMode(TorchDispatchMode):
    """Let a copy to the CPU that nothing waits for, as `DeviceRead` makes it, give ones."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        copies = func is torch.ops.aten._to_copy.default and options.get("device") == torch.device("cpu")
        if copies and args[0].device == META and options.get("non_blocking"):
            return torch.ones(args[0].shape, dtype=options.get("dtype") or args[0].dtype)
        return func(*args, **options)


class Counting(MetaMode):
    """Count the operators on the meta device; `counts` has what they did."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counts()
        self._live: dict[int, int] = {}
        self._bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_dispatch__(func, types, args, kwargs)
        outputs = [x for x in tree_leaves(result) if isinstance(x, Tensor) and x.device == META]
        for x in outputs:
            self._watch(x)
        returns = [r.alias_info for r in func._schema.returns]
        is_view = bool(returns) and all(alias is not None and not alias.is_write for alias in returns)
        if not outputs or is_view or func.overloadpacket.__name__ in NO_KERNEL:
            return result
        moved = sum(map(_bytes, (*_read(func, args, kwargs or {}), *outputs)))
        formula = flop_registry.get(func.overloadpacket)
        flop = formula(*args, **(kwargs or {}), out_val=result) if formula else 0
        self.add(func.overloadpacket.__name__, 1, moved, flop)
        return result

    def add(self, name: str, kernels: float, moved: float, flop: float) -> None:
        """Add the work of one operator."""
        self.counts.kernels += kernels
        self.counts.bytes += moved
        self.counts.flop += flop
        self.counts.by_operator[name] += moved

    def _watch(self, x: Tensor) -> None:
        storage = x.untyped_storage()
        key = storage._cdata
        if key in self._live:
            return
        self._live[key] = storage.nbytes()
        self._bytes += storage.nbytes()
        self.counts.peak_bytes = max(self.counts.peak_bytes, self._bytes)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self._bytes -= self._live.pop(key, 0)


class MetaAutocast(TorchFunctionMode):
    """What autocast does to a GPU's operators, for tensors of the meta device, which has no autocast of its own.

    Products of matrices read the short format, sums and exponentials float32, and what joins tensors the widest.
    It follows the CPU's autocast, which Lightning and `atft.full_precision` turn on and off.
    """

    SHORT = (
        F.linear,
        torch.matmul,
        Tensor.matmul,
        Tensor.__matmul__,
        Tensor.__rmatmul__,
        torch.einsum,
        torch.bmm,
    )
    FULL = (
        F.layer_norm,
        F.softmax,
        torch.softmax,
        Tensor.softmax,
        Tensor.log_softmax,
        F.softplus,
        Tensor.exp,
    )
    FULL += (Tensor.log, Tensor.pow, Tensor.cumsum, Tensor.sum, torch.sum)
    WIDEST = (torch.cat, torch.stack, torch.addcmul)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        # As torch's autocast, which leaves what writes to a given tensor as it is.
        if not torch.is_autocast_enabled("cpu") or options.get("out") is not None:
            return func(*args, **options)
        short = torch.get_autocast_dtype("cpu")
        if func in self.SHORT:
            args, options = _cast((args, options), short)
        elif func in self.FULL:
            args, options = _cast((args, options), torch.float32)
        elif func in self.WIDEST:
            kinds = {x.dtype for x in tree_leaves((args, options)) if isinstance(x, Tensor)}
            if torch.float32 in kinds and short in kinds:
                args, options = _cast((args, options), torch.float32)
        return func(*args, **options)


def _cast(values: Any, dtype: torch.dtype) -> Any:
    def change(x: Any) -> Any:
        is_number = isinstance(x, Tensor) and x.device == META and x.is_floating_point()
        return x.to(dtype) if is_number and x.dtype in (torch.float32, torch.bfloat16, torch.float16) else x

    return tree_map(change, values)


def _counter() -> Counting | None:
    modes = torch.utils._python_dispatch._get_current_dispatch_mode_stack()
    return next((mode for mode in modes if isinstance(mode, Counting)), None)


class _CudnnLSTM(torch.autograd.Function):
    """One layer over [lookback, rows, hidden]: shapes, and the work that cuDNN does for them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        days, rows, hidden = x.shape
        # Gates, cell and its tanh of each day are kept for the backward pass.
        ctx.save_for_backward(x, x.new_empty(days, rows, 6 * hidden), *weights)
        _count_lstm(x, 1, days * rows * hidden * 8)
        return x.new_empty(days, rows, hidden), x.new_empty(1, rows, hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        x, _, *weights = ctx.saved_tensors
        days, rows, hidden = x.shape
        _count_lstm(x, 2, days * rows * hidden * 18)
        return torch.empty_like(x), *(torch.empty_like(w) for w in weights)


def _count_lstm(x: Tensor, products: int, numbers: int) -> None:
    counter = _counter()
    if counter is not None:
        days, rows, hidden = x.shape
        flop = products * 2 * days * rows * hidden * 8 * hidden
        counter.add("cudnn_lstm", products * 2 * days, numbers * x.element_size(), flop)


@contextmanager
def cudnn_lstm() -> Iterator[None]:
    """Run every LSTM on the meta device as one operator, in the precision that autocast gives it."""
    whole = nn.LSTM.forward

    def forward(self: nn.LSTM, x: Tensor, state: Any = None) -> Any:
        if x.device != META or state is not None or self.num_layers != 1 or self.bidirectional:
            return whole(self, x, state)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        weights = [w.to(x.dtype) for w in self.parameters()]
        history, last = _CudnnLSTM.apply(x, *weights)
        return history, (last, last)

    nn.LSTM.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.LSTM.forward = whole  # type: ignore[method-assign]
