"""Make what a config names by ``class_path``, or raise one line that names the class and what it did not accept."""

from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from atft.errors import InputError, one_line

CONSTRUCTION_ERRORS = (
    MisconfigurationException,
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""How a library's class answers arguments that it does not accept, or the absence of a package that it needs."""

ERRORS_OF_OURS = (MisconfigurationException, ValueError)
"""What a class of ours may raise about its arguments, as its base class does; any other error of it is a bug."""


def construct(kind: type, *arguments: Any, **options: Any) -> Any:
    """An instance of a class; InputError where it does not accept its arguments, or needs an absent package."""
    try:
        return kind(*arguments, **options)
    except CONSTRUCTION_ERRORS as error:
        ours = kind.__module__.partition(".")[0] == "atft"
        if isinstance(error, InputError) or (ours and not isinstance(error, ERRORS_OF_OURS)):
            raise
        absent = isinstance(error, ImportError)
        remedy = f"install it, or leave {kind.__name__} out" if absent else "change its arguments"
        raise InputError(f"{kind.__name__}: {one_line(error)}; {remedy}") from error
