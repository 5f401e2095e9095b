"""The parser: links between model and data, the run's place, and nothing built while parsing."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.commands.ranking_cli import RankingCLI
from atft.commands.train import build
from atft.errors import InputError
from atft.network import NetworkInputs
from atft.nn.ranking_network import RankingNetwork

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


@pytest.fixture
def parsed(tiny_run: Any) -> Callable[..., RankingCLI]:
    def parse(*more: str, command: str = "fit") -> RankingCLI:
        return build(command, ["--config", str(tiny_run.config), *more])

    return parse


def test_model_and_data_tell_each_other_what_both_need(parsed: Callable[..., RankingCLI]) -> None:
    cli = parsed("--seed_everything", "11", "--model.horizons", "[5]")
    assert cli.model.features == [f"x_{i}" for i in range(6)]
    assert cli.datamodule.horizons == [5] and cli.datamodule.seed == 11


def test_excluded_features_do_not_reach_the_network(parsed: Callable[..., RankingCLI]) -> None:
    assert parsed("--data.panel.schema.exclude", "[x_0, x_5]").model.features == ["x_1", "x_2", "x_3", "x_4"]


def test_the_options_of_a_term_stand_beside_its_weight(parsed: Callable[..., RankingCLI]) -> None:
    cli = parsed("--model.objective.terms", "{ic: 0.3, ndcg: {weight: 0.1, temperature: 0.2}}")
    assert cli.model.objective.options.weights == {"ic": 0.3, "ndcg": 0.1}
    assert cli.model.objective.options.terms["ndcg"] == {"weight": 0.1, "temperature": 0.2}
    with pytest.raises(InputError, match=r"terms.ndcg.temprature: the term has no such option; did you mean"):
        parsed("--model.objective.terms", "{ndcg: {weight: 0.1, temprature: 0.2}}")


def test_a_configuration_of_before_has_the_defaults_of_the_keys_that_came_later(
    parsed: Callable[..., RankingCLI], tmp_path: Path
) -> None:
    cli, path = parsed(), tmp_path / "before.yaml"
    kept = yaml.safe_load(cli.config_text)
    del kept["lightgbm"], kept["data"]["loader"]["residency"]
    path.write_text(yaml.safe_dump(kept))
    assert cli.text_of(path) == cli.config_text
    path.write_text(yaml.safe_dump(kept | {"gradient_clip_of_before": 1}))
    with pytest.raises(InputError, match="gradient_clip_of_before"):
        cli.text_of(path)


def test_a_schedule_of_the_runs_length_has_the_length_that_the_run_will_have(
    parsed: Callable[..., RankingCLI],
) -> None:
    words = ["--trainer.max_epochs", "null", "--model.scheduler.init_args.epochs", "null"]
    assert parsed(*words, "--trainer.max_epochs", "0").trainer.max_epochs == 0
    assert parsed(*words, "--model.scheduler.init_args.warmup_epochs", "1").trainer.max_epochs == 1000
    with pytest.raises(
        InputError, match=r"needs trainer.max_epochs above .*, got -1; set a number of epochs"
    ):
        parsed(*words, "--trainer.max_time", "00:00:01:00")


def test_builds_of_a_process_share_a_parser_that_keeps_nothing_of_them(
    parsed: Callable[..., RankingCLI], atft: Callable[..., Any]
) -> None:
    first = parsed()
    other = parsed("--model.horizons", "[5]", "--model.optimizer", "torch.optim.SGD", "--name", "other")
    assert atft("fit", "--help-all").code == 0  # has a parser of its own
    again = parsed()
    assert first.parser is other.parser and again.config_text == first.config_text != other.config_text
    parts = [weakref.ref(part) for part in (again, again.model, again.datamodule, again.trainer)]
    del again
    gc.collect()
    assert [part() for part in parts] == [None] * 4


def test_building_makes_no_directory(parsed: Callable[..., RankingCLI], tmp_path: Path) -> None:
    cli = parsed(
        "--trainer.default_root_dir", str(tmp_path / "logs"), "--data.cache.dir", str(tmp_path / "c")
    )
    assert cli.directory == tmp_path / "logs" / "tiny" / "version_0"
    assert list(tmp_path.iterdir()) == []


def test_a_run_watches_the_validation_rank_ic_and_keeps_the_last_epoch(
    parsed: Callable[..., RankingCLI],
) -> None:
    checkpoint = parsed().trainer.checkpoint_callback
    stopping = parsed().trainer.early_stopping_callback
    assert checkpoint is not None and checkpoint.monitor == "val/rank_ic" and checkpoint.mode == "max"
    assert checkpoint.save_last and Path(str(checkpoint.dirpath)).name.startswith("version_")
    assert stopping is not None and stopping.monitor == "val/rank_ic"


def test_commands_that_do_not_train_neither_log_nor_select(parsed: Callable[..., RankingCLI]) -> None:
    trainer = parsed(command="validate").trainer
    assert trainer.loggers == [] and trainer.checkpoint_callback is None
    assert trainer.early_stopping_callback is None


@pytest.mark.parametrize("name", ["a/b", "../up", "..", "", "x" * 81, "a b"])
def test_a_name_that_is_no_folder_of_the_root_is_an_error(
    parsed: Callable[..., RankingCLI], name: str
) -> None:
    with pytest.raises(InputError, match="name must be"):
        parsed(f"--name={name}")


def test_the_digest_follows_the_configuration(parsed: Callable[..., RankingCLI]) -> None:
    runs = parsed(), parsed(), parsed("--model.network.dropout", "0.4")
    same, again, other = (run.record.receipt.digests["config"] for run in runs)
    assert same == again != other


def test_what_may_be_watched_is_what_is_logged(tiny_run: Any, parsed: Callable[..., RankingCLI]) -> None:
    import json

    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    # Gradient shares come now and then, speeds are no quality of the weights.
    logged = {n for n in epochs[0] if n.startswith(("train/", "val/")) and "gradient_share" not in n}
    assert parsed().model.logged_names() == logged


def test_two_runs_built_together_train_in_directories_of_their_own(
    parsed: Callable[..., RankingCLI], tmp_path: Path
) -> None:
    place = ("--trainer.default_root_dir", str(tmp_path), "--trainer.max_epochs", "1")
    first, second = parsed(*place), parsed(*place)
    assert first.directory == second.directory == tmp_path / "tiny" / "version_0"
    for cli in (first, second):
        cli.make_directory()
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    moved = tmp_path / "tiny" / "version_1"
    assert second.directory == moved and second.record.receipt.run == str(moved)
    files = ["best_model.ckpt", "config.yaml", "last.ckpt", "metrics.csv", "metrics.json", "receipt.json"]
    for run in (first.directory, second.directory):
        names = sorted(p.name for p in run.iterdir())
        assert [n for n in names if n in files] == files and "run.log" in names
        assert len([n for n in names if n.startswith("events.")]) == 1


def test_a_run_lies_in_the_directory_it_is_given(tiny_run: Any, tmp_path: Path) -> None:
    import yaml

    given = yaml.safe_load(tiny_run.config.read_text())
    cli = build("fit", given, directory=tmp_path / "study" / "trial_7")
    assert cli.directory == tmp_path / "study" / "trial_7"
    assert {logger.log_dir for logger in cli.trainer.loggers} == {str(cli.directory)}
    assert Path(str(cli.trainer.checkpoint_callback.dirpath)) == cli.directory  # type: ignore[union-attr]
    assert list(tmp_path.iterdir()) == []


class Activation(Enum):
    RELU = "relu"
    GELU = "gelu"


class Depth(IntEnum):
    ONE = 1


class Ends(NamedTuple):
    low: float = -1.0
    high: float = 1.0


@dataclass(frozen=True)
class Layer:
    width: int = 4
    activation: Activation = Activation.RELU


class OwnOptions(RankingNetwork):
    """A network of the user's with options of many types."""

    def __init__(
        self,
        inputs: NetworkInputs,
        kind: str = "plain",  # a name that the code which builds it uses too
        activation: Activation = Activation.RELU,
        depth: int = Depth.ONE,
        share: float = np.float64(0.25),
        ends: Ends = Ends(),  # noqa: B008
        layer: Layer = Layer(),
    ) -> None:
        super().__init__(inputs)
        assert isinstance(activation, Activation) and isinstance(layer.activation, Activation)
        self.ends = Ends(*ends)
        self.head = nn.Linear(len(inputs.features), len(inputs.horizons))

    def forward(self, batch: DayBatch) -> Forecast:
        rows: Tensor = self.scaling(batch.features, batch.observed)[-len(batch.universe) :]
        return Forecast(self.head(rows).clamp(*self.ends))


