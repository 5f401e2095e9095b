"""Status of a run whose training is over, and the reason for it; `Receipt` says what each status means."""

from datetime import timedelta
from typing import Any

from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from atft.errors import counted


def limits(trainer: Any) -> list[str]:
    """Trainer options that show the network less than a whole run: ``["limit_train_batches=3"]``."""
    train, val = trainer.limit_train_batches, trainer.limit_val_batches
    limited = {
        "fast_dev_run": bool(trainer.fast_dev_run),
        "overfit_batches": bool(trainer.overfit_batches),
        # 1.0 is all of them, 1 is one block
        "limit_train_batches": isinstance(train, int) or train != 1.0,
        "limit_val_batches": isinstance(val, int) or val != 1.0,
        "max_steps": trainer.max_steps != -1,
    }
    return [f"{name}={getattr(trainer, name)}" for name in limited if limited[name]]


def run_status(trainer: Any, epochs: int, stepped: bool, stopped: str = "") -> tuple[str, str]:
    """Status and reason of a run whose training is over.

    Args:
        trainer: the run's.
        epochs: trained in all, those before a resume included.
        stepped: an optimiser step was taken, or none was left to take.
        stopped: why a criterion or a sweep ended it; empty where they did not.
    """
    max_epochs, limited = trainer.max_epochs, limits(trainer)
    cut = max_epochs in (None, -1) or epochs < max_epochs or not trainer.is_last_batch
    why = stopped or (stop_reason(trainer) if cut else "")
    if not stepped:
        zero = "max_epochs=0" if max_epochs == 0 else ""
        return "failed", "; ".join(filter(None, ["no optimiser step was taken", zero, *limited, why]))
    if limited:
        return "limited", "; ".join(filter(None, [", ".join(limited), why]))
    if cut and not why:
        why = f"{epochs} of {max_epochs} epochs, for no known reason"
    return ("stopped", why) if why else ("completed", "")


def stop_reason(trainer: Any) -> str:
    """Which callback asked the trainer to stop, and why; empty where none did."""
    early = (c for c in trainer.callbacks if isinstance(c, EarlyStopping) and c.stopped_epoch)
    # Only `RunTrainer` knows who asked.
    asking = getattr(trainer, "stopped_by", None) or next(early, None)
    if isinstance(asking, Timer):
        return f"trainer.max_time: {timedelta(seconds=asking._duration or 0)} were over"
    if isinstance(asking, EarlyStopping):
        if asking.stopping_reason == EarlyStoppingReason.PATIENCE_EXHAUSTED:
            best = float(asking.best_score)
            if getattr(asking, "waits_for_divergence", False):
                return (
                    f"{asking.monitor} was worse than its best, {best:.4f}, by over half of it for "
                    f"{counted(asking.patience, 'epoch')}"
                )
            return f"no better {asking.monitor} than {best:.4f} for {counted(asking.patience, 'epoch')}"
        return str(asking.stopping_reason_message).removesuffix(" Signaling Trainer to stop.")
    return f"{type(asking).__name__} set trainer.should_stop" if asking is not None else ""
