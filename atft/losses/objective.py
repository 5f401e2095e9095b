"""The per-day objective: terms x horizons, weighed and added up to one number per day.

Each horizon's cross-section has its own valid stocks; a horizon that a day cannot rank drops out and the others
share its weight; everything is computed in float32 or better, whatever the network's precision. Cost:
`benchmarks/loss_speed.py` prints it by term.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.cross_section import known_values, stocks_last
from atft.errors import InputError, nearest
from atft.full_precision import full_precision
from atft.losses.balancing import rebalanced
from atft.losses.day_weights import DayWeights
from atft.losses.neutral_targets import NeutralTargets
from atft.losses.options import ObjectiveOptions, check_term_weights, horizon_shares
from atft.losses.portfolio import book_return, day_before
from atft.losses.running_moments import RunningMoments, block_moments
from atft.losses.sector_count import known_sectors
from atft.losses.targets import target_transform
from atft.losses.term_check import check_on_noise
from atft.losses.terms import BY_HORIZON, TERMS, find_term, options_of
from atft.option_types import check_type
from atft.shared_results import sharing_results

RANKABLE_STOCKS = 2
"""Valid stocks from which a cross-section has an order."""


class ObjectiveValue(NamedTuple):
    """The loss of each day of a block, and what it was made of."""

    loss: Tensor
    """float [days]; 0, without a gradient, for a day that no horizon can rank."""
    terms: dict[str, Tensor]
    """Each term's own value [days], horizons weighed, before its weight; detached."""


