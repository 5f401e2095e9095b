"""The number of sectors: the panel's where it is known, else what a block shows."""

from collections.abc import Callable

import torch

from atft.batch import DayBatch, Forecast
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.losses.sector_count import known_sectors, sector_count


def test_a_block_shows_sectors_up_to_its_highest_and_the_panel_says_how_many_there_are() -> None:
    sector = torch.tensor([[0, 2, -1]])
    assert sector_count(sector) == 3 and sector_count(sector[:, :0]) == 0
    with known_sectors(7):
        assert sector_count(sector) == 7
        with known_sectors(None):
            assert sector_count(sector) == 3
        assert sector_count(sector) == 7
    assert sector_count(sector) == 3


def test_sectors_that_no_stock_of_the_block_has_change_no_loss(make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch(stocks=30)
    options = ObjectiveOptions(terms={"exposure": 0.5, "ic": 0.5}, neutral_to=["sector"])
    forecast = Forecast(torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0)))
    losses = []
    for sectors in (3, 9):
        objective = DayObjective(options, [1, 5])
        objective.set_columns(["a", "b"], sectors)
        losses.append(objective(forecast, batch).loss)
    objective = DayObjective(options, [1, 5])
    for loss in losses:
        torch.testing.assert_close(loss, objective(forecast, batch).loss)
