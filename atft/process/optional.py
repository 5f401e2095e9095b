"""Packages of the extras, which the program works without."""

from importlib import import_module
from typing import Any

from atft.errors import InputError, one_line


def why_absent(module: str, extra: str) -> str:
    """Say why a package of an extra cannot be imported and what to do, in one line; empty where it can."""
    package = module.partition(".")[0]
    try:
        import_module(module)
    except ImportError as error:
        why = "is not installed" if error.name == package else f"cannot be imported ({one_line(error)})"
        return f"{package} {why}; run: pip install 'atft[{extra}]'"
    except OSError as error:  # a library of the system that it needs
        return f"{package} cannot be loaded ({one_line(error)}); install that library"
    return ""


def load_optional(module: str, extra: str) -> Any:
    """Import a package of an extra; raises InputError where it is not there."""
    reason = why_absent(module, extra)
    if reason:
        raise InputError(reason)
    return import_module(module)
