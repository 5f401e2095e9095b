"""Read back what a run has left in its directory: receipt, configuration, metrics, scores, checkpoint."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.callbacks.record.receipt import Receipt, read_receipt
from atft.errors import InputError, listed, one_line
from atft.files.checkpoint_file import BEST
from atft.files.publish import parse_json
from atft.files.yaml_text import read_mapping

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class Run:
    """A run's directory. Frames are read when they are first asked for."""

    directory: Path
    receipt: Receipt
    """What ran, how it ended and why."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as nested mappings."""
        return read_mapping(self.directory / "config.yaml")

    @cached_property
    def metrics(self) -> "polars.DataFrame":
        """One row per epoch, one column per metric; null where an epoch has not measured it."""
        import polars

        epochs = _json(self.directory / "metrics.json").get("epochs", [])
        return polars.DataFrame(epochs, infer_schema_length=None, strict=False)

    @cached_property
    def predictions(self) -> "polars.DataFrame | None":
        """Scores of the days from validation on; None where the run has written none."""
        import polars

        from atft.evaluation.predictions import PREDICTIONS, check_predictions

        path = self.directory / PREDICTIONS
        if not path.is_file():
            return None
        check_predictions(path)
        return polars.read_parquet(path, glob=False)

    @property
    def checkpoint(self) -> Path | None:
        """The selected epoch's weights; None where no epoch was finished."""
        path = self.directory / BEST
        return path if path.is_file() else None


def read_run(directory: str | Path) -> Run:
    """Read the directory of a run, of ``fit``, of a sweep's trial or of `Trainer`, finished or not.

    Raises:
        InputError: there is no run, or its receipt is damaged.
    """
    folder = Path(directory)
    if not (folder / "receipt.json").is_file():
        if folder.is_file() and (folder.parent / "receipt.json").is_file():
            raise InputError(f"{folder}: a file of a run; name its directory, {folder.parent}")
        versions = [path.parent.name for path in folder.glob("*/receipt.json")]
        hint = f"; name one of its runs: {listed(versions)}" if versions else ""
        raise InputError(f"{folder}: no receipt.json there, so it is no run's directory{hint}")
    return Run(folder, read_receipt(folder))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: cannot be read (no mapping)")
    return content
