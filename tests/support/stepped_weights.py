"""A module of two weights that an average follows, without a trainer."""

from unittest.mock import Mock

import lightning.pytorch as pl
import torch

from atft.callbacks.weight_average import WeightAverage


class Weights(pl.LightningModule):
    """Two weights, and buffers that no mean can be taken of."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (
            torch.nn.Parameter(torch.full((2,), 1e6)),
            torch.nn.Parameter(torch.zeros(1)),
        )
        self.register_buffer("edges", torch.tensor([-torch.inf, 0.0, torch.inf]))
        self.register_buffer("count", torch.tensor(0), persistent=False)


def stepped(average: WeightAverage, values: list[float]) -> tuple[Weights, Weights]:
    """Set the weights to each of the values in turn; the module and its average afterwards."""
    module = Weights()
    average.setup(Mock(spec=pl.Trainer), module, "fit")
    for step, value in enumerate(values, start=1):
        module.first.data.fill_(value)
        module.second.data.fill_(-value)
        module.count.fill_(step)
        trainer = Mock(spec=pl.Trainer, current_epoch=9, global_step=step)
        average.on_train_batch_end(trainer, module, None, None, step)
    assert average._average_model is not None
    return module, average._average_model.module  # type: ignore[return-value]
