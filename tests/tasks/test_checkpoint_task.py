"""From a checkpoint's configuration to the arguments of a task, without running what it names."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import nn

from atft.errors import InputError
from atft.losses.options import ObjectiveOptions
from atft.network import NetworkInputs
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.checkpoint_task import find_own_network, task_arguments

NETWORK = {"class_path": "atft.nn.atft_gat_fan.ATFTGATFAN", "init_args": {"hidden_size": 8}}


def content(**model: Any) -> dict[str, Any]:
    """What a checkpoint carries, with a changed configuration."""
    config = {"model": {"network": NETWORK, "horizons": [1, 5], "objective": {"terms": {"ic": 1.0}}, **model}}
    return {"atft": {"config": yaml.safe_dump(config), "features": ["x_0", "x_1"], "regimes": ["r"]}}


def test_network_objective_horizons_and_columns_are_those_of_the_checkpoint() -> None:
    arguments = task_arguments(content(), "best.ckpt")
    network = arguments.pop("network")(NetworkInputs(("x_0", "x_1"), (1, 5)))
    assert isinstance(network, ATFTGATFAN)
    assert network.heads.score.in_features == 8
    assert arguments == {
        "objective": ObjectiveOptions(terms={"ic": 1.0}),
        "members": 1,
        "horizons": [1, 5],
        "features": ["x_0", "x_1"],
        "regimes": ["r"],
    }


@pytest.mark.parametrize(
    "class_path",
    [
        "os.system",
        "evil.Network",
        "atft.nn.evil.Network",
        "atft.nn.window_norm.Tensor",
        "atft.nn.atft_gat_fan.torch",
        "atft.nn..ATFTGATFAN",
        "atft.nn.__init__.X",
        "atft.cli.main",
        "",
        None,
        7,
        ["atft.nn.atft_gat_fan.ATFTGATFAN"],
    ],
)
def test_only_a_network_of_atft_is_looked_up(class_path: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_own_network(class_path) is None
    with pytest.raises(InputError, match="give network="):
        task_arguments(content(network={"class_path": class_path}), "best.ckpt")
    assert "evil" not in sys.modules


def test_a_network_and_an_objective_of_the_caller_stand_in_for_those_of_the_file() -> None:
    hostile = content(network={"class_path": "evil.Network"}, objective={"terms": {"evil.loss": 1.0}})
    objective = ObjectiveOptions(terms={"mse": 1.0})

    def build(inputs: NetworkInputs) -> ATFTGATFAN:
        return ATFTGATFAN(inputs)

    arguments = task_arguments(hostile, "best.ckpt", build, objective)
    assert (arguments["network"], arguments["objective"]) == (build, objective)


class Own(nn.Module):
    """A network of the user's own, of which only the arguments matter here."""

    def __init__(self, inputs: NetworkInputs, rows: int = 5, size: int = 8) -> None:
        super().__init__()
        self.arguments = rows, size


@pytest.mark.parametrize("class_path", [f"{__name__}.Own", "mypkg.Own"])
def test_a_class_that_the_file_names_has_the_files_arguments_but_for_those_that_are_set(
    class_path: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        Own, "__module__", class_path.replace(".Own", "" if __name__ in class_path else ".nets")
    )
    file = content(network={"class_path": class_path, "init_args": {"rows": 3, "size": 16}})

    def built(network: Any) -> Any:
        return task_arguments(file, "best.ckpt", network)["network"](None).arguments

    assert built(Own) == (3, 16)
    assert built(partial(Own, size=4)) == (3, 4)
    monkeypatch.setattr(Own, "__module__", "moved.nets")
    assert built(Own) == (3, 16)
    # What only builds one is left as it is.
    assert built(lambda inputs: Own(inputs)) == (5, 8)


@pytest.mark.parametrize("other", [ATFTGATFAN, partial(ATFTGATFAN, hidden_size=8)])
def test_another_class_than_the_files_is_an_error_even_where_its_weights_would_fit(other: Any) -> None:
    file = content(network={"class_path": "mypkg.nets.TwoLayers", "init_args": {}})
    with pytest.raises(
        InputError, match=r"names the network mypkg\.nets\.TwoLayers, got ATFTGATFAN; give network"
    ):
        task_arguments(file, "best.ckpt", other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": {"terms": ["ic"]}}, r"at model\.objective; give objective="),
        ({"objective": "x"}, r"at model\.objective; give objective="),
        ({"objective": {"terms": {"ic": "x"}}}, r"model\.objective: .*; give objective="),
        ({"objective": {"regime_weights": "x"}}, r"model\.objective: .*; give objective="),
        ({"horizons": "1"}, r"at model\.horizons, it must be a list of days"),
        ({"horizons": [True]}, r"at model\.horizons"),
        ({"members": "2"}, r"has '2' at model\.members, it must be a number"),
        ({"network": {**NETWORK, "init_args": [1]}}, r"at model\.network\.init_args; give network="),
        ({"network": None}, "names no network; give network="),
    ],
)
def test_a_configuration_of_another_kind_is_an_error_of_one_line(changes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        task_arguments(content(**changes), "best.ckpt")
    assert len(str(raised.value)) < 200 and str(raised.value).startswith("best.ckpt: ")


@pytest.mark.parametrize(
    ("objective", "rest"),
    [
        ({"terms": {"evil.loss": 1.0, "ic": 0.5}}, {"terms": {"ic": 0.5}}),
        (
            {"terms": {"evil.loss": {"weight": 1.0, "level": 2}, "ic": {"weight": 0.0}}, "target": "raw"},
            {"target": "raw"},
        ),
        (
            {"terms": {"ic": 0.5, "evil.loss": 1.0}, "gradient_shares": {"ic": 1, "evil.loss": 1}},
            {"terms": {"ic": 0.5}},
        ),
        ({"terms": {"of_another_version": 1.0}}, {}),
    ],
)
def test_to_score_a_term_of_the_users_own_is_left_out_and_to_train_the_caller_gives_the_objective(
    objective: dict[str, Any], rest: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    saved = content(objective=objective)
    assert task_arguments(saved, "best.ckpt")["objective"] == ObjectiveOptions(**rest)
    with pytest.raises(
        InputError, match=r"names the term .*, which a checkpoint may not import; give objective="
    ) as caught:
        task_arguments(saved, "best.ckpt", trains=True)
    assert len(str(caught.value)) < 200
    other = ObjectiveOptions(terms={"mse": 1.0})
    assert task_arguments(saved, "best.ckpt", objective=other, trains=True)["objective"] == other
    assert "evil" not in sys.modules


def test_a_file_without_a_configuration_is_an_error() -> None:
    with pytest.raises(InputError, match="carries no configuration"):
        task_arguments({"atft": {"features": ["x_0"]}}, "best.ckpt")
    with pytest.raises(InputError, match="has no section model"):
        task_arguments({"atft": {"features": ["x_0"], "config": "data: {}"}}, "best.ckpt")
