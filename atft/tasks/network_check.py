"""Try a network on noise before the first step: one that somebody else wrote may not run, or may look ahead.

What a type cannot say of ``forward`` is measured on a copy of the network, with a few stocks and days. Nothing of
the run changes: not its weights, not its buffers, not the state of the random generator. A network that cannot be
copied is not tried.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError, clip, one_line
from atft.network import NetworkFactory, NetworkInputs, Pretrainable, Scaling
from atft.nn.ensemble import member_of
from atft.nn.sizes import check_levels
from atft.own_functions import USERS_ERRORS, error_text, no_change_in_place
from atft.tasks.day_data import DayData
from atft.tasks.network_restored import check_restored
from atft.tasks.noise_block import DAYS, STOCKS, noise_block, other_future, other_numbers, other_order
from atft.tasks.ranking import RankingTask

TOLERANCE = 1e-5
"""By how much a day's scores may differ when later days change: the order of a sum, no more."""
ZERO_INIT_NOISE = 0.02
"""Standard deviation that replaces parameters of nothing but zeros, behind which a look-ahead would not show."""
UNKNOWN = {
    "features": "use self.scaling(batch.features, batch.observed)",
    "regime": "use batch.regime.nan_to_num()",
    "exposure": "use batch.exposure.nan_to_num()",
}
"""Inputs that hold NaN where a value is unknown, and what a network does about it."""

NUMBERS = {
    "stock": "a place in this panel's list of codes, which a later panel has for another; do not read it",
    "day": "a place on this panel's calendar, which another panel begins elsewhere; do not read it",
    "sector": "whose numbers are others in another panel; only compare them, or make the sectors features",
}
"""Fields that mean something within one panel only, as messages explain it."""
OF_THE_TRAINING = "which is for the training; do not read it"


class NotCopied(InputError):
    """The network cannot be copied, so it cannot be tried."""


