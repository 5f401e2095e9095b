"""A ``class_path`` names a class of the kind that its key asks for, never a function; one that fails is named.

The argument parser takes any function that it can import where a class is expected, and calls it: what a config
names would run. So each class is looked up and compared before that: in what the user wrote, for a message that
names the key, and in what the parser made of it. The parser's own list of modules comes last.
"""

import inspect
import re
from argparse import Namespace
from collections.abc import Mapping
from importlib import import_module
from os import PathLike
from pkgutil import iter_modules, resolve_name
from typing import Any

from jsonargparse._typehints import is_subclass_or_implements_protocol

from atft.errors import InputError, clip, nearest, one_line
from atft.files.yaml_text import DOTTED, is_inside

EXAMPLES = {
    "model.network": "atft.nn.atft_gat_fan.ATFTGATFAN",
    "model.optimizer": "torch.optim.AdamW",
    "model.scheduler": "atft.optim.schedules.WarmupCosine",
    "trainer.callbacks": "atft.callbacks.late_average.LateAverage",
    "trainer.logger": "lightning.pytorch.loggers.CSVLogger",
    "trainer.profiler": "lightning.pytorch.profilers.SimpleProfiler",
    "trainer.strategy": "lightning.pytorch.strategies.DDPStrategy",
    "trainer.accelerator": "lightning.pytorch.accelerators.CPUAccelerator",
    "trainer.plugins": "lightning.pytorch.plugins.precision.MixedPrecision",
}
"""Keys that take a class: an example for messages."""


def construction_errors(ours: bool = False) -> tuple[type[Exception], ...]:
    """How a library's class answers arguments that it does not accept, or the absence of a package that it needs.

    Args:
        ours: what a class of ours may raise about its arguments, as its base class does; any other error is a bug.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    if ours:
        return MisconfigurationException, ValueError
    builtin = ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError
    return MisconfigurationException, *builtin


def find_class(key: str, class_path: Any, bases: tuple[Any, ...] = ()) -> type:
    """Import the class that a key names; where there are ``bases``, classes or protocols, it is of one of them.

    Raises:
        InputError: it is not there, it is no class, or of no base; the message has an example.
    """
    from atft.own_functions import USERS_ERRORS  # imports torch, which few commands need

    example = EXAMPLES.get(re.sub(r"\[\d+\]|\+", "", key))
    advice = f"; name a class such as {example}" if example else "; name a class"
    if not isinstance(class_path, str) or not DOTTED.fullmatch(class_path):
        raise InputError(f"{key}: {class_path!r:.80} is no dotted path of a class{advice}")
    try:
        kind = resolve_name(class_path)
    except USERS_ERRORS as error:
        raise InputError(f"{key}: {_why_absent(class_path, bases, advice)}") from error
    if not inspect.isclass(kind):
        raise InputError(f"{key}: {class_path} is a {type(kind).__name__}, not a class{advice}")
    if bases and not _is_of(kind, bases):
        names = " or ".join(base.__name__ for base in bases)
        raise InputError(f"{key}: {class_path} is no {names}{advice}")
    lacking = sorted(getattr(kind, "__abstractmethods__", ()))
    if lacking:
        what = "it" if len(lacking) == 1 else "them"
        raise InputError(f"{key}: {class_path} has no {', '.join(lacking)}; add {what}")
    return kind


def _is_of(kind: type, bases: tuple[Any, ...]) -> bool:
    return any(is_subclass_or_implements_protocol(kind, base) for base in bases)


def _why_absent(class_path: str, bases: tuple[Any, ...], advice: str) -> str:
    """Say what of a dotted path is not there, and what to do; its module is imported again for its own error."""
    from atft.own_functions import USERS_ERRORS, error_text

    module_name, _, name = class_path.rpartition(".")
    what = f"no class {class_path!r:.80}"
    try:
        module = import_module(module_name)
    except USERS_ERRORS as error:
        absent = str(getattr(error, "name", None))
        if not isinstance(error, ModuleNotFoundError) or not is_inside(module_name, (absent,)):
            return f"{what}: {clip(module_name, 40)} cannot be imported, {error_text(error)}"
        if absent == module_name.partition(".")[0]:
            return f"{what}: no module {absent!r:.30}; install its package into this environment"
        parent, _, last = absent.rpartition(".")
        inside = [m.name for m in iter_modules(getattr(import_module(parent), "__path__", ()))]
        return f"{what}: no module {last!r:.30} in {clip(parent, 30)}{nearest(last, inside)}"
    kinds = [k for k in vars(module).values() if inspect.isclass(k) and k.__module__.startswith(module_name)]
    fitting = [k.__name__ for k in kinds if not bases or _is_of(k, bases)]
    return f"{what}{nearest(name, fitting) if fitting else advice}"


def check_classes(value: Any, key: str = "") -> None:
    """Check that a configuration, as the parser read it, has no function in a class's place or as a value.

    Nor may a class lack an argument: the parser gives None for one that has neither type nor default.
    """
    if isinstance(value, list | tuple):
        for item in value:
            check_classes(item, key)
    elif isinstance(value, Mapping | Namespace):
        items = value if isinstance(value, Mapping) else vars(value)
        for name, inside in items.items():
            if name == "class_path":
                _check_untyped(key, find_class(key, inside), items.get("init_args"))
            else:
                check_classes(inside, f"{key}.{name}".lstrip("."))
    elif callable(value) and not inspect.isclass(value) and not isinstance(value, PathLike):
        raise InputError(
            f"{key}: {value!r:.80} is a function; a config names classes only; name one, or take this argument "
            f"out of your class"
        )


def _check_untyped(key: str, kind: type, given: Any) -> None:
    """Check that no argument of a class which has neither type nor default is None."""
    try:
        declared = inspect.signature(kind).parameters
    except ValueError:  # a class of C's
        return
    for name, value in (given if isinstance(given, Mapping) else vars(given or Namespace())).items():
        argument = declared.get(name)
        if value is None and argument and argument.default is argument.annotation is inspect.Parameter.empty:
            raise InputError(
                f"{key}.init_args.{name} has no value, and {kind.__name__} has no default for it"
            )


def construct(kind: type, /, *arguments: Any, **options: Any) -> Any:
    """An instance of a class; InputError where it does not accept its arguments, or needs an absent package."""
    try:
        return kind(*arguments, **options)
    except construction_errors() as error:
        from atft.network import constructor_fault

        ours = kind.__module__.partition(".")[0] == "atft"
        if isinstance(error, InputError) or (ours and not isinstance(error, construction_errors(ours))):
            raise
        fault = constructor_fault(kind, error)
        if fault is not None:
            raise InputError(fault) from error
        absent = isinstance(error, ImportError)
        remedy = f"install it, or leave {kind.__name__} out" if absent else "change its arguments"
        said = one_line(error)
        if isinstance(error, LookupError | AttributeError | ArithmeticError):  # says little without its line
            from atft.own_functions import error_text

            said = error_text(error)
        raise InputError(f"{kind.__name__}: {said}; {remedy}") from error
