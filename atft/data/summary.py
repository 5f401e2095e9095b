"""A few lines of text about a cache, for the command line."""

from collections import Counter

from atft.data.cache import DayCache


def describe(cache: DayCache) -> list[str]:
    """Say what a cache holds: days, stocks, rows, features, graph, bytes.

    Raises:
        InputError: it is not a sound cache.
    """
    m = cache.manifest
    ranked = sum(m.universe_rows)
    ways = ", ".join(f"{n} {way}" for way, n in Counter(m.scaling).items())
    size = sum(f.size for f in m.files.values())
    lines = [
        f"cache     {cache.path}",
        f"days      {len(m.dates):,} ({m.dates[0]} to {m.dates[-1]})",
        f"stocks    {len(m.codes):,} ever in the universe, {ranked / len(m.dates):,.0f} a day; "
        f"{len(m.sectors)} sectors",
        f"rows      {sum(m.observed_rows):,} kept of {m.panel_rows:,}, {ranked:,} in the universe",
        f"features  {len(m.features)} ({ways})",
        f"horizons  {', '.join(map(str, m.horizons))} days, lag {m.lag}"
        f"{', delayed targets' if m.delayed else ''}{', oracle' if m.oracle else ''}",
    ]
    if m.graph is None:
        lines.append("graph     none")
    else:
        lines.append(
            f"graph     {m.graph['k']} nearest + {m.graph['sector_k']} of the sector, window "
            f"{m.graph['window']}, every {m.graph['refresh_days']} weekdays"
        )
        few = int((cache.graph_days < m.graph["window"]).sum())
        if few:
            lines.append(
                f"          {few} of its {len(cache.refreshes)} refreshes saw fewer than {m.graph['window']} days"
            )
    lines += [f"calendar  {line}" for line in m.calendar]
    if m.infinite:
        lines.append(
            f"infinite  {sum(m.infinite.values()):,} cells of {len(m.infinite)} columns made missing"
        )
    return [*lines, f"bytes     {size / 1e9:,.3f} GB"]
