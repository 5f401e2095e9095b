"""simulate: write a synthetic market whose best possible score is known."""

from pathlib import Path

from atft.commands.refusals import one_line, remember_keys


def run(command: str, arguments: list[str]) -> int:
    """Simulate a market and say what its ceiling is."""
    from jsonargparse import ArgumentParser

    from atft.market.options import MarketOptions
    from atft.market.write import write_market

    parser = ArgumentParser(
        prog="python -m atft simulate",
        description="Write a synthetic market as a panel; it prints the best IC that any score can reach.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", action="config", help="YAML file of these keys.")
    parser.add_argument("--out", type=str, required=True, help="Parquet file to write.")
    parser.add_argument("--threads", type=int | None, default=None, help="Cap of each numerical pool.")
    parser.add_class_arguments(MarketOptions, None)
    remember_keys(action.dest for action in parser._actions)
    with one_line(command):
        config = parser.parse_args(arguments)
    out, given = config.pop("out"), config.as_dict()
    for key in ("threads", "config"):
        given.pop(key, None)
    print(write_market(Path(out), MarketOptions(**given)))  # noqa: T201
    return 0
