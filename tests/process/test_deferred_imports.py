"""Deferred modules are imported when they are used, and are then what they always were."""

import subprocess
import sys
from pathlib import Path

import pytest

from atft.process import deferred_imports
from atft.process.deferred_imports import DeferredModule, DeferringFinder, defer_imports

STARTS = """
import sys
from atft.process.deferred_imports import DEFERRED, DeferredModule, defer_imports
defer_imports()
defer_imports()
def waiting():
    return sorted(name for name in DEFERRED if isinstance(sys.modules.get(name), DeferredModule))
import torchmetrics
from torch_geometric.nn import GATv2Conv
import atft.files.dates
print(waiting() == sorted(DEFERRED), [name for name in ("pandas", "scipy.stats") if name in sys.modules])
import pyarrow.compute, scipy.signal
print(pyarrow.compute.add(1, 2).as_py(), len(scipy.signal.hamming(5)), len(scipy.signal.find_peaks([0, 1, 0])))
from torch_geometric.datasets import FakeDataset
import torch_geometric.datasets.fake
print(FakeDataset is torch_geometric.datasets.fake.FakeDataset, waiting())
"""


def test_what_a_fit_does_not_use_is_not_imported_and_works_when_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STARTS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True []", "3 5 2", "True []"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the modules ``late`` and ``broken``, which are deferred."""
    folder = tmp_path / "atft_example"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "late.py").write_text("VALUE = 3\n")
    (folder / "broken.py").write_text("raise ValueError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, DeferringFinder)])
    names = {"atft_example.late", "atft_example.broken", "atft_example.absent"}
    monkeypatch.setattr(deferred_imports, "DEFERRED", names)
    return folder


@pytest.mark.usefixtures("package")
def test_a_deferred_module_runs_at_its_first_attribute() -> None:
    defer_imports()
    import atft_example.broken  # type: ignore[import-not-found]
    import atft_example.late

    assert isinstance(atft_example.late, DeferredModule)
    assert atft_example.late.VALUE == 3
    assert not isinstance(atft_example.late, DeferredModule)
    with pytest.raises(AttributeError, match="has no attribute 'OTHER'"):
        _ = atft_example.late.OTHER
    with pytest.raises(ValueError, match="broken"):
        _ = atft_example.broken.VALUE


@pytest.mark.usefixtures("package")
def test_a_module_that_is_not_installed_is_an_import_error_at_once() -> None:
    defer_imports()
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        import atft_example.absent  # type: ignore[import-not-found]  # noqa: F401
