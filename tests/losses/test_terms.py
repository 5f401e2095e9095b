"""Every row of the table, whatever it is: its tensors exist, it ranks, it has a gradient, it trains a
network.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from atft.batch import DayBatch, Forecast
from atft.cross_section import spearman
from atft.errors import InputError
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.losses.term_check import noise_inputs
from atft.losses.terms import BOUNDS, READABLE, TERMS, Term, find_term, options_of

HORIZONS = [1, 5]
LEVELS = [0.2, 0.5, 0.8]
NAMES = [name for name in TERMS if name != "spearman"]
RANKING = [name for name in NAMES if name not in ("scale_floor", "turnover", "exposure")]
"""Terms that teach the order; the others keep in bounds what these do."""


def alone(name: str, **options: float) -> DayObjective:
    """The objective with this term only, with those of the options that it has; a floor is so high that it acts."""
    has = {**TERMS[name].arguments, **TERMS[name].state_options}
    setting = {"weight": 1.0} | {k: v for k, v in {"floor": 10.0, **options}.items() if k in has}
    return DayObjective(ObjectiveOptions(terms={name: setting}), HORIZONS, LEVELS)


def forecast(score: Tensor) -> Forecast:
    """These scores, and quantiles around them."""
    return Forecast(score, score[..., None] + torch.tensor([-0.5, 0.0, 0.5]))


@pytest.mark.parametrize("name", NAMES)
def test_a_function_reads_readable_tensors_and_explains_itself_and_bounds_are_of_real_options(
    name: str,
) -> None:
    row = TERMS[name]
    assert set(row.reads) <= set(READABLE)
    assert list(inspect.signature(row.function).parameters) == [*row.reads, *row.arguments]
    assert not set(row.state_options) & set(row.arguments) and inspect.getdoc(row.function)
    assert set(BOUNDS) <= {option for other in TERMS.values() for option in other.arguments}


def test_spearman_is_another_name_of_rank_ic() -> None:
    assert TERMS["spearman"] == TERMS["rank_ic"]


def test_an_unknown_term_is_an_error_that_names_the_nearest_or_a_dozen_that_there_are() -> None:
    with pytest.raises(InputError, match=r"no term 'rankic'; did you mean 'rank_ic'\?$"):
        find_term("rankic")
    with pytest.raises(InputError, match=r"no term 'zzz'; known: exposure, huber, ic, .* \(\d+ more\)$"):
        find_term("zzz")


@pytest.mark.parametrize("name", RANKING)
def test_the_term_falls_as_the_ranking_improves(name: str, make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(stocks=200)
    objective = alone(name).eval()
    perfect = objective._inputs(forecast(torch.zeros_like(batch.target)), batch)["target"].movedim(1, -1)
    noise = torch.randn(perfect.shape, generator=torch.Generator().manual_seed(0))
    objective.moments.square.fill_(0.01**2)
    objective.moments.days.fill_(100)
    values = [
        objective(forecast(q * perfect + (1 - q**2) ** 0.5 * noise), batch).loss.mean().item()
        for q in (-1.0, 0.0, 0.3, 0.6, 0.9, 1.0)
    ]
    assert values == sorted(values, reverse=True) and values[0] > values[-1]


@pytest.mark.parametrize("name", NAMES)
def test_invalid_stocks_change_neither_value_nor_gradient(
    name: str, make_batch: Callable[..., DayBatch]
) -> None:
    batch = make_batch(stocks=40, missing=0.3)
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0))
    results = []
    for fill in (0.0, 1e9, torch.nan):
        filled = torch.where(batch.valid, score, fill).requires_grad_()
        loss = alone(name)(forecast(filled), batch).loss
        (gradient,) = torch.autograd.grad(loss.sum(), filled)
        assert gradient[~batch.valid].eq(0).all() and gradient[batch.valid].abs().max() > 0
        results.append((loss.detach(), gradient))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0]) and torch.equal(gradient, results[0][1])


@pytest.mark.parametrize("name", NAMES)
def test_whatever_invalid_stocks_hold_in_any_tensor_changes_nothing(name: str) -> None:
    inputs, row = noise_inputs(len(HORIZONS), LEVELS), TERMS[name]
    options = {n: 10.0 if n == "floor" else value for n, value in row.arguments.items()}
    counted = {
        "score": "valid",
        "target": "valid",
        "realised": "valid",
        "quantiles": "valid",
        "exposure": "valid",
    }
    counted["previous"] = "previous_valid"
    values = []
    for fill in (0.0, -1e9, 1e9, torch.nan):
        filled = dict(inputs)
        for read, by in counted.items():
            flags = inputs[by].unsqueeze(2) if inputs[read].ndim == 4 else inputs[by]
            filled[read] = torch.where(flags, inputs[read], fill)
        filled["sector"] = torch.where(inputs["valid"], inputs["sector"], 3 if fill == 1e9 else 0)
        values.append(row.function(*(filled[read] for read in row.reads), **options))
    assert all(torch.equal(value, values[0]) for value in values) and values[0].ne(0).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_degenerate_day_has_no_gradient_and_its_neighbours_keep_theirs(
    name: str, make_batch: Callable[..., DayBatch]
) -> None:
    batch = make_batch(days=4, stocks=12, missing=0.0)
    valid = batch.valid.clone()
    valid[0], valid[1, 1:] = False, False
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = alone(name)(forecast(score), batch._replace(valid=valid))
    (gradient,) = torch.autograd.grad(value.loss.sum(), score)
    assert value.loss[:2].eq(0).all() and gradient[:2].eq(0).all()
    first = 3 if name == "turnover" else 2  # a book is compared with the day before's
    assert value.loss.isfinite().all() and gradient[first:].abs().amax((1, 2)).gt(0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_score_gives_no_nan(name: str, make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(stocks=12)
    score = torch.full(batch.target.shape, 0.1, requires_grad=True)
    loss = alone(name)(forecast(score), batch).loss
    assert loss.isfinite().all() and torch.autograd.grad(loss.sum(), score)[0].isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_finite_differences(name: str, make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(days=2, stocks=9)
    batch = batch._replace(target=batch.target.double(), weight=batch.weight.double())
    objective = alone(name, anchors=5, temperature=0.3).double().eval()
    objective.moments.square.fill_(0.01**2)
    objective.moments.days.fill_(100)
    rng = torch.Generator().manual_seed(0)
    score = torch.randn(batch.target.shape, generator=rng, dtype=torch.float64).requires_grad_()
    # What a term takes as given (moments, yesterday's scores) is constant; only the rest has a gradient.
    inputs = objective._inputs(forecast(score), batch)
    constant = {k: v.detach() for k, v in inputs.items()}

    def loss(s: Tensor) -> Tensor:
        moved = objective._inputs(forecast(s), batch)
        return objective._term(name, constant | {k: moved[k] for k in ("score", "quantiles") if k in moved})

    assert gradcheck(loss, (score,))


@pytest.mark.parametrize("name", NAMES)
def test_no_tensor_of_stocks_by_stocks_is_made(name: str, make_batch: Callable[..., DayBatch]) -> None:
    stocks = 1500
    batch = make_batch(days=2, stocks=stocks, features=1, lookback=1, edges_per_stock=0)
    sizes: list[int] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, op: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            made = op(*arguments, **(options or {}))
            sizes.extend(t.numel() for t in tree_leaves(made) if isinstance(t, Tensor))
            return made

    score = torch.randn(batch.target.shape).requires_grad_()
    with Watch():
        alone(name)(forecast(score), batch).loss.sum().backward()
    # Two days and two horizons: even one day's stocks x stocks would be more.
    assert sizes and max(sizes) < stocks * stocks


def noisy_linear_market(days: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features [days, stocks, 6] and returns of 2 % deviation whose best possible IC is about 0.45."""
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(days, 60, 6, generator=rng)
    slope = torch.tensor([1.0, -1.0, 0.5, 0.0, 0.0, 0.0]) / 1.5
    return features, 0.02 * (0.5 * features @ slope + torch.randn(days, 60, generator=rng))


