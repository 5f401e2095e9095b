"""features: daily prices to a panel of features, forward returns, exposures and a universe."""

from pathlib import Path

from atft.commands.refusals import one_line, remember_keys


def run(command: str, arguments: list[str]) -> int:
    """Read prices, pass the gates, write the panel, and say what was excluded."""
    from jsonargparse import ArgumentParser

    from atft.features.build import build_panel
    from atft.features.options import FeatureOptions

    parser = ArgumentParser(
        prog="python -m atft features",
        description="Turn daily prices (date, code, open, high, low, close, volume, optional sector) into a panel.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", action="config", help="YAML file of these keys.")
    parser.add_argument("--prices", type=str, required=True, help="Parquet or CSV file of daily prices.")
    parser.add_argument("--out", type=str, required=True, help="Parquet file to write.")
    parser.add_argument("--threads", type=int | None, default=None, help="Cap of each numerical pool.")
    parser.add_class_arguments(FeatureOptions, None)
    remember_keys(action.dest for action in parser._actions)
    with one_line(command):
        config = parser.parse_args(arguments)
    given = config.as_dict()
    prices, out = Path(given.pop("prices")), Path(given.pop("out"))
    for key in ("threads", "config"):
        given.pop(key, None)
    report = build_panel(prices, out, FeatureOptions(**given))
    print("\n".join(report.lines()))  # noqa: T201
    return 0
