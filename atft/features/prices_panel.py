"""The panel of some prices, named by what it is made of: the same prices find it again.

Its name is a digest of the bytes of the prices, of the options and of the code that makes it. It is a folder, to
which later days can be appended; it keeps its name then.
"""

from dataclasses import asdict
from pathlib import Path

import atft.features
from atft.features.build import PanelReport, build_panel
from atft.features.options import FeatureOptions
from atft.features.price_files import price_files
from atft.files.digest import file_digest, json_digest
from atft.files.panel_files import FOLDER_LIST

READERS = ("files/cells.py", "files/csv_text.py", "files/dates.py", "files/parquet.py", "trading_days.py")
"""Modules beside those of features that decide which days, stocks and numbers the files of prices have."""


def panel_of_prices(
    prices: Path, options: FeatureOptions, folder: str | Path
) -> tuple[Path, PanelReport | None]:
    """Make the panel of some prices in ``folder`` where it is not there yet.

    Returns:
        The panel's folder, and the report of its making; None where it was there.

    Raises:
        InputError: the prices or an option cannot be used.
    """
    panel = Path(folder) / f"prices-{panel_digest(prices, options)}"
    # The list of its files is written last: without it a killed process has left a part.
    return panel, None if (panel / FOLDER_LIST).is_file() else build_panel(prices, panel, options)


def panel_digest(prices: Path, options: FeatureOptions) -> str:
    """16 digits of what decides a panel: the names and bytes of the files, options, the code that makes it."""
    package = Path(str(atft.features.__file__)).parent
    code = [*sorted(package.glob("*.py")), *(package.parent / name for name in READERS)]
    root = prices if prices.is_dir() else prices.parent
    contents = []
    for file in [*price_files(prices), *code]:
        name = str(file.relative_to(root)) if file.is_relative_to(root) else file.name
        contents.append([name, file_digest(file)])
    return json_digest({"files": contents, "options": asdict(options)})
