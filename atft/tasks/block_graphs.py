"""Replay all that a block of training does on a GPU, from network to gradient, as two CUDA graphs.

Launched one by one, the 800 to 1,900 operators of a block take a CPU 5 to 15 ms, longer than many a block takes the
GPU. The first block of a shape runs as usual, the second is captured, later ones are replayed. Blocks are padded to
a few shapes (`atft.tasks.padded_block`). The gradient is added to buffers of fixed addresses, which are the
parameters' ``grad`` while a step is open; running moments move in place. What the capture has fixed, the terms'
weights and the parts that are on, is captured again when it changes. Graphs share their memory, which stays taken.

Used on one CUDA device, without a loss scaler. A network that reads a value of the device while it runs cannot be
captured: a line says so, and its blocks run as usual.
"""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from atft.batch import DayBatch, Forecast
from atft.losses.objective import ObjectiveValue
from atft.tasks.padded_block import fill_block, pad_block, padded_sizes

MAX_GRAPHS = 12
"""Shapes that are captured; blocks of others run as usual."""
Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""From work on fixed tensors to what repeats it on them."""


class BlockResult(NamedTuple):
    """What a replayed block leaves, until the next one; without a graph."""

    forecast: Forecast
    value: ObjectiveValue


class _Graph:
    """The block of one shape: fixed inputs, the work on them, and its results."""

    def __init__(
        self, task: Any, batch: DayBatch, gradients: dict[Parameter, Tensor], capture: Capture
    ) -> None:
        self.inputs = pad_block(batch)
        self.result: BlockResult
        self.measured: Tensor
        """Its days' metrics, as `CrossSectionMetrics.measure` gives them."""
        self.gradients = gradients
        self._task = task
        # Two graphs: what a guard reads of the loss is on its way to the CPU while the backward pass runs.
        self.forward = capture(self._forward)
        self.backward = capture(self._backward)

    def _forward(self) -> None:
        task, kind = self._task, self.inputs.features.device.type
        # Casts of the weights that autocast keeps would be those of the capture for ever.
        autocast = torch.autocast(
            kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind), cache_enabled=False
        )
        with autocast:
            forecast: Forecast = task(self.inputs)
            value: ObjectiveValue = task.objective(forecast, self.inputs)
            self._loss = (self.inputs.weight * value.loss).sum()
        self.result = BlockResult(forecast.detach(), value._replace(loss=value.loss.detach()))

    def _backward(self) -> None:
        gradients = torch.autograd.grad(self._loss, list(self.gradients))
        torch._foreach_add_(list(self.gradients.values()), list(gradients))
        del self._loss  # and with it what the forward pass has kept
        score = self.result.forecast.score
        self.measured = self._task.train_metrics.measure(score, self.inputs.target, self.inputs.valid)

    def score(self, batch: DayBatch) -> BlockResult:
        """Run the forward pass of a block."""
        fill_block(self.inputs, batch)
        self.forward()
        stocks, result = len(batch.stock), self.result
        return result._replace(forecast=result.forecast.map(lambda x: x[:, :stocks]))


