"""A step and an evaluation on the meta device: nothing leaves the device, and nothing waits for it.

Tensors of that device have shapes and no values. Whatever asks for one (``item``, a boolean index, ``nonzero``,
``cpu``) would make the CPU wait for a GPU, and a list or number copied to the device would too.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from atft.batch import DayBatch, Forecast
from atft.callbacks.exponential_average import ExponentialAverage
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.late_average import LateAverage
from atft.callbacks.record.gradient_monitor import GradientMonitor
from atft.callbacks.weight_average import WeightAverage
from atft.losses.objective import DayObjective, ObjectiveOptions, measure_shares
from atft.losses.terms import TERMS
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.padded_block import pad_block
from benchmarks.meta_run import META, MetaAutocast, MetaMode, cudnn_lstm, on_meta, train_on_meta
from networks import NETWORKS, small_network
from small_task import SIZES, small_task

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_unique2", "unique_dim", "equal")
"""Operators whose result, or its shape, is a value of the device."""
PRECISIONS = ("32-true", "bf16-mixed")


class HostSync(AssertionError):
    """An operator that makes the CPU wait for the device, and the lines that called it."""


class NoHostSync(MetaMode):
    """Raise `HostSync` at an operator that waits for the device, or that mixes devices."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        here = [x.device == META for x in inputs]
        masked = name.startswith("index") and any(
            isinstance(x, Tensor) and x.dtype == torch.bool for x in tree_leaves(args[1:2])
        )
        if any(here) and (name in WAITS or masked):
            raise HostSync(f"{'a boolean index' if masked else name} waits for the device: {callers()}")
        if any(here) and any(x.ndim and x.device != META for x in inputs):
            raise HostSync(f"{name} mixes devices: {callers()}")
        try:
            result = super().__torch_dispatch__(func, types, args, kwargs)
        except (NotImplementedError, RuntimeError) as error:
            raise HostSync(f"{name}: {error}: {callers()}") from error
        arrives = any(isinstance(x, Tensor) and x.device == META for x in tree_leaves(result))
        if arrives and inputs and not any(here):
            raise HostSync(f"{name} copies to the device: {callers()}")
        return result


