"""Try a term of the user's own on noise when the objective is built: a fault is one line, and costs no epoch.

The noise has what real blocks have: stocks that are not valid, a day without any, a block's first day without a day
before it, unknown exposures.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from atft.errors import InputError
from atft.losses.portfolio import day_before
from atft.losses.terms import BY_HORIZON, Term
from atft.own_functions import NOISE_SHAPE, call, check_days_apart, noise

EXPOSURES, SECTORS = 2, 4


def check_on_noise(
    name: str, term: Term, options: Mapping[str, float], horizons: int, levels: Sequence[float]
) -> None:
    """Call a term once and check its value and its gradient at the network's output.

    Args:
        name: its dotted path.
        term: its function.
        options: values of the function's options.
        horizons: number of them.
        levels: of the network's quantiles, empty without.

    Raises:
        InputError: it raises, its value has another shape, is not finite or changes with other days, or its
            gradient is 0, not finite, or not 0 for stocks that are not valid.
    """
    where = f"model.objective.terms: {name}"
    inputs = noise_inputs(horizons, levels)
    outputs = [inputs[output].requires_grad_() for output in ("score", "quantiles")]
    with torch.enable_grad():
        value = _value(where, term, inputs, options)
    _check_value(where, value, (NOISE_SHAPE[0], horizons))
    check_days_apart(where, value, lambda of: _value(where, term, of, options), inputs, BY_HORIZON)
    if not value.requires_grad:
        raise InputError(
            f"{where} has no gradient; compute it from score by torch functions, without detach or argsort"
        )
    # What a term does not read has no gradient.
    score, quantiles = torch.autograd.grad(value.sum(), outputs, allow_unused=True)
    by_stock = [gradient for gradient in (score, quantiles) if gradient is not None]
    if not all(gradient.isfinite().all() for gradient in by_stock):
        raise InputError(
            f"{where} has a gradient that is not finite; inside of sqrt, log and divisions replace what is 0 "
            f"by torch.where"
        )
    if not term.hinge and not any(gradient.any() for gradient in by_stock):
        raise InputError(
            f"{where} has a gradient of 0 on noise; compute it from score, or mark a bound: "
            f"{name.rpartition('.')[2]:.30}.hinge = True"
        )
    invalid = ~inputs["valid"]
    if (score is not None and score[invalid].any()) or (
        quantiles is not None and quantiles.movedim(2, -1)[invalid].any()
    ):
        raise InputError(
            f"{where} counts stocks that are not valid; take the argument valid and use torch.where(valid, x, 0)"
        )


def _value(where: str, term: Term, inputs: Mapping[str, Tensor], options: Mapping[str, float]) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # a term may draw; each call draws the same
        return call(where, term.function, {read: inputs[read] for read in term.reads}, **options)


def _check_value(where: str, value: Tensor, shape: tuple[int, int]) -> None:
    if value.shape != shape:
        raise InputError(
            f"{where} returns {list(value.shape)}, it must be [days, horizons], here {list(shape)}; reduce the "
            f"last axis, the stocks"
        )
    if not value.isfinite().all():
        on = "noise" if not value[:-1].isfinite().all() else "a day without valid stocks"
        raise InputError(
            f"{where} is not finite on {on}; divide by what cannot be 0, such as valid.sum(-1).clamp_min(1)"
        )


def noise_inputs(horizons: int, levels: Sequence[float]) -> dict[str, Tensor]:
    """Every tensor of `atft.losses.terms.READABLE`, of noise."""
    days, stocks = NOISE_SHAPE
    inputs = noise(days, horizons, stocks)
    score, target, valid = inputs["score"], inputs["target"], inputs["valid"]
    rng = torch.Generator().manual_seed(1)
    exposure = torch.randn(days, horizons, EXPOSURES, stocks, generator=rng)
    exposure[..., :2] = torch.nan
    level = torch.tensor(list(levels), dtype=score.dtype)
    return {
        **inputs,
        "realised": 0.02 * target,
        "return_mean": torch.full((1, horizons), 0.001),
        "return_square": torch.full((1, horizons), 0.0001),
        "quantiles": score[:, :, None] + level[:, None] - 0.5,
        "previous": day_before(score),
        "previous_valid": day_before(valid),
        "exposure": exposure,
        "sector": torch.arange(stocks).remainder(SECTORS).sub(1).expand(days, horizons, -1),
        "levels": level,
    }
