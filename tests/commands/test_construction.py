"""A class that does not accept its arguments is named in one line."""

import pytest
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging
from lightning.pytorch.loggers import CSVLogger

from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.commands.construction import construct
from atft.data.graph import GraphOptions
from atft.errors import InputError


class NeedsAPackage:
    """A logger whose package is not installed."""

    def __init__(self) -> None:
        raise ModuleNotFoundError(
            "Requirement 'wandb>=0.12' not met. HINT: Try running `pip install -U wandb`"
        )


def test_an_instance_is_what_the_class_makes() -> None:
    assert construct(CSVLogger, save_dir="here").save_dir == "here"


def test_a_class_that_does_not_accept_its_arguments_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^EarlyStopping: `mode` can be min, max, got x; change its arguments$"
    ):
        construct(EarlyStopping, monitor="val/ic", mode="x")
    with pytest.raises(InputError, match=r"^EMAWeightAveraging: .*; change its arguments$"):
        construct(EMAWeightAveraging, device="word")
    with pytest.raises(InputError, match=r"^checkpoint: `mode` can be min, max but got x"):
        construct(RunCheckpoint, monitor="val/ic", mode="x")


def test_an_absent_package_is_named() -> None:
    with pytest.raises(InputError, match=r"^NeedsAPackage: Requirement 'wandb.*leave NeedsAPackage out$"):
        construct(NeedsAPackage)


def test_a_class_of_ours_says_itself_what_is_wrong_and_a_bug_stays_one() -> None:
    with pytest.raises(InputError, match=r"^graph\.k and"):
        construct(GraphOptions, k=0, sector_k=0)
    with pytest.raises(TypeError):
        construct(RunCheckpoint, no_such_argument=1)
