"""Read a sweep's YAML as plain values: numbers such as 1e-5 are numbers, dates stay words, no key twice."""

import re
from pathlib import Path
from typing import Any

import yaml

from atft.commands.refusals import mapping_in
from atft.errors import InputError


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as people mean it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands there twice: the first would be lost without a word."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                continue
            key = self.construct_object(key_node)
            if key in seen:
                mark = key_node.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-5 for a word, since it has no dot; and 2015-01-05 for a date, which JSON cannot hold.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in held if tag != "tag:yaml.org,2002:timestamp"]
    for first, held in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        InputError: no such file, no YAML (the message names the line), or no mapping.
    """
    try:
        return mapping_in(path, _Loader)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; name a file with --config") from error


def read_value(text: str) -> Any:
    """What a word on the command line means: ``3`` a number, ``null`` nothing, ``[1, 2]`` a list."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        return text
