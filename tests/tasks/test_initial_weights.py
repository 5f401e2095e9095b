"""A training may begin with the weights of another one of the same network."""

from pathlib import Path
from typing import Any

import pytest
import torch

from atft.commands.train import build
from atft.errors import InputError
from atft.tasks.initial_weights import load_initial_weights


@pytest.fixture(scope="module")
def cli(tiny_run: Any) -> Any:
    """A run of the tiny configuration that is built and not trained."""
    return build("fit", ["--config", str(tiny_run.config), "--seed_everything", "9"])


def test_the_network_begins_with_the_weights_of_the_checkpoint(cli: Any, tiny_run: Any) -> None:
    path = tiny_run.directory / "best_model.ckpt"
    weights = torch.load(path, weights_only=True)["state_dict"]
    names = [name for name, _ in cli.model.network.named_parameters()]
    before = cli.model.network.state_dict()
    assert not all(torch.equal(before[name], weights[f"network.{name}"]) for name in names)
    load_initial_weights(cli.model, path)
    after = cli.model.network.state_dict()
    assert names and all(torch.equal(after[name], weights[f"network.{name}"]) for name in names)


def test_a_network_of_other_sizes_is_an_error(
    tiny_run: Any, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider = build("fit", ["--config", str(tiny_run.config), "--model.network.hidden_size", "12"])
    with pytest.raises(InputError, match="its network has other sizes"):
        load_initial_weights(wider.model, tiny_run.directory / "best_model.ckpt")
    monkeypatch.setattr(cli.model, "features", cli.model.features[::-1])
    with pytest.raises(InputError, match=r"its 6 features are not the panel's 6 in their order"):
        load_initial_weights(cli.model, tiny_run.directory / "best_model.ckpt")


def test_a_file_that_is_not_there_is_an_error_before_a_run_has_a_directory(
    tiny_run: Any, tmp_path: Path, atft: Any
) -> None:
    words = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", *words, "--init_from", tmp_path / "no.ckpt")
    assert outcome.error_line.endswith("no.ckpt: no such file") and not list(tmp_path.iterdir())


def test_the_number_of_a_fold_needs_a_fold(cli: Any) -> None:
    with pytest.raises(
        InputError, match=r"weights_\{fold\}\.ckpt: this run trains no fold, so \{fold\} has no"
    ):
        load_initial_weights(cli.model, "weights_{fold}.ckpt", cli.datamodule)
