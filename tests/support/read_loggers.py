"""What MLflow and W&B have kept of a run, as JSON; run by a Python that has both: ``read_loggers.py FOLDER``."""

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def mlflow_run(folder: Path, experiment: str) -> dict[str, Any]:
    """The only run of an experiment in the file store ``folder/mlruns``."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"file:{folder}/mlruns")
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    history = {
        name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    return {"status": run.info.status, "settings": run.data.params, "history": history}


def wandb_run(folder: Path) -> dict[str, Any]:
    """The only offline run of ``folder/wandb``."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    history: dict[str, list[Any]] = {}
    settings, status = {}, "running"
    for data in records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row = values_of(record.history.item)
            for name, value in row.items():
                history.setdefault(name, []).append((row.get("trainer/global_step"), value))
        elif kind == "config":
            settings |= values_of(record.config.update)
        elif kind == "exit":
            status = str(record.exit.exit_code)
    return {"status": status, "settings": settings, "history": history}


def values_of(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def records(data: bytes) -> Iterator[bytes]:
    """Records of LevelDB's log format after W&B's header: pieces with a checksum, a length and a type."""
    assert data[:4] == b":W&B"
    position, record = HEADER, b""
    while position + HEADER <= len(data):
        if BLOCK - position % BLOCK < HEADER:  # the rest of a block is empty
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        piece = data[position + HEADER : position + HEADER + length]
        position += HEADER + length
        record = piece if kind in (FULL, FIRST) else record + piece
        if kind in (FULL, LAST):
            yield record


if __name__ == "__main__":
    place = Path(sys.argv[1])
    print(json.dumps({"mlflow": mlflow_run(place, "ranks"), "wandb": wandb_run(place)}))
