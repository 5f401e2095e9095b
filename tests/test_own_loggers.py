"""A logger that the user names is added to TensorBoard and metrics.csv, and gets every value and setting."""

import csv
import json
import os
import site
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from atft.commands.train import build
from atft.errors import InputError
from own_package import importable_package

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
PACKAGE = "loggedpkg"
ROOT = Path(__file__).parent.parent
OURS = [TensorBoardLogger, CSVLogger]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with importable_package(tmp_path_factory.mktemp("package"), PACKAGE) as folder:
        yield folder


def own_logger(path: Path) -> dict[str, Any]:
    return {"class_path": f"{PACKAGE}.loggers.JsonLogger", "init_args": {"path": str(path)}}


def config_with(tiny_run: Any, folder: Path, logger: Any) -> dict[str, Any]:
    config = yaml.safe_load(tiny_run.config.read_text())
    config["trainer"] |= {"default_root_dir": str(folder / "logs"), "logger": logger}
    return dict(config)


def history_of(csv_file: Path) -> dict[str, dict[int, float]]:
    """Tag -> step -> value of a run's metrics.csv."""
    history: dict[str, dict[int, float]] = {}
    with csv_file.open() as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name != "step":
                    history.setdefault(name, {})[int(row["step"])] = float(value)
    return history


def test_a_logger_of_the_users_own_has_all_that_the_csv_file_has_and_both_of_ours_are_there(
    tiny_run: Any, package: Path, atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = config_with(tiny_run, tmp_path, own_logger(tmp_path / "kept.json"))
    config["trainer"] |= {"max_epochs": 1, "log_every_n_steps": 1}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    printed = atft("fit", "--config", tmp_path / "own.yaml")
    assert printed.code == 0, printed
    run = tmp_path / "logs" / "tiny" / "version_0"
    assert len(list(run.glob("events.*"))) == 1
    kept = json.loads((tmp_path / "kept.json").read_text())
    history: dict[str, dict[int, float]] = {}
    for step, metrics in kept["metrics"]:
        for name, value in metrics.items():
            history.setdefault(name, {})[step] = value
    written = history_of(run / "metrics.csv")
    for name, values in written.items():
        assert history[name] == pytest.approx(values, nan_ok=True), name
    for name in ("val/rank_ic", "best/rank_ic", "train/step/loss", "train/gradient_share/ic"):
        assert written[name]
    assert kept["settings"]["model.network.init_args.hidden_size"] == 8 and kept["status"] == "success"
    # What the config says is kept as it was written.
    resolved = yaml.safe_load((run / "config.yaml").read_text())["trainer"]["logger"]
    assert resolved == own_logger(tmp_path / "kept.json")


@pytest.mark.parametrize("logger", [None, True, False, [], ["one"], ["one", "another"]], ids=str)
def test_true_and_null_are_ours_false_is_none_and_a_list_adds_each(
    logger: Any, tiny_run: Any, package: Path, tmp_path: Path
) -> None:
    names = logger if isinstance(logger, list) else []
    value = [own_logger(tmp_path / name) for name in names] if isinstance(logger, list) else logger
    cli = build("fit", config_with(tiny_run, tmp_path, value))
    kinds = [type(made) for made in cli.trainer.loggers]
    assert kinds[:2] == ([] if logger is False else OURS)
    assert [made.path.name for made in cli.trainer.loggers[2:]] == names
    cli.make_directory()  # a later version of the run keeps them
    assert [type(made) for made in cli.trainer.loggers] == kinds
    assert logger is False or cli.trainer.log_dir == str(cli.directory)


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_evaluation_makes_no_logger_and_needs_no_package_of_one(
    command: str, tiny_run: Any, tmp_path: Path
) -> None:
    missing = {"class_path": "lightning.pytorch.loggers.CometLogger"}
    config = config_with(tiny_run, tmp_path, missing)
    checkpoint = tiny_run.directory / "best_model.ckpt"
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    cli = build(command, ["--config", str(tmp_path / "own.yaml"), "--ckpt_path", str(checkpoint)])
    assert cli.trainer.loggers == []


@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_absent_package_is_one_line_that_says_how_to_install_it(
    in_a_list: bool, tiny_run: Any, tmp_path: Path
) -> None:
    logger: Any = {"class_path": "lightning.pytorch.loggers.CometLogger"}
    message = r"^CometLogger: .*pip install -U 'comet-ml>=\S+'`; install it, or leave CometLogger out$"
    with pytest.raises(InputError, match=message) as caught:
        build("fit", config_with(tiny_run, tmp_path, [logger] if in_a_list else logger))
    assert len(str(caught.value)) < 200


def test_an_error_of_a_packages_own_kind_is_one_line_with_its_start_and_its_end(
    tiny_run: Any, package: Path, tmp_path: Path
) -> None:
    logger = {"class_path": f"{PACKAGE}.loggers.Refusing"}
    with pytest.raises(
        InputError, match=r"^ServerIsAway: the server long .*is away; call its administrator$"
    ) as caught:
        build("fit", config_with(tiny_run, tmp_path, logger))
    assert len(str(caught.value)) < 200


# -- real ones


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what this one has, MLflow and W&B."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, system_site_packages=True, with_pip=True)
    binary = folder / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # The packages of this environment, which may be one inside of another Python.
    (folder / "lib" / version / "site-packages" / "outer.pth").write_text("\n".join(site.getsitepackages()))
    install = [binary, "-m", "pip", "install", "--quiet", "mlflow-skinny", "wandb"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"MLflow and W&B cannot be installed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return binary


@pytest.mark.slow
def test_mlflow_and_wandb_keep_the_values_of_metrics_csv_and_the_settings(
    python: Path, tiny_run: Any, tmp_path: Path
) -> None:
    loggers = "lightning.pytorch.loggers"
    mlflow = {"experiment_name": "ranks", "tracking_uri": f"file:{tmp_path}/mlruns"}
    wandb = {"project": "ranks", "offline": True, "save_dir": str(tmp_path)}
    added = [
        {"class_path": f"{loggers}.MLFlowLogger", "init_args": mlflow},
        {"class_path": f"{loggers}.WandbLogger", "init_args": wandb},
    ]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config_with(tiny_run, tmp_path, added)))
    # MLflow 3 asks to be told that files are meant.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_ALLOW_FILE_STORE": "true"}

    def output_of(*words: Any) -> str:
        done = subprocess.run([python, *words], env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    output_of("-m", "atft", "fit", "--config", tmp_path / "own.yaml")
    kept = json.loads(output_of(ROOT / "tests" / "support" / "read_loggers.py", tmp_path).splitlines()[-1])
    run = tmp_path / "logs" / "tiny" / "version_0"
    assert len(list(run.glob("events.*"))) == 1
    written = history_of(run / "metrics.csv")
    for store, status, width in (("mlflow", "FINISHED", "8"), ("wandb", "0", 8)):
        assert kept[store]["status"] == status
        assert kept[store]["settings"]["model.network.init_args.hidden_size"] == width
        for name in ("val/rank_ic", "val/rank_ic_5d", "train/loss", "train/term/ic", "best/rank_ic"):
            assert dict(kept[store]["history"][name]) == pytest.approx(written[name]), name
    print({store: kept[store]["history"]["val/rank_ic"] for store in kept})
