"""A ``class_path`` names a class of the kind that its key asks for, never a function.

The argument parser takes any function that it can import where a class is expected, and calls it: what a config
names would run. So each class is looked up and compared before that: in what the user wrote, for a message that
names the key, and in what the parser made of it. The parser's own list of modules stands behind both.
"""

import inspect
import re
from argparse import Namespace
from collections.abc import Mapping
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

from atft.errors import InputError

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")

CLASSES: dict[str, tuple[str, ...]] = {
    "model.optimizer": ("torch.optim.AdamW", "torch.optim.Optimizer"),
    "model.scheduler": ("atft.optim.schedules.WarmupCosine", "torch.optim.lr_scheduler.LRScheduler"),
    "trainer.callbacks": ("atft.callbacks.late_average.LateAverage", "lightning.pytorch.Callback"),
    "trainer.logger": ("lightning.pytorch.loggers.CSVLogger", "lightning.pytorch.loggers.Logger"),
    "trainer.profiler": (
        "lightning.pytorch.profilers.SimpleProfiler",
        "lightning.pytorch.profilers.Profiler",
    ),
    "trainer.strategy": (
        "lightning.pytorch.strategies.DDPStrategy",
        "lightning.pytorch.strategies.Strategy",
    ),
    "trainer.accelerator": (
        "lightning.pytorch.accelerators.CPUAccelerator",
        "lightning.pytorch.accelerators.Accelerator",
    ),
    "trainer.plugins": (
        "lightning.pytorch.plugins.precision.MixedPrecision",
        "lightning.pytorch.plugins.Precision",
        "lightning.pytorch.plugins.LayerSync",
        "lightning.fabric.plugins.CheckpointIO",
        "lightning.fabric.plugins.ClusterEnvironment",
    ),
}
"""Keys that take a class: an example for messages, then the base classes that it takes."""


def find_class(key: str, class_path: Any) -> type:
    """Import the class that a key names.

    Raises:
        InputError: it is not there, it is no class, or not of the kind that the key asks for.
    """
    example, *bases = CLASSES.get(key, ("",))
    advice = f"; name a class such as {example}" if example else "; name a class"
    if not isinstance(class_path, str) or not DOTTED.fullmatch(class_path):
        raise InputError(f"{key}: {class_path!r:.80} is no dotted path of a class{advice}")
    try:
        kind = _imported(class_path)
    except (ImportError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{key}: no class {class_path!r:.80} ({reason:.80}){advice}") from error
    if not inspect.isclass(kind):
        raise InputError(f"{key}: {class_path} is a {type(kind).__name__}, not a class{advice}")
    kinds = tuple(_imported(base) for base in bases)
    if kinds and not issubclass(kind, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(f"{key}: {class_path} is no {names}{advice}")
    return kind


def check_classes(value: Any, key: str = "") -> None:
    """Check each class that a configuration names, before the parser instantiates any.

    Args:
        value: nested mappings and lists, as a user wrote them or as the parser read them.
        key: dotted key of ``value``; empty for a whole configuration.

    Raises:
        InputError: the first that is no class, or of another kind than its key asks for.
    """
    if isinstance(value, list | tuple):
        for item in value:
            check_classes(item, key)
    elif isinstance(value, Mapping | Namespace):
        for name, inside in (value if isinstance(value, Mapping) else vars(value)).items():
            if name != "class_path":
                check_classes(inside, f"{key}.{name}".lstrip("."))
            elif not (key in CLASSES and isinstance(inside, str) and inside.isidentifier()):
                find_class(key, inside)  # a name without dots is looked up among the classes of the kind
    elif isinstance(value, str) and key in CLASSES:
        if DOTTED.fullmatch(value) and not Path(value).is_file():
            find_class(key, value)
    elif callable(value) and not inspect.isclass(value) and not isinstance(value, PathLike):
        raise InputError(f"{key}: {value!r:.80} is a function; a config names classes only, leave it out")


def _imported(class_path: str) -> Any:
    """What stands at a dotted path, inside of a class too, as the parser looks it up."""
    inside, _, name = class_path.rpartition(".")
    try:
        parent: Any = import_module(inside)
    except ModuleNotFoundError:
        module, _, outer = inside.rpartition(".")
        if not module:
            raise
        parent = getattr(import_module(module), outer)
    return getattr(parent, name)
