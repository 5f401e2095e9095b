"""A dotted key of a configuration."""

from typing import Any


def set_at(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Set a dotted key of a nested mapping, over whatever stands in its way; the mapping."""
    *parents, last = key.split(".")
    inside = config
    for parent in parents:
        if not isinstance(inside.get(parent), dict):
            inside[parent] = {}
        inside = inside[parent]
    inside[last] = value
    return config
