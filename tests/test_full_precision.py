"""Autocast, off inside a block, and the format that it multiplies in."""

import pytest
import torch

from atft.full_precision import full_precision, product_dtype


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_products_are_short_under_autocast_and_whole_inside_of_the_block(device: str) -> None:
    here = torch.device(device)
    assert product_dtype(here, torch.float32) is torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(here, torch.float32) is torch.bfloat16
        with full_precision(here):
            assert product_dtype(here, torch.float32) is torch.float32


def test_inside_of_the_block_a_matrix_product_is_not_rounded_to_bfloat16() -> None:
    x = torch.randn(4, 4)
    with torch.autocast("cpu", torch.bfloat16), full_precision(x.device):
        assert (x @ x).dtype is torch.float32
