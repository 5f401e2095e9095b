"""What the ``cache`` command prints of a cache, and its check of every byte."""

from collections import Counter
from pathlib import Path

from atft.data.cache import DayCache
from atft.data.manifest import read_manifest
from atft.data.record_file import RecordFile
from atft.progress import track


def cache_lines(cache: DayCache) -> list[str]:
    """Say what a cache holds: days, stocks, rows, features, graph, bytes."""
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
    # The graph's options are those it was built with, whatever the config says today.
    if m.graph is None:
        lines.append("graph     none")
    else:
        window = m.graph["window"]
        lines.append(
            f"graph     {m.graph['k']} nearest + {m.graph['sector_k']} of the sector, window "
            f"{window}, every {m.graph['refresh_days']} weekdays"
        )
        few = int((cache.graph_days < window).sum())
        if few:
            lines.append(
                f"          {few} of its {len(cache.refreshes)} refreshes saw fewer than {window} days"
            )
    lines += [f"calendar  {line}" for line in m.calendar]
    if m.infinite:
        lines.append(
            f"infinite  {sum(m.infinite.values()):,} cells of {len(m.infinite)} columns made missing"
        )
    return [*lines, f"bytes     {size / 1e9:,.3f} GB"]


def verify_cache(path: str | Path) -> int:
    """Read the whole cache once (about a second per gigabyte) and compare every byte with its checksum.

    Returns:
        Records checked: days, and refreshes of the graph.

    Raises:
        InputError: names the first file and record that is missing, truncated, damaged or foreign.
    """
    folder = Path(path)
    checked = 0
    for record in read_manifest(folder).files.values():
        file = RecordFile(folder, record)
        for index in track(range(len(record.crcs)), f"verifying {record.name}"):
            file.check([index])
            checked += 1
    return checked