class DayObjective(nn.Module):
    """Weigh terms and horizons into one loss per day.

    ``loss[day] = sum over terms, horizons of weight[term] * share[day, horizon] * term[day, horizon]``, where
    the shares are the horizon weights of those horizons for which the day has at least two valid stocks,
    summing to 1; times the day's own weight, where ages or regimes are weighed (`DayWeights`). While training,
    a block that closes an optimiser step also moves the `RunningMoments` of the book's return, by the step's blocks
    of all ranks. A day is measured against the moments of earlier steps only. Of an ensemble
    each member has this loss, and a day's loss is their mean; the book is that of the averaged score.

    Args:
        options: terms and weights.
        horizons: trading days ahead, in the order of the last axis of scores and targets.
        quantiles: levels of the network's quantile heads; empty without.

    Raises:
        InputError: ``horizon_weights`` does not fit the horizons, a term reads quantiles and there are none, or a
            term of the user's own does not give a finite value and gradient on noise.
    """

    horizon_weights: Tensor
    levels: Tensor

    def __init__(
        self, options: ObjectiveOptions, horizons: Sequence[int], quantiles: Sequence[float] = ()
    ) -> None:
        super().__init__()
        check_type("model.objective", options, ObjectiveOptions)
        self.options = options
        self.horizons = tuple(horizons)
        self.term_weights = options.weights
        """Each term's present weight; :meth:`set_weights` and :meth:`balance` change it in place."""
        self.terms = {name: find_term(name) for name in options.terms}
        self._reads = {tensor for term in self.terms.values() for tensor in term.reads}
        if self._reads & {"quantiles", "levels"} and not quantiles:
            names = [n for n, term in self.terms.items() if {"quantiles", "levels"} & set(term.reads)]
            raise InputError(
                f"model.objective.terms: {', '.join(names)} reads quantiles and the network has none; leave the "
                f"term out, or take a network with quantile heads: "
                f"model.network.init_args.quantiles: [0.1, 0.5, 0.9]"
            )
        self.day_weights = DayWeights(options.recency_half_life_days, options.regime_weights)
        self.register_buffer("levels", torch.tensor(list(quantiles)), persistent=False)
        weights = torch.tensor(horizon_shares(options.horizon_weights, self.horizons))
        self.register_buffer("horizon_weights", weights, persistent=False)
        self._term_options = {name: options_of(name, setting) for name, setting in options.terms.items()}
        half_life = self._term_options.get("sharpe", TERMS["sharpe"].state_options)["half_life_days"]
        self.moments = RunningMoments(len(self.horizons), half_life)
        self.neutral_targets = NeutralTargets(options.neutral_to)
        # Of the panel; where their number is not known each block is asked, which waits for a GPU.
        self.sectors: int | None = None
        self._transform = target_transform(options.target)
        for name, term in self.terms.items():
            if term.imported:
                check_on_noise(name, term, self._term_options[name], len(self.horizons), quantiles)

    def forward(self, forecast: Forecast, batch: DayBatch) -> ObjectiveValue:
        """Compute the loss of each day of a block from its forecast."""
        with full_precision(forecast.score.device), sharing_results():
            inputs = self._inputs(forecast, batch)
            if self.training:
                self.moments.observe(block_moments(inputs["earned"]))
                if batch.closes_step:
                    self.moments.close_step()
            values = {name: self._term(name, inputs) for name in self.options.terms}
            start = inputs["earned"].new_zeros(len(inputs["earned"]))
            loss = sum((self.term_weights[n] * v for n, v in values.items()), start)
            if self.day_weights.active:
                loss = loss * self.day_weights(batch.day, batch.regime).to(loss.dtype)
        return ObjectiveValue(loss, {n: v.detach() for n, v in values.items()})

    def set_columns(self, exposures: Sequence[str], sectors: int) -> None:
        """Take the names of the batches' exposures, in their order, and the number of the panel's sectors.

        Raises:
            InputError: targets are neutral to an exposure that is not among them.
        """
        self.neutral_targets.set_columns(exposures)
        self.sectors = sectors

    def targets(self, realised: Tensor, valid: Tensor, batch: DayBatch) -> Tensor:
        """Transform raw returns ``[days, horizons, stocks]`` to what scores are compared with; 0 where invalid."""
        with known_sectors(self.sectors):
            neutral = self.neutral_targets(realised, valid, batch.sector, batch.exposure)
        return self._transform(neutral, valid)

    def compared(self, batch: DayBatch) -> Tensor:
        """What the quantiles of a block are compared with, ``[days, stocks, horizons]``; NaN where invalid."""
        valid = stocks_last(batch.valid)
        realised = known_values(stocks_last(batch.target.float()), valid)
        targets = self.targets(realised, valid, batch)
        return torch.where(valid, targets, torch.nan).movedim(1, -1)

    def set_weights(
        self,
        terms: Mapping[str, float] | None = None,
        horizons: Mapping[int, float] | Sequence[float] | None = None,
    ) -> None:
        """Set the weights of terms and horizons from the next block on; not in a checkpoint.

        Args:
            terms: weights by name; the others get their configured weights, so an empty mapping restores all. A
                term of weight 0 is still computed and reported. None changes nothing.
            horizons: as ``horizon_weights`` of the options. None changes nothing.

        Raises:
            InputError: an unknown name, a weight below 0 or not finite, nothing above 0, or horizons that do
                not fit; terms of an objective that balances its weights by ``gradient_shares``.
        """
        if terms is not None:
            if self.options.gradient_shares:
                raise InputError(
                    "model.objective.gradient_shares adapts the terms' weights and a phase sets them; leave out one"
                )
            for name in terms:
                if name not in self.term_weights:
                    raise InputError(
                        f"model.objective.terms has no term {name!r} to weigh{nearest(name, self.term_weights)}"
                    )
            weights = {**self.options.weights, **terms}
            check_term_weights(weights)
            self.term_weights.update(weights)
        if horizons is not None:
            self.horizon_weights.copy_(torch.tensor(horizon_shares(horizons, self.horizons)))

    def balance(self, shares: Mapping[str, float]) -> None:
        """Adapt the weights towards the ``gradient_shares`` of the options; without any, nothing changes.

        ``shares`` is what :func:`gradient_shares` measured, the mean over all ranks. The weights are then part of
        the training's state: a checkpoint has to keep ``term_weights``.
        """
        requested = self.options.gradient_shares
        self.term_weights.update(rebalanced(self.term_weights, shares, requested, self.options.weights))

    def _inputs(self, forecast: Forecast, batch: DayBatch) -> dict[str, Tensor]:
        """Everything that a term may read, stocks last (see ``READABLE``), and the book's return ``earned``.

        Of an ensemble each member stands as a further horizon; ``earned`` is that of the averaged score.
        """
        score = forecast.score if forecast.score.dtype == torch.float64 else forecast.score.float()
        score, valid = score.movedim(-1, 1).contiguous(), stocks_last(batch.valid)
        realised = known_values(stocks_last(batch.target.to(score.dtype)), valid)
        with torch.no_grad():
            earned = book_return(score, realised, valid)
        inputs = {
            "score": score,
            "target": self.targets(realised, valid, batch),
            "realised": realised,
            "valid": valid,
            "earned": earned,
            **self.moments.before(block_moments(earned)),
        }
        if self._reads & {"quantiles", "levels"}:
            if forecast.quantiles is None:
                raise InputError("model.objective.terms: a term reads quantiles and the forecast has none")
            inputs["quantiles"] = forecast.quantiles.to(score.dtype).permute(0, 2, 3, 1)
            inputs["levels"] = self.levels.to(score.dtype)
        if self._reads & {"previous", "previous_valid"}:
            # Yesterday's book is given: only today's is chosen, and a block's first day is free.
            known = torch.zeros_like(valid) if batch.joined else day_before(valid)
            inputs |= {"previous": day_before(score.detach()), "previous_valid": known}
        if self._reads & {"exposure", "sector"}:
            each = len(self.horizons)
            exposure = batch.exposure.to(score.dtype).movedim(-1, 1)
            inputs["exposure"] = exposure[:, None].expand(-1, each, -1, -1)
            inputs["sector"] = batch.sector[:, None].expand(-1, each, -1)
        return inputs if forecast.members is None else self._by_member(inputs, forecast.members)

    def _by_member(self, inputs: dict[str, Tensor], members: Tensor) -> dict[str, Tensor]:
        """The inputs of an ensemble's members, each horizon followed by those of its members as if it were many."""
        # Folded into the horizons: one pass over all members, and days stay neighbours for terms that look back.
        each = {n: x.repeat_interleave(members.shape[-1], 1) for n, x in inputs.items() if n in BY_HORIZON}
        score = members.to(inputs["score"].dtype).permute(0, 2, 3, 1).flatten(1, 2).contiguous()
        previous = {"previous": day_before(score.detach())} if "previous" in inputs else {}
        return {**inputs, **each, "score": score, **previous}

    def _term(self, name: str, inputs: dict[str, Tensor]) -> Tensor:
        """One term's value ``[days]``, horizons weighed."""
        term = self.terms[name]
        options = {option: self._term_options[name][option] for option in term.arguments}
        with known_sectors(self.sectors):
            value = term.function(*(inputs[tensor] for tensor in term.reads), **options)
        rankable = inputs["valid"].sum(-1) >= RANKABLE_STOCKS
        weights = self.horizon_weights.repeat_interleave(rankable.shape[1] // len(self.horizons))
        weights = torch.where(rankable, weights.to(value.dtype), 0)
        # A horizon that the day cannot rank leaves its weight to the others; all are 0 where none can be ranked.
        shares = weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)
        return (shares * value).sum(-1)


