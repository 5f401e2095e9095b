"""A term of the user's own is tried on noise when the objective is built; a fault is one line."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.errors import InputError
from atft.losses.objective import DayObjective
from atft.losses.options import ObjectiveOptions
from atft.losses.term_check import noise_inputs
from atft.losses.terms import BY_HORIZON, READABLE, TERMS, find_term
from gradient_shares import gradient_shares

LEVELS = (0.1, 0.5, 0.9)


pytestmark = pytest.mark.usefixtures("toypkg")


def objective_of(name: str, **options: float) -> DayObjective:
    terms = {f"toypkg.loss.{name}": {"weight": 1.0, **options}}
    return DayObjective(ObjectiveOptions(terms=terms), (1, 5), LEVELS)


@pytest.mark.parametrize("name", ["tail", "drawn", "moved", "by_quantile", "by_sector", "cap"])
def test_a_term_with_a_value_and_a_gradient_trains_on_a_block(
    name: str, make_batch: Callable[..., DayBatch]
) -> None:
    batch, objective = make_batch(days=4, stocks=12), objective_of(name)
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    forecast = Forecast(score, score[..., None] + torch.tensor(LEVELS))
    value = objective(forecast, batch)
    assert value.loss.shape == (4,) and list(value.terms) == [f"toypkg.loss.{name}"]
    (gradient,) = torch.autograd.grad(value.loss.sum(), score)
    assert gradient.any() != (name == "cap") and not gradient[~batch.valid].any()


def test_its_value_and_share_of_the_gradient_are_those_of_the_same_function_among_ours(
    make_batch: Callable[..., DayBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, own = make_batch(days=4, stocks=12), find_term("toypkg.loss.tail")
    monkeypatch.setitem(TERMS, "ours", own)
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0))
    terms = {
        "ic": 0.5,
        "ours": {"weight": 0.2, "level": 0.1},
        "toypkg.loss.tail": {"weight": 0.2, "level": 0.1},
    }
    objective = DayObjective(ObjectiveOptions(terms=terms), (1, 5))
    values = objective(Forecast(score), batch).terms
    shares = gradient_shares(objective, Forecast(score), batch)
    assert torch.equal(values["ours"], values["toypkg.loss.tail"])
    assert shares["ours"] == shares["toypkg.loss.tail"] > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "per_stock",
            r"returns \[3, 2, 32\], it must be \[days, horizons\], here \[3, 2\]; reduce the last axis",
        ),
        ("a_number", "returns a float; return a floating-point tensor"),
        ("detached", "has no gradient; compute it from score by torch functions, without detach or argsort"),
        ("flat", "has a gradient of 0 on noise; .* flat.hinge = True"),
        ("unmasked", r"counts stocks that are not valid; take the argument valid and use torch.where"),
        ("of_four_stocks", "counts stocks that are not valid"),
        ("quantiles_of_four_stocks", "counts stocks that are not valid"),
        (
            "mean_of_valid",
            r"is not finite on a day without valid stocks; divide by .* valid.sum\(-1\).clamp_min",
        ),
        ("logarithm", "is not finite on noise; divide by what cannot be 0"),
        ("square_root", "has a gradient that is not finite; inside of sqrt, log and divisions replace"),
        ("root_of_gap", "has a gradient that is not finite"),  # of the day's best stock only
        ("by_exposure", "is not finite on noise"),  # some exposures are not known
        (
            "of_all_days",
            "mixes days, a day's value changes with the others; reduce the last axis, the stocks, only",
        ),
        ("of_the_days_returns", "mixes days"),
        ("of_the_day_before", "mixes days"),
        ("raises", r"raises RuntimeError at loss.py line \d+: Expected size"),
    ],
)
def test_a_fault_is_found_before_the_first_step(name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^model.objective.terms: toypkg.loss.{name} {message}") as caught:
        objective_of(name)
    assert len(str(caught.value)) < 200


def test_a_function_itself_is_an_error_that_says_its_name() -> None:
    function: Any = find_term("toypkg.loss.tail").function
    for terms, shares in (({"ic": 0.5, function: 0.2}, {}), ({"ic": 0.5}, {"ic": 1.0, function: 1.0})):
        with pytest.raises(InputError, match=r"has a function; write its dotted name, 'toypkg\.loss\.tail'"):
            ObjectiveOptions(terms=terms, gradient_shares=shares)


def test_a_quantile_term_needs_quantiles() -> None:
    options = ObjectiveOptions(terms={"toypkg.loss.by_quantile": 1.0})
    with pytest.raises(InputError, match=r"toypkg.loss.by_quantile reads quantiles and the network has none"):
        DayObjective(options, (1, 5))


def test_the_noise_has_every_readable_tensor_of_the_shape_that_the_objective_gives_it(
    make_batch: Callable[..., DayBatch],
) -> None:
    batch = make_batch(days=3, stocks=32)
    objective = DayObjective(
        ObjectiveOptions(terms=dict.fromkeys(TERMS.keys() - {"spearman"}, 1.0)), (1, 5), LEVELS
    )
    score = torch.randn(batch.target.shape)
    given = objective._inputs(Forecast(score, score[..., None] + torch.tensor(LEVELS)), batch)
    made = noise_inputs(2, LEVELS)
    assert list(made.keys() & READABLE.keys()) and made.keys() == READABLE.keys() > set(BY_HORIZON)
    for name, tensor in made.items():
        assert (tensor.shape, tensor.dtype) == (given[name].shape, given[name].dtype), name


@pytest.mark.parametrize("name", [n for n in TERMS if n != "scale_floor"])
def test_each_of_our_terms_would_pass(name: str) -> None:
    from atft.losses.term_check import check_on_noise

    term = TERMS[name]
    check_on_noise(name, term, term.arguments, 2, LEVELS)
