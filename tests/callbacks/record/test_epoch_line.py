"""An epoch is one line; validation is quiet; nothing moves where no terminal is."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUMBER = r"[+-]\d\.\d{4}"
LINE = re.compile(
    rf"epoch   \d/2   loss \d\.\d{{4}}   val/rank_ic {NUMBER}   val/ic {NUMBER}   val/scale \d\.\d\d   "
    r"[\d,]+ stock-days/s   \d+\.\d s"
)


def test_an_epoch_prints_one_line_and_nothing_else_is_said_while_training(tiny_run: Any) -> None:
    lines = tiny_run.printed.err.splitlines()
    assert len(lines) == 2 and all(LINE.fullmatch(line) for line in lines), lines


def test_the_lines_say_what_the_metrics_file_says(tiny_run: Any) -> None:
    import json

    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    for line, epoch in zip(tiny_run.printed.err.splitlines(), epochs, strict=True):
        assert f"val/rank_ic {epoch['val/rank_ic']:+.4f}" in line
        assert f"loss {epoch['train/loss']:.4f}" in line


def test_no_escape_code_reaches_a_file(tiny_run: Any) -> None:
    assert "\x1b" not in tiny_run.printed.err + tiny_run.printed.out


def test_an_epoch_that_is_finished_from_its_middle_counts_the_time_since_the_resume(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    saver = {"every_n_train_steps": 2, "dirpath": str(tmp_path), "filename": "middle", "save_last": False}
    config = tiny_config(
        tmp_path,
        tiny_run.panel,
        trainer__callbacks=[
            {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": saver}
        ],
    )
    assert atft("fit", "--config", config).code == 0
    resumed = atft("fit", "--config", config, "--ckpt_path", tmp_path / "middle.ckpt")
    assert resumed.code == 0, resumed
    (line,) = [row for row in resumed.err.splitlines() if row.startswith("epoch")]
    assert float(line.split()[-2]) < 60