class Trial(NamedTuple):
    """A copy of the network, and how messages name it."""

    where: str
    network: Any

    def call(self, verb: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the user's code; InputError with the line of the user's file where it raises."""
        try:
            return function(*arguments)
        except (InputError, torch.OutOfMemoryError):
            raise
        except USERS_ERRORS as error:
            raise self.fault(f"{verb} raises {error_text(error, self.network.forward)}") from error

    def fault(self, text: str) -> InputError:
        """The error of one line that opens with the network's class."""
        return InputError(f"{self.where}: {text}")

    def forecast(self, batch: DayBatch) -> Forecast:
        """What ``forward`` returns; InputError where that is no forecast of the block, or the block was changed."""
        tensors = {f"batch.{name}": x for name, x in batch._asdict().items() if isinstance(x, Tensor)}
        with no_change_in_place(f"{self.where}: forward", tensors):
            forecast = self.call("forward", self.network, batch)
        if not isinstance(forecast, Forecast) or not isinstance(forecast.score, Tensor):
            raise self.fault(
                f"forward returns a {type(forecast).__name__}; return atft.batch.Forecast(score), a tensor"
            )
        if forecast.score.shape != batch.target.shape:
            raise self.fault(
                f"scores are {list(forecast.score.shape)}, they must be [days, stocks, horizons], here "
                f"{list(batch.target.shape)}"
            )
        self._check_parts(forecast, batch)
        return forecast

    def _check_parts(self, forecast: Forecast, batch: DayBatch) -> None:
        """Check quantiles and members, which have one more axis than the scores, and that all are numbers."""
        block, levels = list(batch.target.shape), len(self.network.quantiles)
        if (forecast.quantiles is None) != (levels == 0):
            raise self.fault(
                f"has {levels} levels of quantiles and forward returns "
                f"{'none' if forecast.quantiles is None else 'some'}; pass their levels to super().__init__ and "
                f"return Forecast(score, quantiles=...)"
            )
        for name, part in forecast._asdict().items():
            if part is None:
                continue
            if not isinstance(part, Tensor) or not part.is_floating_point():
                kind = part.dtype if isinstance(part, Tensor) else type(part).__name__
                raise self.fault(f"{name} of the forecast is {kind}; return a floating-point tensor")
            last = levels if name == "quantiles" else "members"
            if name != "score" and (
                list(part.shape[:-1]) != block or (name == "quantiles" and part.shape[-1] != levels)
            ):
                raise self.fault(
                    f"{name} are {list(part.shape)}, they must be [days, stocks, horizons, {name}], here "
                    f"[{', '.join(map(str, [*block, last]))}]"
                )

    def scores(self, batch: DayBatch) -> Tensor:
        """Scores as an evaluation has them, ``[days, stocks, scores]``: quantiles too, members for their ranks."""
        with torch.no_grad():
            forecast = self.forecast(batch)
        parts = (forecast.score if forecast.members is None else forecast.members, forecast.quantiles)
        return torch.cat([x.float().flatten(2) for x in parts if x is not None], dim=-1)


def check_network_on_noise(task: RankingTask, data: DayData) -> None:
    """Try a task's network on noise of the shapes that its data has, but for days and stocks; see `try_network`."""
    sizes = data.loader_options.lookback, len(data.exposures)
    try_network(member_of(task.network), task.inputs, *sizes, factory=task.network_factory)


def try_network(
    network: nn.Module,
    inputs: NetworkInputs,
    lookback: int = 5,
    exposures: int = 2,
    factory: NetworkFactory | None = None,
) -> None:
    """Score and differentiate noise with a copy of a network, and check what comes out.

    Args:
        network: as built, on any device.
        inputs: what it was built for.
        lookback: days of a window, for which a network may have been sized.
        exposures: number of the block's exposures.
        factory: what it was built by; None: whether a checkpoint would restore it is not tried.

    Raises:
        InputError: ``forward`` is missing, raises, or returns no forecast; quantile levels do not ascend; scores
            are not finite, depend on later days or on the targets, or are not restored from its state; or a
            parameter has no part in them. One line that names the class.
    """
    if getattr(network.forward, "__func__", None) is nn.Module.forward:
        advice = "add forward(self, batch), which returns Forecast(score)"
        raise InputError(f"{_where(network)}: has no forward; {advice}")
    levels: Any = network.quantiles  # those set after super().__init__ have passed no check
    check_levels(levels, f"{_where(network)}: quantiles")
    # Out of memory, the training has a remedy: fewer days at a time.
    with (
        suppress(NotCopied, torch.OutOfMemoryError),
        _trial_on_noise(network, inputs, lookback, exposures) as (trial, batch),
    ):
        _check_scores(trial, batch)
        _check_gradients(trial, batch)
        if factory is not None:
            check_restored(trial, batch, factory, inputs)


def try_states(
    network: nn.Module, inputs: NetworkInputs, lookback: int = 5, exposures: int = 2
) -> tuple[int, list[str]]:
    """Encode noise with a copy of a network, as `try_network` scores it.

    Returns:
        The width of its states, and the parameter groups that they do not use: those of the heads.

    Raises:
        InputError: it has no ``encode``, or that raises or returns no state of each stock-day; or it cannot be
            copied.
    """
    if not isinstance(network, Pretrainable):
        advice = "add encode(self, batch), which returns [days, stocks, width]"
        raise InputError(f"{_where(network)}: has no encode, so pretrain has no state to train; {advice}")
    with _trial_on_noise(network, inputs, lookback, exposures) as (trial, batch):
        # In training a layer may be skipped at random, and would look unused.
        states = trial.call("encode", trial.network.eval().encode, batch)
        shape = list(states.shape) if isinstance(states, Tensor) else type(states).__name__
        if not isinstance(states, Tensor) or states.dim() != 3 or states.shape[:2] != batch.universe.shape:
            raise trial.fault(
                f"encode returns {shape}; return [days, stocks, width], here [{DAYS}, {STOCKS}, width]"
            )
        if not states.requires_grad:
            raise trial.fault("states have no gradient; take detach and no_grad out of encode")
        trial.call("the gradient of encode", states.float().sum().backward)
        groups = trial.network.parameter_groups()
    return states.shape[-1], [name for name, group in groups.items() if all(p.grad is None for p in group)]


def _where(network: nn.Module) -> str:
    kind = type(member_of(network))
    return f"model.network: {clip(f'{kind.__module__}.{kind.__qualname__}', 50)}"


@contextmanager
def _trial_on_noise(
    network: nn.Module, inputs: NetworkInputs, lookback: int, exposures: int
) -> Iterator[tuple[Trial, DayBatch]]:
    """A copy of a network on the CPU, its inputs scaled by nothing and no parameter all zero; and noise for it."""
    where = _where(network)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(0)  # torch.manual_seed would seed the GPUs' too
        try:
            trial = Trial(where, deepcopy(network).cpu())
            for parameter in trial.network.parameters():
                if not parameter.any():
                    nn.init.normal_(parameter, std=ZERO_INIT_NOISE)
        except (RuntimeError, TypeError) as error:
            raise NotCopied(
                f"{where}: cannot be copied ({one_line(error)}); keep plain members only"
            ) from error
        unit = [
            torch.full((len(names),), x) for names in (inputs.features, inputs.regimes) for x in (0.0, 1.0)
        ]
        trial.call("set_scaling", trial.network.set_scaling, Scaling(*unit))
        yield trial, noise_block(inputs, lookback, exposures)


def _check_scores(trial: Trial, batch: DayBatch) -> None:
    """Check that scores are numbers, which the day's own window and stocks decide, in whatever order these come."""
    trial.network.eval()
    scores = trial.scores(batch)
    if not scores[batch.universe].isfinite().all():
        raise trial.fault(_why_not_finite(trial, batch))
    # From the fault that would look like any other to the one that only itself explains.
    if _differs(trial.scores(batch), scores, batch.universe):
        raise trial.fault(
            "scores of one block differ from call to call in eval mode; draw at random only if self.training"
        )
    today = batch.universe & (torch.arange(DAYS) == 0)[:, None]
    labelled = batch._replace(target=1 - batch.target, valid=batch.universe[..., None] & ~batch.valid)
    if _differs(trial.scores(other_future(labelled)), scores, today):
        if _differs(trial.scores(labelled), scores, today):
            raise trial.fault(
                "scores change with batch.target or batch.valid, which hold the future; do not read them"
            )
        raise trial.fault(
            "scores of a day change with rows of later days; let day i read rows i to i + batch.lookback - 1 only"
        )
    if _differs(trial.scores(batch.part(DAYS - 1, DAYS)), scores[-1:], batch.universe[-1:]):
        raise trial.fault(
            "scores of a day change with earlier days of the block; let day i read rows i to i + batch.lookback "
            "- 1 only"
        )
    turned, order = other_order(batch)
    if _differs(trial.scores(turned), scores[:, order], turned.universe):
        raise trial.fault(
            "scores change with the order of the stocks, which means nothing; look for a reshape that mixes stocks"
        )
    for name, numbers in other_numbers(batch).items():
        if _differs(trial.scores(batch._replace(**{name: numbers})), scores, batch.universe):
            raise trial.fault(f"scores change with batch.{name}, {NUMBERS.get(name, OF_THE_TRAINING)}")
    ranked = batch.universe[0].nonzero()[:, 0]
    alone = batch.part(0, 1).of_stocks(ranked)
    if _differs(trial.scores(alone), scores[:1, ranked], alone.universe):
        raise trial.fault(
            "scores of a day change with stocks outside its universe, which an evaluation leaves out; mask what "
            "stocks share by batch.universe"
        )


def _why_not_finite(trial: Trial, batch: DayBatch) -> str:
    known = {name: getattr(batch, name).nan_to_num() for name in UNKNOWN}
    if trial.scores(batch._replace(**known))[batch.universe].isfinite().all():
        for name, advice in UNKNOWN.items():
            holed = batch._replace(**known | {name: getattr(batch, name)})
            if not trial.scores(holed)[batch.universe].isfinite().all():
                return f"scores are not finite where batch.{name} is unknown (NaN); {advice}"
    return "scores are not finite on noise; look for a logarithm, a root or a division by 0"


def _differs(scores: Tensor, others: Tensor, where: Tensor) -> bool:
    """Whether the scores of some stock-days, ``where`` says which, are others."""
    return not torch.allclose(scores[where], others[where], rtol=TOLERANCE, atol=TOLERANCE)


def _check_gradients(trial: Trial, batch: DayBatch) -> None:
    asking = {n: p for n, p in trial.network.named_parameters() if p.requires_grad}
    # A layer that training skips at random is used in evaluation.
    for mode in (True, False):
        trial.network.train(mode)
        total = sum(x.float().sum() for x in trial.forecast(batch) if x is not None)
        if isinstance(total, Tensor) and total.requires_grad:
            trial.call("the gradient of forward", total.backward)
        if all(p.grad is not None for p in asking.values()):
            return
    unused = [name for name, p in asking.items() if p.grad is None]
    if len(unused) == len(asking):
        raise trial.fault("scores have no gradient; take detach, no_grad or a rounding out of forward")
    more = f" (and {len(unused) - 1} more)" if len(unused) > 1 else ""
    raise trial.fault(
        f"parameter {clip(unused[0], 40)}{more} is used by nothing; remove it, or use it in forward"
    )
