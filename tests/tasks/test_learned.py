"""A checkpoint says which days it learned from, and the ranges of its inputs on them."""

from typing import Any

from atft.data.training_ranges import read_ranges, training_ranges
from atft.files.checkpoint_file import read_checkpoint
from atft.tasks.learned import learned_from
from atft.tasks.ranking import RankingTask


def test_every_checkpoint_of_a_run_carries_what_its_training_days_say(tiny_run: Any) -> None:
    from atft.commands.train import build

    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    for name in ("best_model.ckpt", "last.ckpt"):
        entries = read_checkpoint(tiny_run.directory / name)["atft"]
        assert {key: entries[key] for key in ("days", "ranges")} == learned_from(data)
    assert entries["days"] == {"train": "2015-01-12 2015-02-18", "val": "2015-03-02 2015-03-16"}
    assert read_ranges(entries["ranges"]) == training_ranges(data.open_cache(), data.split.train)


def test_a_task_without_day_data_carries_nothing() -> None:
    assert dict(RankingTask.learned) == {}
