"""Messages of third parties are kept back inside the block only."""

import logging
import shutil
import warnings
from pathlib import Path

import lightning.pytorch  # noqa: F401  (sets the level of its loggers on import)
import pytest
from torch.utils.tensorboard import SummaryWriter

from atft.runs.third_parties import third_parties_silenced

MESSAGE = "The dataloader does not have many workers which may be a bottleneck."


def test_a_notebooks_filters_and_loggers_are_as_they_were_after_the_block() -> None:
    logger = logging.getLogger("lightning.pytorch")
    before = list(warnings.filters), logger.level
    with third_parties_silenced():
        warnings.warn(MESSAGE, stacklevel=1)
        assert logger.level == logging.ERROR
    assert (list(warnings.filters), logger.level) == before


def test_a_warning_that_no_row_names_is_still_shown() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with third_parties_silenced():
            warnings.warn("something else", stacklevel=1)
            warnings.warn(MESSAGE, stacklevel=1)
    assert [str(w.message) for w in shown] == ["something else"]


def test_an_error_of_tensorboards_thread_is_not_printed_beside_the_one_that_the_run_gets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with third_parties_silenced():
        writer = SummaryWriter(str(tmp_path / "run"))  # type: ignore[no-untyped-call]
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(FileNotFoundError):
            for step in range(10_000):
                writer.add_scalar("loss", 1.0, step)  # type: ignore[no-untyped-call]
                writer.flush()  # type: ignore[no-untyped-call]
    assert capsys.readouterr().err == ""