@pytest.mark.parametrize("name", RANKING)
def test_a_two_layer_network_trained_on_this_term_alone_learns_to_rank(
    name: str, make_batch: Callable[..., DayBatch]
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    features, returns = noisy_linear_market(days=160, seed=1)
    unseen, later = noisy_linear_market(days=40, seed=2)
    valid = torch.ones(40, 60, dtype=torch.bool)
    template, objective = make_batch(days=8, stocks=60), alone(name)

    def rank_ic() -> float:
        with torch.no_grad():
            return spearman(network(unseen)[..., 0], later, valid).mean().item()

    before = rank_ic()
    for _ in range(4):
        for first in range(0, 160, 8):
            target = returns[first : first + 8, :, None].expand(-1, -1, 2)
            batch = template._replace(target=target, valid=torch.ones_like(target, dtype=torch.bool))
            optimizer.zero_grad()
            objective(forecast(network(features[first : first + 8])), batch).loss.mean().backward()
            optimizer.step()
    assert rank_ic() > max(before + 0.1, 0.35)


def test_what_a_configuration_does_not_set_is_what_the_recorded_runs_had() -> None:
    defaults = {
        "huber": {"delta": 1.0},
        "rank_ic": {"anchors": 200, "temperature": 0.1},
        "ranknet": {"pairs": 32},
        "listnet": {"top": 0.1, "temperature": 1.0},
        "ndcg": {"anchors": 200, "temperature": 0.1, "grades": 5.0},
        "sharpe": {"half_life_days": 250.0},
        "exposure": {"ridge": 10.0},
        "scale_floor": {"floor": 0.05},
    }
    for name in NAMES:
        assert options_of(name, 1.0) == defaults.get(name, {}), name


@pytest.mark.parametrize("annotation", [float, "float"])
def test_an_option_of_type_float_takes_any_number_whatever_its_default_looks_like(annotation: Any) -> None:
    def term(score: Tensor, valid: Tensor, level: float = 2, count: int = 3) -> Tensor:
        return score

    term.__annotations__["level"] = annotation
    arguments = Term(term).arguments
    assert arguments == {"level": 2.0, "count": 3}
    assert isinstance(arguments["level"], float) and isinstance(arguments["count"], int)


# -- terms of the user's own


def test_an_option_of_a_dotted_term_as_a_key_of_its_own_is_answered_with_the_whole_mapping() -> None:
    with pytest.raises(
        InputError, match=r"no term 'mypkg'; write the whole mapping, .*\{weight: 0.2, level: 0.5\}"
    ):
        options_of("mypkg", {"loss.tail.level": 3.0})


@pytest.mark.usefixtures("toypkg")
def test_a_name_with_a_dot_is_a_function_of_the_users_own() -> None:
    term = find_term("toypkg.loss.tail")
    assert term.imported and not term.hinge and term.reads == ("score", "target", "valid")
    assert find_term("toypkg.loss.cap").hinge
    with pytest.raises(InputError, match=r"^model.objective.terms: toypkg.loss.misspelt takes 'taget'"):
        find_term("toypkg.loss.misspelt")


@pytest.mark.usefixtures("toypkg")
@pytest.mark.parametrize("level", [-1.5, 0, 3])
def test_its_options_may_be_any_numbers(level: float) -> None:
    assert options_of("toypkg.loss.tail", {"weight": 1.0, "level": level}) == {"level": float(level)}


@pytest.mark.usefixtures("toypkg")
@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (
            {"toypkg.loss.tail": {"weight": 1.0, "levle": 1.0}},
            r"tail.levle: .* option; did you mean 'level'\?",
        ),
        ({"toypkg.loss.tail": {"weight": 1.0, "level": math.nan}}, "level must be a finite number, got nan"),
        ({"toypkg.loss.tail": {"level": 1.0}}, "toypkg.loss.tail needs a weight beside level"),
        ({"toypkg.loss.tail": -1.0}, "toypkg.loss.tail must be a number >= 0"),
        (
            {"toypkg": {"loss.tail": 0.2}},
            r"no term 'toypkg'; write the whole mapping, with dotted names",
        ),
    ],
)
def test_options_that_it_does_not_take_are_errors(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ObjectiveOptions(terms=terms)
