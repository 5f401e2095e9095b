"""The configuration of a task that was made in Python is one that the commands read."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atft.files.yaml_text import mapping_of
from atft.losses.options import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.optim.schedules import WarmupCosine
from atft.tasks.task_config import class_config, task_config
from small_task import small_task


def test_a_class_and_a_partial_of_one_have_a_name_in_yaml() -> None:
    assert class_config(WarmupCosine) == {
        "class_path": "atft.optim.schedules.WarmupCosine",
        "init_args": {},
    }
    levels = partial(ATFTGATFAN, quantiles=(0.1, 0.9), hidden_size=8)
    assert class_config(levels) == {
        "class_path": "atft.nn.atft_gat_fan.ATFTGATFAN",
        "init_args": {"quantiles": [0.1, 0.9], "hidden_size": 8},
    }


@pytest.mark.parametrize(
    "factory",
    [None, lambda inputs: None, partial(WarmupCosine, 1), partial(ATFTGATFAN, hidden_size=object())],
)
def test_what_has_no_name_in_yaml_is_null(factory: Any) -> None:
    assert class_config(factory) is None


def test_numbers_of_numpy_are_written_as_plain_ones() -> None:
    sizes = partial(ATFTGATFAN, hidden_size=np.int64(8), dropout=np.float32(0.5), linear_path=np.bool_(True))
    config = class_config(sizes)
    assert config is not None
    assert config["init_args"] == {"hidden_size": 8, "dropout": 0.5, "linear_path": True}
    objective = ObjectiveOptions(terms={"ic": 1.0}, horizon_weights=list(np.array([1.0, 2.0])))
    optimizer = partial(torch.optim.AdamW, lr=np.float64(1e-5))
    model = mapping_of(task_config(small_task(objective=objective, optimizer=optimizer)), "text")["model"]
    assert model["optimizer"]["init_args"] == {"lr": 1e-5}
    assert model["objective"]["horizon_weights"] == [1, 2]


def test_a_task_is_written_with_its_classes_horizons_and_objective() -> None:
    objective = ObjectiveOptions(terms={"ic": 1.0, "ndcg": {"weight": 0.5}}, horizon_weights={1: 2.0, 5: 1.0})
    task = small_task(
        objective=objective, optimizer=partial(torch.optim.AdamW, lr=1e-5), scheduler=WarmupCosine
    )
    model = mapping_of(task_config(task), "text")["model"]
    assert model["horizons"] == [1, 5] and model["gradient_clip"] is None
    assert model["network"]["init_args"]["hidden_size"] == 8
    assert model["optimizer"]["init_args"] == {"lr": 1e-5}
    assert model["objective"] == asdict(objective)


def test_the_configuration_of_a_run_in_python_is_read_by_the_command_line(
    tiny_run: Any, tmp_path: Path
) -> None:
    from atft.commands.train import build

    cli = build("fit", ["--config", str(tiny_run.config)])
    path = tmp_path / "python.yaml"
    task = small_task(features=cli.model.features, horizons=[1, 5])
    path.write_text(task_config(task, cli.datamodule))
    again = build("fit", ["--config", str(path)])
    assert again.datamodule.split_options == cli.datamodule.split_options
    assert again.datamodule.panel == cli.datamodule.panel
    assert again.datamodule.seed == 3
    assert [p.shape for p in again.model.parameters()] == [p.shape for p in task.parameters()]
