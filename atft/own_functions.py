"""Functions of the user's own, named by a dotted path: imported, checked and tried before the first epoch.

Only ``model.objective.terms`` and ``model.metrics`` name functions. One is called only where its arguments are
tensors that we pass, by their names, so a function of any other library cannot stand there.
"""

import importlib
import inspect
import math
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from atft.errors import InputError, clip, nearest, one_line
from atft.files.yaml_text import is_inside

MAX_QUOTED = 60
"""Characters of a dotted path in a message."""
USERS_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""How a mistake in a user's function or module shows."""
IMPORTERS = {__file__, importlib.__file__}
VALID_SHARE = 0.8
NOISE_SHAPE = (3, 32)
"""Days and stocks of the noise on which a function is tried."""


def check_name(key: str, name: object) -> None:
    """Check that a function is named by its dotted path; the function itself cannot be written to a config.

    Raises:
        InputError: it is the function, or anything else that is no text.
    """
    if isinstance(name, str):
        return
    path = f"{getattr(name, '__module__', '')}.{getattr(name, '__qualname__', '')}"
    importable = callable(name) and "<" not in path and not path.startswith("__main__.")
    advice = (
        f"write its dotted name, {path!r:.80}"
        if importable
        else "write a dotted name such as 'mypkg.loss.tail'"
    )
    raise InputError(f"{key} has {'a function' if callable(name) else f'{name!r:.40}'}; {advice}")


def find_function(key: str, path: str, readable: Collection[str]) -> Callable[..., Any]:
    """Import the function at a dotted path and check its signature; it is not called.

    Args:
        key: where the path is written, for messages.
        path: for instance ``mypkg.loss.tail``.
        readable: names of the tensors that it may take. These have no default; every other argument is an option
            and has a number as its default.

    Raises:
        InputError: it cannot be imported, is no function, or has other arguments.
    """
    where = f"{key}: {clip(path, MAX_QUOTED)}"
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except USERS_ERRORS as error:
        absent = isinstance(error, ModuleNotFoundError) and is_inside(module_name, (str(error.name),))
        advice = "; install its package, or run python -m atft in the folder that has it" if absent else ""
        raise InputError(f"{where} cannot be imported, {error_text(error)}{advice}") from error
    function: Any = getattr(module, name, None)
    if not callable(function) or inspect.isclass(function):
        functions = [n for n, member in vars(module).items() if inspect.isfunction(member)]
        raise InputError(f"{where} is no function of {clip(module_name, 30)}{nearest(name, functions)}")
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError) as error:
        raise InputError(f"{where} has no signature to read; name a function written in Python") from error
    for argument, parameter in parameters.items():
        _check_parameter(where, argument, parameter, readable)
    if not tensor_names(function):
        raise InputError(f"{where} takes no tensor{nearest('', readable)}")
    return cast(Callable[..., Any], function)


def tensor_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a function's arguments without a default, in its order: the tensors that it reads."""
    parameters = inspect.signature(function).parameters.items()
    return tuple(name for name, parameter in parameters if parameter.default is Parameter.empty)


def _check_parameter(where: str, name: str, parameter: Parameter, readable: Collection[str]) -> None:
    default, argument = parameter.default, clip(name, 30)
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        raise InputError(f"{where} takes any arguments by *{argument}; name each one that it needs")
    if default is Parameter.empty:
        if name not in readable:
            raise InputError(f"{where} takes {argument!r}, which is no tensor{nearest(name, readable)}")
        if parameter.kind is Parameter.KEYWORD_ONLY:
            raise InputError(f"{where}: the tensor {argument} is after *; move it before")
    elif name in readable:
        raise InputError(f"{where}: {argument} is a tensor; remove its default")
    elif isinstance(default, bool) or not isinstance(default, int | float) or not math.isfinite(default):
        raise InputError(f"{where}: option {argument} is {default!r:.30} by default; make it a number")
    elif name == "weight" or parameter.kind is Parameter.POSITIONAL_ONLY:
        reason = "is the key of a term's weight" if name == "weight" else "is before /, it has no name"
        raise InputError(f"{where}: option {argument} {reason}; rename or move it")


@contextmanager
def no_change_in_place(where: str, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Check that the user's code in the block changes no tensor in place; the message names it by its key."""
    # Torch counts what changes a tensor in place, but for those of inference mode.
    versions = {name: x._version for name, x in tensors.items() if not x.is_inference()}
    yield
    for name, version in versions.items():
        if tensors[name]._version != version:
            raise InputError(
                f"{where} changes {name} in place, which others read after it; change {name}.clone()"
            )


def call(where: str, function: Callable[..., Any], tensors: Mapping[str, Tensor], **options: float) -> Tensor:
    """Call a user's function of tensors, which have the names and the order of its arguments.

    Raises:
        InputError: it raises (the message has the line of its file), changes a tensor, or returns anything but a
            floating-point tensor.
    """
    try:
        with no_change_in_place(where, tensors):
            value = function(*tensors.values(), **options)
    except InputError:
        raise
    except USERS_ERRORS as error:
        raise InputError(f"{where} raises {error_text(error, function)}") from error
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputError(f"{where} returns {kind}; return a floating-point tensor, one number for each day")
    return value


def error_text(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """Kind, line and text of an error: the innermost line of the function's file, or of an imported one."""
    frames = traceback.extract_tb(error.__traceback__)
    if function is not None:
        code = getattr(inspect.unwrap(function), "__code__", None)
        lines = [(f.filename, f.lineno) for f in frames if code and f.filename == code.co_filename]
    else:
        lines = [
            (f.filename, f.lineno) for f in frames if f.filename not in IMPORTERS and f.filename[0] != "<"
        ]
    if isinstance(error, SyntaxError) and error.filename:
        lines, error = [(error.filename, error.lineno)], SyntaxError(error.msg)
    where = f" at {Path(lines[-1][0]).name} line {lines[-1][1]}" if lines else ""
    text = one_line(error, 70)
    return f"{type(error).__name__}{where}" + (f": {text}" if text else "")


def noise(days: int, horizons: int, stocks: int) -> dict[str, Tensor]:
    """Scores, returns and which stocks are valid ``[days, horizons, stocks]``; on the last day none is.

    A stock that is not valid has a score of 3 and a return of 0.
    """
    rng = torch.Generator().manual_seed(0)
    shape = (days, horizons, stocks)
    valid = torch.rand(shape, generator=rng) < VALID_SHARE
    valid[-1] = False
    score, target = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
    return {"score": torch.where(valid, score, 3.0), "target": torch.where(valid, target, 0), "valid": valid}


def check_days_apart(
    where: str,
    values: Tensor,
    measure: Callable[[Mapping[str, Tensor]], Tensor],
    inputs: Mapping[str, Tensor],
    by_day: Collection[str],
) -> None:
    """Check that a day's ``values`` stay where every other day of the ``inputs`` is a copy of it.

    ``by_day`` are the names of inputs whose first axis is the days; one of length 1 is the same for all. Days
    beyond the length of ``values`` are not checked.
    """
    for day in range(len(values)):
        copies = {n: x[day].expand_as(x) if n in by_day and len(x) > 1 else x for n, x in inputs.items()}
        if not torch.allclose(values[day], measure(copies)[day], rtol=1e-4, atol=1e-6, equal_nan=True):
            raise InputError(
                f"{where} mixes days, a day's value changes with the others; reduce the last axis, the stocks, only"
            )
