"""Windows: the right rows, and no copy."""

import torch

from atft.nn.windows import windows


def test_each_day_reads_the_lookback_rows_that_end_with_it() -> None:
    rows = torch.randn(10, 3, 2)
    view = windows(rows, days=4)
    assert view.shape == (7, 4, 3, 2)
    for day in range(4):
        assert torch.equal(view[:, day], rows[day : day + 7])


def test_windows_are_a_view_of_the_same_memory() -> None:
    rows = torch.randn(10, 3, 2)
    assert windows(rows, days=4).data_ptr() == rows.data_ptr()
    assert windows(rows, days=4).untyped_storage().nbytes() == rows.untyped_storage().nbytes()


def test_a_row_gathers_gradient_from_every_window_that_holds_it() -> None:
    rows = torch.randn(6, 1, 1, requires_grad=True)
    windows(rows, days=3).sum().backward()
    assert rows.grad is not None
    assert rows.grad[:, 0, 0].tolist() == [1, 2, 3, 3, 2, 1]
