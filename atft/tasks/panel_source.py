"""Where the panel comes from: a file, or a simulated market that is written when the data is prepared.

Parsing a config builds nothing: feature names come from the Parquet footer, or from the market's options.
"""

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from atft.errors import InputError
from atft.files.frames import write_frame
from atft.files.panel_files import footer_names
from atft.market.options import MarketOptions, market_columns, market_digest
from atft.market.write import write_market
from atft.option_types import check_option_types
from atft.panel import PanelSchema, check_excluded, feature_names

if TYPE_CHECKING:
    from atft.features.options import FeatureOptions


@dataclass(frozen=True)
class PanelOptions:
    """Where the panel comes from: a file, or a simulated market.

    Args:
        path: a Parquet file, a folder of them, or a glob.
        simulate: options of a simulated market, instead of a path.
        schema: which column plays which role.
    """

    path: str | None = None
    simulate: MarketOptions | None = None
    schema: PanelSchema = field(default_factory=PanelSchema)

    def __post_init__(self) -> None:
        check_option_types("data.panel", self, (PathLike,))

    @classmethod
    def from_frame(cls, frame: Any, schema: PanelSchema | None = None, folder: str | Path = "cache") -> Self:
        """Write a frame to a panel file in ``folder`` that its content names; the same frame is written once.

        Args:
            frame: Polars (eager or lazy), pandas (the named levels of its index are columns) or Arrow.
            schema: which column plays which role; None: the default names.
            folder: where the file goes; that of the caches by default.

        Raises:
            InputError: it is no frame, or the file cannot be written.
        """
        schema = schema or PanelSchema()
        return cls(str(write_frame(frame, folder, keys=[schema.date, schema.code])), None, schema)

    @classmethod
    def from_prices(
        cls, prices: Any, options: "FeatureOptions | None" = None, folder: str | Path = "cache"
    ) -> Self:
        """Make the panel of daily prices in ``folder``, named by what it is made of; the same prices find it again.

        Args:
            prices: what ``features --prices`` takes: a file, a folder or a glob; or a frame of such columns:
                Polars, pandas (also yfinance's, of prices and tickers) or Arrow.
            options: how prices become a panel; None: the defaults.
            folder: where the panel goes; that of the caches by default.

        Raises:
            InputError: the prices or an option cannot be used.
        """
        from atft.features.options import FeatureOptions
        from atft.features.prices_panel import panel_of_prices

        named = isinstance(prices, str | Path)
        path = Path(prices) if named else write_frame(prices, folder, pairs=True)
        panel, _ = panel_of_prices(path, options or FeatureOptions(), folder)
        return cls(str(panel))


def panel_features(panel: PanelOptions) -> list[str]:
    """Names of the features that the network will read, from the footer or the market's options.

    Raises:
        InputError: neither or both sources are given, nothing is at the path, or no column is a feature.
    """
    return list(feature_names(panel.schema, column_names(panel), panel.path or "simulated market"))


def check_excludes(panel: PanelOptions) -> None:
    """Check the names that a panel's schema excludes; those of a cache without its panel are not known."""
    if panel.path is not None or panel.simulate is not None:
        check_excluded(panel.schema, column_names(panel), panel.path or "simulated market")


def panel_path(panel: PanelOptions, folder: str) -> str:
    """The panel's path; a simulated market is written into ``folder`` first where it is missing."""
    _check_source(panel)
    if panel.simulate is None:
        return str(panel.path)
    path = Path(folder) / f"market-{market_digest(panel.simulate)}.parquet"
    if not path.exists():
        write_market(path, panel.simulate)
    return str(path)


def column_names(panel: PanelOptions) -> tuple[str, ...]:
    """Names of the panel's columns, from the footer or the market's options."""
    _check_source(panel)
    if panel.simulate is not None:
        return market_columns(panel.simulate)
    return footer_names(str(panel.path))


def _check_source(panel: PanelOptions) -> None:
    if (panel.path is None) == (panel.simulate is None):
        raise InputError("data.panel needs either path (a panel file) or simulate (options of a market)")
