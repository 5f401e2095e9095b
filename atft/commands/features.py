"""features: daily prices to a panel of features, forward returns, exposures and a universe."""

from atft.commands.flat_options import parse_flat


def run(command: str, arguments: list[str]) -> int:
    """Read prices, pass the gates, write the panel, and say what was excluded."""
    from atft.features.build import build_panel
    from atft.features.options import FeatureOptions

    description = (
        "Turn daily prices (date, code, open, high, low, close, volume, optional sector) into a panel."
    )
    paths = {"prices": "Parquet or CSV file of daily prices.", "out": "Parquet file to write."}
    (prices, out), options = parse_flat(command, description, paths, FeatureOptions, arguments)
    print("\n".join(build_panel(prices, out, options).lines()))  # noqa: T201
    return 0