def test_options_of_a_users_network_are_written_so_that_they_are_read_again(
    parsed: Callable[..., RankingCLI], tmp_path: Path
) -> None:
    network = ("--model.network", f"{__name__}.OwnOptions")
    changed = ("--model.network.activation", "GELU", "--model.network.ends", "{low: -2}")
    text = parsed(*network, *changed).config_text
    written = yaml.safe_load(text)["model"]["network"]["init_args"]
    assert written == {
        "kind": "plain",
        "activation": "GELU",
        "depth": 1,
        "share": 0.25,
        "ends": {"low": -2.0, "high": 1.0},
        "layer": {"width": 4, "activation": "RELU"},
    }
    path = tmp_path / "again.yaml"
    path.write_text(text)
    assert parsed("--config", str(path)).config_text == text
    with pytest.raises(
        InputError, match=r"network\.init_args\.activation takes one of GELU, RELU, got 'TANH'"
    ):
        parsed(*network, "--model.network.activation", "TANH")


class OwnDate(OwnOptions):
    """A network whose option no config can have."""

    def __init__(self, inputs: NetworkInputs, since: date = date(2020, 1, 2)) -> None:
        super().__init__(inputs)


@pytest.mark.filterwarnings("ignore::jsonargparse._util.JsonargparseWarning")
def test_an_option_that_no_config_can_have_is_an_error_before_the_run(
    parsed: Callable[..., RankingCLI],
) -> None:
    with pytest.raises(
        InputError, match=r"^model\.network\.init_args\.since is 2020-01-02, which no config can"
    ):
        parsed("--model.network", f"{__name__}.OwnDate")
