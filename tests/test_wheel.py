"""The wheel holds the package, the shipped configs and sweeps, and nothing else; it works without the clone."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a wheel."""
    (path,) = WheelBuilder(str(ROOT)).build(
        directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]
    )
    return Path(path)


def test_a_wheel_holds_the_package_the_configs_and_the_sweeps_and_nothing_else(wheel: Path) -> None:
    content = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = {f"atft/{p.relative_to(ROOT / 'atft')}" for p in (ROOT / "atft").rglob("*.py")}
    shipped = {
        f"atft/shipped/{p.relative_to(ROOT)}" for f in ("configs", "hpo") for p in (ROOT / f).glob("*.yaml")
    }
    assert content - {"atft/py.typed"} == source | shipped


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[int, str, str]]:
    """Run a command of the installed wheel in an empty folder: its exit status and what it printed."""
    place, empty = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("empty")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", place, wheel]
    subprocess.run(pip, check=True, capture_output=True)

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "atft", *words],
            cwd=empty,
            env={"PYTHONPATH": str(place), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    where = subprocess.run(
        [sys.executable, "-c", "import atft; print(atft.__file__)"],
        cwd=empty,
        env={"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(place)
    return run


@pytest.mark.slow
def test_an_installed_wheel_trains_and_searches_from_an_empty_folder(
    installed: Callable[..., tuple[int, str, str]],
) -> None:
    assert re.fullmatch(r"atft \d+\.\d+\.\d+\n", installed("--version")[1])
    code, listed, _ = installed("configs")
    assert code == 0 and "/shipped/configs" in listed and "quickstart" in listed
    small = '{"stocks": 40, "days": 500, "features": 18, "seed": 1}'
    code, printed, error = installed("simulate", "--out", "market.parquet", "--stocks", "40", "--days", "120")
    assert code == 0 and "best possible IC" in printed, error
    short = ("--trainer.max_epochs", "1", "--data.panel.simulate", small)
    code, printed, error = installed("fit", "--config", "quickstart", *short)
    assert code == 0, error
    assert "everything about the run: lightning_logs/quickstart/version_0" in printed
    fixed = (
        "--set",
        f"fixed.data.panel.simulate={small}",
        "--set",
        "space={model.optimizer.init_args.lr: {type: float, low: 1e-4, high: 1e-2}}",
        "--set",
        "enqueue=[]",
        "--threads",
        "1",
    )
    code, printed, error = installed("sweep", "--config", "quick", "--dry-run", *fixed)
    assert code == 0 and "worth starting: 24 trials" in printed, error
    code, _, error = installed(
        "sweep", "--config", "quick", "--n-trials", "1", *fixed, "--set", "limits.epochs=1"
    )
    assert code == 0 and "quick: 1 of 1 trials finished" in error, error
