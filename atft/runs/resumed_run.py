"""Check a checkpoint before a training resumes from it, of the command line and of Python alike."""

from collections.abc import Mapping
from typing import Any

from atft.errors import InputError, counted
from atft.runs.resumed_keys import check_same_training
from atft.runs.run_trainer import RunTrainer
from atft.tasks.checkpoint_match import check_heads_trained, check_shapes
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask
from atft.tasks.resume_checks import check_resume
from atft.tasks.seen_days import check_unseen


def check_resumed(
    content: Mapping[str, Any],
    file: str,
    trainer: RunTrainer,
    task: RankingTask,
    data: DayData,
    config: str,
    has_phases: bool = False,
) -> bool:
    """Check that a training can go on from a checkpoint; whether its epochs are all done.

    Args:
        content: of the checkpoint.
        file: its name, for messages.
        trainer: of the run.
        task: as built.
        data: what it trains on.
        config: the run's configuration, YAML.
        has_phases: of a curriculum, the first of which decides what the optimiser trains.

    Raises:
        InputError: the checkpoint has weights only, does not match the model, knows days that the run scores, or
            was trained for something else.
    """
    entries = content["atft"]
    check_heads_trained(entries, file)
    check_unseen(entries, file, data)
    if not content.get("optimizer_states"):
        raise InputError(
            f"{file}: holds weights only, training cannot go on from it; train with "
            f"checkpoint.save_weights_only: false"
        )
    check_shapes(content["state_dict"], task.state_dict())
    check_resume(content, trainer, None if has_phases else task.build_optimizer(trainer.max_epochs))
    check_same_training(file, entries.get("config", ""), config)
    return 0 <= trainer.max_epochs <= epochs_done(content)


def epochs_done(content: Mapping[str, Any]) -> int:
    """Epochs that a checkpoint has trained."""
    return int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def all_done(content: Mapping[str, Any], file: str, max_epochs: int) -> InputError:
    """The error of a run that would resume for no epoch."""
    done = counted(epochs_done(content), "epoch")
    return InputError(f"{file}: {done} of trainer.max_epochs {max_epochs} done; raise it to go on")