class BlockGraphs:
    """The graphs of a task's training blocks.

    Args:
        on: whether to make any.
        device_type: type of the devices on which they are made.
        capture: makes a graph of work on fixed tensors; a test repeats the work itself.
    """

    def __init__(self, on: bool = True, device_type: str = "cuda", capture: Capture | None = None) -> None:
        self.on, self.device_type = on, device_type
        self.failure = ""
        """Why nothing is captured any more."""
        self._capture = capture or _CudaCapture()
        self._graphs: dict[Hashable, _Graph] = {}
        self._trained: dict[Hashable, list[Parameter]] = {}
        """Shapes that have run once, with the parameters that got a gradient."""
        self._gradients: dict[Parameter, Tensor] = {}
        self._fixed: Hashable = None
        self._parameters: tuple[Any, tuple[Parameter, ...]] = None, ()
        """Of which network, and its parameters."""

    def __deepcopy__(self, memo: Any) -> "BlockGraphs":
        """A copied task (averaged weights are one) has other parameters, and no graphs of them."""
        return BlockGraphs(self.on, self.device_type, self._capture)

    def train(self, task: Any, batch: DayBatch) -> tuple[Forecast, Tensor | None]:
        """Score a block and add its gradient to its step's, by a graph where there is one.

        Args:
            task: the `RankingTask` that trains.
            batch: on the task's device.

        Returns:
            The forecast without a graph; and the metrics of its days, where a graph has measured them.
        """
        graph = self._graph(task, batch) if self._usable(task) else None
        if graph is None:
            forecast = task.training_chunks.run(task.add_gradient, batch, task)
            if self.on:
                trained = [p for p in task.network.parameters() if p.grad is not None]
                self._trained[_shape(batch)] = trained
            return forecast, None
        self._attach(graph.gradients)
        result = graph.score(batch)
        task.step.set_value(result.value, batch)
        # Lightning calls what callbacks do before and after a backward pass; that of this number is the graph's.
        trigger = torch.zeros((), requires_grad=True)
        trigger.register_hook(lambda _: graph.backward())  # type: ignore[no-untyped-call]
        task.manual_backward(trigger)
        return result.forecast, graph.measured

    def _usable(self, task: Any) -> bool:
        trainer = task.trainer
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        one = task.device.type == self.device_type and trainer.world_size == 1
        return self.on and one and scaler is None and task.training_chunks.days is None

    def _graph(self, task: Any, batch: DayBatch) -> _Graph | None:
        if self._parameters[0] is not task.network:  # walking through its modules takes longer than a replay
            self._parameters = task.network, tuple(task.network.parameters())
        fixed = _fixed_by_capture(task, self._parameters[1])
        if fixed != self._fixed:
            self._fixed, self._graphs, self._trained = fixed, {}, {}
        shape = _shape(batch)
        graph = self._graphs.get(shape)
        if graph is None and shape in self._trained and not self.failure and len(self._graphs) < MAX_GRAPHS:
            graph = self._made(task, batch, shape)
        return graph

    def _made(self, task: Any, batch: DayBatch, shape: Hashable) -> _Graph | None:
        for parameter in self._trained[shape]:
            if parameter not in self._gradients:
                self._gradients[parameter] = torch.zeros_like(parameter)
        gradients = {p: self._gradients[p] for p in self._trained[shape]}
        try:
            graph = self._graphs[shape] = _Graph(task, batch, gradients, self._capture)
        except (RuntimeError, torch.OutOfMemoryError) as error:  # what CUDA raises at a forbidden operation
            self.failure = str(error).splitlines()[0]
            return None
        return graph

    def _attach(self, gradients: dict[Parameter, Tensor]) -> None:
        """Let the buffers be the parameters' gradients, with what the step has added up so far."""
        new = []
        for parameter, buffer in gradients.items():
            if parameter.grad is None:
                new.append(buffer)
            elif parameter.grad is not buffer:
                buffer.copy_(parameter.grad)
            parameter.grad = buffer
        if new:
            torch._foreach_zero_(new)


class _CudaCapture:
    """Capture work on the current device; the graphs share their memory, since one runs at a time."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        with torch.cuda.graph(graph, pool=self._pool):
            work()
        replay: Callable[[], None] = graph.replay
        return replay


def _shape(batch: DayBatch) -> Hashable:
    """What of a block must be equal for it to use the same graph."""
    kinds = (batch.features, batch.target, batch.exposure, batch.regime)
    return (batch.closes_step, *padded_sizes(batch), *((len(x), *x.shape[2:], x.dtype) for x in kinds))


def _fixed_by_capture(task: Any, parameters: tuple[Parameter, ...]) -> Hashable:
    """What of a task a capture makes constant."""
    kind = task.device.type
    return (
        task.training,
        tuple(task.objective.term_weights.items()),
        tuple(task.network.parts.items()),
        tuple(p.data_ptr() for p in parameters if p.requires_grad),
        torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind),
    )
