"""Stands for ``python -m atft`` in tests of crossval: writes what a run of fit writes, or ends as it is asked to.

The first word is a folder with ``receipt.json`` and ``predictions.parquet`` (or ``NAME.parquet`` of a run), which a
run has left, and ``endings.json``: for the name of a run how each of its starts ends, ``finished`` where none is
named. Only the standard library is imported: a start takes some hundredths of a second.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

MISSING = ["predictions.parquet", "comparison.txt", "final metrics"]


def main(templates: Path, words: list[str]) -> int:
    """End as the file says; the exit status."""
    options = dict(zip(words[1::2], words[2::2], strict=False))
    name = options["--name"]
    folder = Path(options["--trainer.default_root_dir"]) / name
    number = len(list(folder.glob("version_*")))
    with (folder.parent / "starts.jsonl").open("a") as file:
        file.write(json.dumps({"name": name, **options}) + "\n")
    endings = json.loads((templates / "endings.json").read_text())
    ending = endings[name][number] if number < len(endings.get(name, [])) else "finished"
    if ending == "input":
        while ["waits"] in endings.values() and not any(folder.parent.glob("*/waits")):
            time.sleep(0.01)
        print("atft: error: unknown key 'x'; did you mean 'y'?", file=sys.stderr)
        return 2
    if ending == "killed before its folder":
        os.kill(os.getpid(), signal.SIGKILL)
    version = folder / f"version_{number}"
    version.mkdir()
    receipt = json.loads((templates / "receipt.json").read_text())
    receipt |= {"run": str(version), "resumed_from": options.get("--ckpt_path")}

    def write(**changes: Any) -> None:
        beside = version / ".receipt.json"
        beside.write_text(json.dumps(receipt | changes))
        beside.replace(version / "receipt.json")

    write(status="running", missing=MISSING)
    if ending != "killed early":
        (version / "last.ckpt").write_text(name)
    if ending.startswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "failed":
        write(status="failed", missing=MISSING, reason="VarianceCollapse: one score for all")
        return 1
    if ending in ("waits", "ignores"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if ending == "ignores" else lambda *_: sys.exit(143))
        (folder / "waits").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    (version / "best_model.ckpt").write_text(name)
    own = templates / f"{name}.parquet"
    shutil.copy(own if own.exists() else templates / "predictions.parquet", version / "predictions.parquet")
    write(status="completed", missing=[])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
