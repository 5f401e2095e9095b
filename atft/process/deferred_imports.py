"""Modules that other packages import and few runs use: their code runs at their first use.

A fit took 5 s to its first step on a warm cache, 4 of them imports. Of those, torchmetrics imports SciPy's signal
processing for a name that one speech metric lacks (.7 s), torch-geometric the catalogue of its data sets, pandas
included (.3 s), and PyArrow writes the documentation of each of its functions (.2 s). All of them stay usable.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

DEFERRED = frozenset({"torch_geometric.datasets", "scipy.signal", "pyarrow.compute"})


class DeferredModule(ModuleType):
    """A module whose code runs when it is asked for an attribute that it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        loader = self.__loader__
        if not isinstance(loader, DeferredLoader) or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        loader.loader.exec_module(self)
        return getattr(self, name)


class DeferredLoader(Loader):
    """Make a deferred module instead of running its code, which ``loader`` would do."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module that knows what to run."""
        module = DeferredModule(spec.name)
        if spec.name == "scipy.signal":
            module.__dict__["hamming"] = _hamming
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet."""


class DeferringFinder(MetaPathFinder):
    """Find the modules of `DEFERRED` as Python does, and defer them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of one of these modules; None of any other, which Python then looks for itself."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in DEFERRED else None
        if spec is not None and spec.loader is not None:
            spec.loader = DeferredLoader(spec.loader)
        return spec


def defer_imports() -> None:
    """Let this process import the modules of `DEFERRED` when they are used; a second call changes nothing."""
    if not any(isinstance(finder, DeferringFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, DeferringFinder())


def _hamming(*arguments: Any, **options: Any) -> Any:
    """SciPy's window under its old name, which torchmetrics gives it where the name is missing."""
    return import_module("scipy.signal.windows").hamming(*arguments, **options)
