"""The gated residual passes what it has not learned, and learns everywhere."""

import torch

from atft.nn.gated_residual import GatedResidual


def test_a_new_block_passes_nearly_what_it_was_given() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 32)
    change = GatedResidual(32, dropout=0.0)(x) - x
    assert 0 < change.std() < 0.2


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    block = GatedResidual(16, dropout=0.0)
    block(torch.randn(20, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters())


def test_each_output_depends_on_every_input_channel() -> None:
    torch.manual_seed(0)
    x = torch.randn(16)
    slope = torch.autograd.functional.jacobian(GatedResidual(16, dropout=0.0), x)
    assert (slope.abs() > 0).all()


def test_leading_dimensions_are_rows() -> None:
    block, x = GatedResidual(8, dropout=0.3).eval(), torch.randn(4, 3, 8)
    torch.testing.assert_close(block(x)[2, 1], block(x[2, 1]))
