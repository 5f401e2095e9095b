"""simulate: write a synthetic market whose best possible score is known."""

from atft.commands.flat_options import parse_flat


def run(command: str, arguments: list[str]) -> int:
    """Simulate a market and print the score of its oracle."""
    from atft.market.options import MarketOptions
    from atft.market.write import write_market

    description = "Write a synthetic market as a panel; it prints the best IC that any score can reach."
    (out,), options = parse_flat(
        command, description, {"out": "Parquet file to write."}, MarketOptions, arguments
    )
    print(write_market(out, options))  # noqa: T201
    return 0
