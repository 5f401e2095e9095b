"""Docstrings as the site shows them: Sphinx roles become code, formulas become MathML, which browsers draw."""

import re

import griffe
from latex2mathml.converter import convert

MATH = re.compile(r":math:`([^`]+)`")
ROLE = re.compile(r":(?:func|class|meth|data|mod|attr):`~?([^`]+)`")


def plain(text: str) -> str:
    """Write ``:math:`x``` as MathML and ``:func:`~a.b``` as code."""
    text = MATH.sub(lambda m: convert(" ".join(m[1].split())), text)
    return ROLE.sub(lambda m: f"`{m[1]}`", text)


class Roles(griffe.Extension):
    """Rewrite each docstring before mkdocstrings reads it."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)
