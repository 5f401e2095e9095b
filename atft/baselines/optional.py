"""Packages of the extra ``baselines``, which the program works without."""

from importlib import import_module
from typing import Any

from atft.errors import InputError, one_line


def why_absent(module: str) -> str:
    """Say why a package cannot be imported and what to do, in one line; empty where it can."""
    try:
        import_module(module)
    except ImportError:
        return f"{module} is not installed; run: pip install 'atft[baselines]'"
    except OSError as error:  # a library of the system that it needs
        return f"{module} cannot be loaded ({one_line(error)}); install that library"
    return ""


def load_optional(module: str) -> Any:
    """Import a package of the extra; raises InputError where it is not there."""
    reason = why_absent(module)
    if reason:
        raise InputError(reason)
    return import_module(module)
