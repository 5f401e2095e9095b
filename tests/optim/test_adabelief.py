"""AdaBelief: silent, typed, the authors' arithmetic, and no raw first steps."""

import inspect
from copy import deepcopy

import adabelief_pytorch
import pytest
import torch
from torch import nn

from atft.errors import InputError
from atft.optim.adabelief import AdaBelief


def trained(optimizer_class: type, steps: int, **options: object) -> torch.Tensor:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.ones(4))
    optimizer = optimizer_class([weight], lr=0.01, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        ((weight - torch.arange(4.0)) ** 2).sum().backward()
        optimizer.step()
    return weight.detach()


def test_it_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    AdaBelief([nn.Parameter(torch.ones(1))])
    assert capsys.readouterr() == ("", "")


def test_every_argument_is_typed_and_eps_is_the_authors() -> None:
    parameters = inspect.signature(AdaBelief).parameters
    assert all(p.annotation is not inspect.Parameter.empty for p in parameters.values())
    assert parameters["eps"].default == 1e-16


def test_it_steps_as_the_authors_package_does(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"eps": 1e-16, "weight_decouple": True, "fixed_decay": False, "rectify": True}
    settings |= {"degenerated_to_sgd": False, "print_change_log": False}
    original = trained(adabelief_pytorch.AdaBelief, 30, weight_decay=0.1, **settings)
    assert torch.equal(trained(AdaBelief, 30, weight_decay=0.1), original)
    capsys.readouterr()


def test_its_defaults_are_a_rate_of_a_thousandth_and_no_weight_decay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-16, "weight_decay": 0.0, "amsgrad": False}
    settings |= {"degenerated_to_sgd": False, "print_change_log": False}
    one, two = (nn.Parameter(torch.ones(4)) for _ in range(2))
    pairs = (one, AdaBelief([one])), (two, adabelief_pytorch.AdaBelief([two], **settings))
    for _ in range(20):
        for weight, optimizer in pairs:
            optimizer.zero_grad()
            ((weight - torch.arange(4.0)) ** 2).sum().backward()
            optimizer.step()
    assert torch.equal(one, two) and not torch.equal(one, torch.ones(4))
    capsys.readouterr()


def test_the_first_steps_are_never_of_the_gradients_size() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = AdaBelief([weight], lr=1e-3)
    for _ in range(8):
        before = weight.detach().clone()
        optimizer.zero_grad()
        (1000 * weight).sum().backward()
        optimizer.step()
        assert (weight - before).abs().item() < 1
    assert weight.item() < 0, "it moves after the fifth step"


def test_it_reaches_the_minimum() -> None:
    torch.testing.assert_close(trained(AdaBelief, 1500), torch.arange(4.0), atol=0.05, rtol=0)


def test_weight_decay_is_decoupled() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = AdaBelief([weight], lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(1 - 0.1 * 0.5)


def test_a_resumed_run_has_the_same_bits() -> None:
    torch.manual_seed(0)
    ones, twos = nn.Linear(3, 1), nn.Linear(3, 1)
    one, two = AdaBelief(ones.parameters()), AdaBelief(twos.parameters())
    data = torch.randn(20, 8, 3)
    for i, x in enumerate(data):
        if i == 10:
            twos.load_state_dict(ones.state_dict())
            two.load_state_dict(deepcopy(one.state_dict()))
        for network, optimizer in ((ones, one), (twos, two)):
            if network is ones or i >= 10:
                optimizer.zero_grad()
                network(x).square().mean().backward()
                optimizer.step()
    assert torch.equal(ones.weight, twos.weight)


@pytest.mark.parametrize("options", [{"lr": 0.0}, {"betas": (0.9, 1.0)}, {"weight_decay": -1.0}])
def test_numbers_out_of_range_are_errors_of_one_line(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"AdaBelief needs lr > 0, .* got lr="):
        AdaBelief([nn.Parameter(torch.ones(1))], **options)  # type: ignore[arg-type]
