"""Compute once what several functions ask of the same tensors: a day's order, which many terms and metrics read.

Within ``sharing_results()`` a function decorated with `shared_result` runs once for the same memory and returns
that result again; elsewhere it is an ordinary function. The numbers are the same bits either way.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast

from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])

_RESULTS: ContextVar[dict[Hashable, tuple[Any, tuple[Tensor, ...]]] | None] = ContextVar(
    "results", default=None
)


@contextmanager
def sharing_results() -> Iterator[None]:
    """Share results until the outermost of these blocks ends; their tensors stay in memory until then."""
    if _RESULTS.get() is not None:
        yield
        return
    token = _RESULTS.set({})
    try:
        yield
    finally:
        _RESULTS.reset(token)


def shared_result(function: Function) -> Function:
    """Let a function of tensors share its results.

    Its result must depend on nothing else, carry no gradient, and never be changed in place.
    """

    @wraps(function)
    def once(*tensors: Tensor) -> Any:
        results = _RESULTS.get()
        if results is None:
            return function(*tensors)
        key = (function, *map(_memory, tensors))
        if key not in results:
            # The tensors are kept too: other values in the memory of a freed one would pass for it.
            results[key] = function(*tensors), tensors
        return results[key][0]

    return cast(Function, once)


def _memory(x: Tensor) -> Hashable:
    """What a tensor's values are read from, and how; a change in place makes it another."""
    version = 0 if x.is_inference() else x._version  # torch counts no changes of inference tensors
    # A tensor without memory (an empty one, one on the meta device) is known by itself.
    return x.data_ptr() or id(x), x.device, x.dtype, x.shape, x.stride(), version