class NoNumberCopied(TorchFunctionMode):
    """Raise `HostSync` where a number or a list is made a tensor of the device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and result.device == META:
            raise HostSync(f"{func.__name__} copies numbers to the device: {callers()}")
        return result


@contextmanager
def no_waiting() -> Iterator[None]:
    """Allow no wait for the device."""
    with NoHostSync(), NoNumberCopied():
        yield


def callers() -> str:
    """The innermost lines that are neither torch's nor this file's."""
    inside = (str(Path(torch.__file__).parent), __file__)
    frames = [f for f in traceback.extract_stack() if not f.filename.startswith(inside)]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-4:-1])


@contextmanager
def watched(precision: str) -> Iterator[None]:
    """Allow no wait for the device, in either precision."""
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed")
    with cudnn_lstm(), autocast, MetaAutocast(), no_waiting():
        yield


@pytest.fixture
def batch(make_batch: Callable[..., DayBatch]) -> DayBatch:
    return on_meta(make_batch())


@pytest.mark.parametrize("fault", ["item", "index", "cpu", "copy", "tensor", "mixed"])
def test_the_watch_finds_each_way_to_wait_and_names_the_line(fault: str) -> None:
    x = torch.ones(3, device=META)
    faults: dict[str, Callable[[], Any]] = {
        "item": lambda: float(x.sum()),
        "index": lambda: x[x > 0],
        "cpu": x.cpu,
        "copy": lambda: torch.ones(3).to(META),
        "tensor": lambda: torch.tensor([1.0], device=META),
        "mixed": lambda: x + torch.ones(3),
    }
    with pytest.raises(HostSync), no_waiting():
        faults[fault]()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_waits_forward_or_backward(name: str, precision: str, batch: DayBatch) -> None:
    network: Any = small_network(name).to(META)
    with watched(precision):
        forecast = network(batch)
        forecast.score.sum().backward()
    assert forecast.score.dtype == torch.float32
    assert {p.grad.device for p in network.parameters() if p.grad is not None} == {META}


@pytest.mark.parametrize("encoder", ["lstm", "scan"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_encoder_waits(encoder: Any, precision: str, batch: DayBatch) -> None:
    network = small_network("ATFTGATFAN-fan", encoder=encoder).to(META)
    with watched(precision):
        network(batch).score.sum().backward()


@pytest.mark.parametrize("name", TERMS)
def test_no_term_waits_nor_does_measuring_its_share(name: str, batch: DayBatch) -> None:
    levels = [0.1, 0.5, 0.9]
    options = ObjectiveOptions(terms={name: 1.0, "ic": 0.5}, neutral_to=["sector", "b"])
    objective = DayObjective(options, [1, 5], levels)
    objective.set_columns(["a", "b"], 3)
    objective.to(META)
    score = torch.empty(*batch.target.shape, device=META, requires_grad=True)
    forecast = Forecast(score, score[..., None] + torch.empty(3, device=META))
    with watched("32-true"):
        value = objective(forecast, batch)
        (batch.weight * value.loss).sum().backward()
        measure_shares(objective, forecast, batch)
    assert value.loss.device == META


def test_day_weights_and_members_do_not_wait(batch: DayBatch) -> None:
    options = ObjectiveOptions(recency_half_life_days=50.0, regime_weights={"r": -0.5})
    objective = DayObjective(options, [1, 5])
    rng = torch.Generator().manual_seed(0)
    objective.day_weights.fit(torch.arange(100), torch.rand(100, 1, generator=rng), ["r"])
    objective.to(META)
    members = torch.empty(*batch.target.shape, 3, device=META, requires_grad=True)
    with watched("32-true"):
        objective(Forecast(members.mean(-1), members=members), batch).loss.sum().backward()


@pytest.mark.parametrize(
    ("precision", "average"),
    [
        ("32-true", ExponentialAverage(0.9)),
        ("bf16-mixed", ExponentialAverage(0.9)),
        ("32-true", LateAverage(1)),
    ],
)
def test_no_step_waits_with_guards_clipping_metrics_shares_and_an_average(
    precision: str, average: WeightAverage, make_batch: Callable[..., DayBatch]
) -> None:
    options = ObjectiveOptions(
        terms={"ic": 0.5, "rank_ic": 0.3, "sharpe": 0.2}, gradient_shares={"ic": 0.5, "rank_ic": 0.5}
    )
    task = small_task(objective=options, gradient_clip=1.0, optimizer=partial(torch.optim.AdamW, lr=1e-3))
    blocks = [make_batch(seed=i)._replace(closes_step=i % 2 == 1, position=i) for i in range(4)]
    guards = NonFiniteGuard(), SpikeGuard(), GradientMonitor()
    train_on_meta(task, blocks, precision, *guards, average, watch=no_waiting())
    assert average._average_model is not None and average._average_model.n_averaged == 2
    assert {p.device for p in task.parameters()} == {META}
    assert len(task.train_metrics.table) == len(blocks) and task.step.number == 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_evaluation_waits(precision: str, batch: DayBatch) -> None:
    network = partial(ATFTGATFAN, quantiles=[0.1, 0.5, 0.9], **SIZES)
    task = small_task(network=network, objective=ObjectiveOptions(terms={"ic": 0.5, "pinball": 0.5}))
    task = task.to(META).eval()
    with torch.no_grad(), watched(precision):
        task.validation_step(batch, 0)
        task.test_step(batch, 0)
        forecast = task.predict_step(batch, 0)
    assert forecast.score.device == META and len(task.val_metrics.table) == 1


def test_padding_does_not_wait(batch: DayBatch) -> None:
    with no_waiting():
        assert pad_block(batch).features.device == META
