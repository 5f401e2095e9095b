"""How a run ended, in two words: its status, and the reason with who or what it was.

``limited``: a debugging limit was on. ``stopped``: it ended before its last block, for the reason that stands
beside it. ``failed``: it took no optimiser step. ``completed``: all that was asked for.
"""

from datetime import timedelta
from typing import Any

from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason


def limits(trainer: Any) -> list[str]:
    """What was set to show the network less than a whole run would: ``["limit_train_batches=3"]``."""
    train, val = trainer.limit_train_batches, trainer.limit_val_batches
    reduced = {
        "fast_dev_run": (trainer.fast_dev_run, bool(trainer.fast_dev_run)),
        "overfit_batches": (trainer.overfit_batches, bool(trainer.overfit_batches)),
        # 1.0 is all of them, 1 is one block
        "limit_train_batches": (train, isinstance(train, int) or train != 1.0),
        "limit_val_batches": (val, isinstance(val, int) or val != 1.0),
        "max_steps": (trainer.max_steps, trainer.max_steps != -1),
    }
    return [f"{name}={value}" for name, (value, less) in reduced.items() if less]


def outcome(trainer: Any, epochs: int, stepped: bool, stopped: str = "") -> tuple[str, str]:
    """Status and reason of a run whose training is over.

    Args:
        trainer: the run's.
        epochs: trained in all, those before a resume included.
        stepped: an optimiser step was taken, or none was left to take.
        stopped: why a gate or a sweep ended it; empty where they did not.
    """
    wanted = trainer.max_epochs
    cut = wanted in (None, -1) or epochs < (wanted or 0) or not trainer.is_last_batch
    why = stopped or (stop_reason(trainer) if cut else "")
    reduced = limits(trainer)
    if not stepped:
        none = ["max_epochs=0"] if wanted == 0 else []
        return "failed", "; ".join(filter(None, ["no optimiser step was taken", *none, *reduced, why]))
    if reduced:
        return "limited", "; ".join(filter(None, [", ".join(reduced), why]))
    if why:
        return "stopped", why
    if cut:
        return "stopped", f"{epochs} of {wanted} epochs, for no known reason"
    return "completed", ""


def stop_reason(trainer: Any) -> str:
    """Who asked the trainer to stop, and why; empty where it was asked by none that is known."""
    callbacks: list[Any] = trainer.callbacks
    early = next((c for c in callbacks if isinstance(c, EarlyStopping) and c.stopped_epoch), None)
    asked_by = getattr(trainer, "stopped_by", None) or early
    if isinstance(asked_by, Timer):
        return f"trainer.max_time: {timedelta(seconds=asked_by._duration or 0)} were over"
    if isinstance(asked_by, EarlyStopping):
        if asked_by.stopping_reason == EarlyStoppingReason.PATIENCE_EXHAUSTED:
            best, patience = float(asked_by.best_score), asked_by.patience
            return f"no better {asked_by.monitor} than {best:.4f} for {patience} epochs"
        return str(asked_by.stopping_reason_message).removesuffix(" Signaling Trainer to stop.")
    return f"{type(asked_by).__name__} set trainer.should_stop" if asked_by is not None else ""
