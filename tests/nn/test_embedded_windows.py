"""Windows share the rows of their span, and add what is their own."""

import torch

from atft.nn.embedded_windows import EmbeddedWindows, windows


def test_the_last_day_is_its_row_and_its_residual() -> None:
    rows, residual, projection = torch.randn(8, 4, 3), torch.randn(3, 3, 4, 2, 5), torch.randn(3, 5)
    window = EmbeddedWindows(rows, 3, residual, projection)
    for day in range(3):
        expected = rows[5 + day] + residual[-1, day, :, -1] @ projection.T
        torch.testing.assert_close(window.last_day()[day], expected)


def test_without_a_residual_the_last_day_is_its_row() -> None:
    window = EmbeddedWindows(torch.randn(8, 4, 3), 3)
    assert torch.equal(window.last_day(), window.rows[-3:])


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
