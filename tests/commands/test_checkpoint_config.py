"""From a checkpoint's configuration an evaluation takes a list of keys, as plain data."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from atft.commands.checkpoint_config import TAKEN, checkpoint_config
from atft.errors import InputError
from tests.support.dotted import set_at

LEFT = (
    "model.objective",
    "model.metrics",
    "model.optimizer",
    "model.scheduler",
    "model.gradient_clip",
    "model.cuda_graphs",
    "data.cache.dir",
    "data.loader",
    "data.predict",
)
"""What a checkpoint does not decide, though it carries it: how to train, where to write, what to score."""


@pytest.fixture
def edited(tiny_run: Any, tmp_path: Path) -> Any:
    checkpoint = torch.load(tiny_run.directory / "best_model.ckpt", weights_only=True)

    def edit(key: str, value: Any) -> Path:
        config = set_at(yaml.safe_load(checkpoint["atft"]["config"]), key, value)
        torch.save(
            {**checkpoint, "atft": {**checkpoint["atft"], "config": yaml.safe_dump(config)}},
            tmp_path / "edited.ckpt",
        )
        return tmp_path / "edited.ckpt"

    return edit


def flat(config: dict[str, Any], inside: str = "") -> list[str]:
    found: list[str] = []
    for key, value in config.items():
        found += flat(value, f"{inside}{key}.") if isinstance(value, dict) and value else [f"{inside}{key}"]
    return found


def test_every_option_of_model_and_data_is_either_taken_or_left(tiny_run: Any) -> None:
    """An option that is new goes into one of the two lists: taken if scores or targets depend on it."""
    config = yaml.safe_load((tiny_run.directory / "config.yaml").read_text())
    for key in flat({"model": config["model"], "data": config["data"]}):
        assert any(f"{key}.".startswith(f"{known}.") for known in (*TAKEN, *LEFT)), key


def test_what_is_taken_is_what_the_run_was_configured_with_and_nothing_else(tiny_run: Any) -> None:
    taken = checkpoint_config(tiny_run.directory / "best_model.ckpt")
    config = yaml.safe_load((tiny_run.directory / "config.yaml").read_text())
    assert taken["model"] == {
        "network": config["model"]["network"],
        "members": 1,
        "horizons": [1, 5],
        "objective": {"target": "rank_normal"},
    }
    assert taken["data"]["panel"] == config["data"]["panel"] and taken["data"]["loader"] == {"lookback": 6}
    assert set(taken) == {"seed_everything", "model", "data"} and "dir" not in taken["data"]["cache"]


@pytest.mark.parametrize("key", ["model.network", "data.panel.schema", "data.graph", "data.split"])
@pytest.mark.parametrize("value", ["options.yaml", "atft.nn.atft_gat_fan.ATFTGATFAN", ["a"], 3])
def test_a_block_of_options_is_a_mapping(edited: Any, key: str, value: Any) -> None:
    with pytest.raises(
        InputError, match=f"edited.ckpt: its configuration has .* at {key}, it must be a mapping"
    ):
        checkpoint_config(edited(key, value))


def test_no_class_is_taken_wherever_it_is_named(edited: Any) -> None:
    for key in ("model.network.init_args.hidden_size", "data.panel.schema.class_path", "model.horizons"):
        value = "os.system" if key.endswith("class_path") else [{"class_path": "os.system"}]
        with pytest.raises(
            InputError, match=r"'os.system' at .*class_path, it must be left out: a checkpoint names no class"
        ):
            checkpoint_config(edited(key, value))


@pytest.mark.parametrize("path", ["os.system", "atft.nn.atft_gat_fan.torch.nn.Identity", "user.Net", 3])
def test_a_network_that_is_not_ours_is_imported_only_if_the_user_names_it(edited: Any, path: Any) -> None:
    file = edited("model.network.class_path", path)
    with pytest.raises(InputError, match=r"names the network .*, which a checkpoint may not import; if you"):
        checkpoint_config(file)
    assert checkpoint_config(file, network=path)["model"]["network"]["class_path"] == path


@pytest.mark.parametrize("trained", ["atft.nn.atft_gat_fan.ATFTGATFAN", "user.Net"])
def test_another_network_than_the_checkpoints_is_named_with_it(edited: Any, trained: str) -> None:
    file = edited("model.network.class_path", trained)
    with pytest.raises(InputError) as raised:
        checkpoint_config(file, network="mylab.bad.Plain")
    assert f"names the network {trained}, and --model.network names mylab.bad.Plain;" in str(raised.value)


@pytest.mark.parametrize("named", ["ATFTGATFAN", "atft.ATFTGATFAN", "network.yaml", '{"hidden_size": 8}'])
def test_a_word_that_may_stand_for_the_checkpoints_network_is_left_to_the_parser(
    tiny_run: Any, named: str
) -> None:
    taken = checkpoint_config(tiny_run.directory / "best_model.ckpt", network=named)
    assert taken["model"]["network"]["class_path"] == "atft.nn.atft_gat_fan.ATFTGATFAN"


def test_what_is_left_may_be_anything(edited: Any) -> None:
    assert (
        checkpoint_config(edited("trainer", ["os.system"]))["model"]["network"]["init_args"]["hidden_size"]
        == 8
    )
