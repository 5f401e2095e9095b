"""Messages of Lightning, torch and TensorBoard that would only disturb our lines, kept back."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning.pytorch  # noqa: F401  (resets its loggers on import)

IGNORED_WARNINGS = (
    ".*LeafSpec.*",
    ".*does not have many workers.*",  # in-process loading is the measured best on small machines
    ".*Trying to infer the `batch_size`.*",
    ".*`weights_only` was not set.*",
    ".*Checkpoint directory .* exists and is not empty.*",  # last.ckpt and config.yaml share the run's folder
    ".*Experiment logs directory .* exists and is not empty.*",  # the TensorBoard logger made it
    ".*have no `val_dataloader`.*",
    ".*It is recommended to use `self.log.*sync_dist=True.*",  # what is logged is the same on all ranks
    ".*Grad strides do not match bucket view strides.*",  # costs a copy of a weight of hidden size squared
    ".*no pre-optimization state was saved.*",  # a checkpoint holds the weights after its step
    ".*smaller than the logging interval.*",  # an epoch's values are logged however short it is
    ".*Be aware that when using `ckpt_path`.*",  # only training selects and stops; scoring needs the weights
)
"""Messages of third parties that would only disturb our lines, each with its reason."""
LOGGERS = ("lightning.pytorch", "lightning.fabric")
"""Loggers of which errors alone are shown."""


def _print_thread_error(args: threading.ExceptHookArgs) -> None:
    """Print the error that ended a thread, but TensorBoard's: the next value that is logged raises it again."""
    if type(args.thread).__module__ != "tensorboard.summary.writer.event_file_writer":
        threading.__excepthook__(args)


def silence_third_parties() -> None:
    """Keep these messages back for the rest of the process, as a command does."""
    from jsonargparse._deprecated import JsonargparseDeprecationWarning

    # Lightning 2.6 calls jsonargparse functions that only version 5 removes; the bound in pyproject is below 5.
    warnings.filterwarnings("ignore", category=JsonargparseDeprecationWarning)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    threading.excepthook = _print_thread_error
    for message in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


@contextmanager
def third_parties_silenced() -> Iterator[None]:
    """Keep these messages back inside the block, and leave the caller's filters and loggers as they were."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels, hook = [logger.level for logger in loggers], threading.excepthook
    with warnings.catch_warnings():
        silence_third_parties()
        try:
            yield
        finally:
            threading.excepthook = hook
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
