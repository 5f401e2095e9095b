"""Check every byte of a cache against its manifest: what `cache --verify` runs."""

from pathlib import Path

from atft.data.manifest import read_manifest
from atft.data.record_file import RecordFile
from atft.progress import track


def verify_cache(path: str | Path) -> int:
    """Read the whole cache once (about a second per gigabyte).

    Returns:
        Records checked: days, and refreshes of the graph.

    Raises:
        InputError: names the first file and record that is missing, truncated, damaged or foreign.
    """
    folder = Path(path)
    checked = 0
    for record in read_manifest(folder).files.values():
        file = RecordFile(folder, record)
        for place in track(range(len(record.crcs)), f"verifying {record.name}"):
            file.check([place])
            checked += 1
    return checked