def measure_shares(objective: DayObjective, forecast: Forecast, batch: DayBatch) -> Float[Tensor, " terms"]:
    """Measure each term's share of the loss's gradient at the network's output; shares sum to 1, or are all 0.

    The norm of the weighted term's gradient at the scores (quantiles, members' scores) over the sum of all terms'
    norms, day weights included. Costs one forward and backward of the terms, none of the network; the running
    moments stay.
    """
    forecast = forecast.map(lambda output: output.detach().requires_grad_())
    outputs = [output for output in forecast if output is not None]
    norms = []
    with torch.enable_grad(), full_precision(forecast.score.device), sharing_results():
        inputs = objective._inputs(forecast, batch)
        day_weight = batch.weight * objective.day_weights(batch.day, batch.regime).to(batch.weight.dtype)
        for name, weight in objective.term_weights.items():
            value = (objective._term(name, inputs) * day_weight).sum() * weight
            # A term may read scores or quantiles only; what it does not read has no gradient.
            gradients = torch.autograd.grad(value, outputs, retain_graph=True, allow_unused=True)
            norms.append(torch.stack([g.double().norm() for g in gradients if g is not None]).norm())
    measured = torch.stack(norms)
    # Added up one after the other: another order would round another way.
    total = sum(norms, torch.zeros_like(norms[0]))
    return torch.where(total > 0, measured / torch.where(total > 0, total, 1), 0)
