"""The phases decide the run's length and its terms; a key that contradicts them is an error. Help."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

from atft.commands.run_keys import read_whole_numbers_as_such
from atft.nn.ranking_network import RankingNetwork
from atft.runs.third_parties import silence_third_parties

TWO = [{"name": "a", "epochs": 2}, {"name": "b", "epochs": 3, "terms": {"ranknet": 0.2}}]


def asked(tiny_run: Any, phases: Any, *more: str) -> list[Any]:
    return ["fit", "--config", tiny_run.config, "--curriculum.phases", json.dumps(phases), *more]


def _built(words: list[Any]) -> Any:
    from atft.commands.train import build

    return build("fit", [str(w) for w in words[1:]])


def test_the_runs_length_is_that_of_its_phases(tiny_run: Any) -> None:
    cli = _built(asked(tiny_run, TWO, "--trainer.max_epochs", "null"))
    assert cli.trainer.max_epochs == 5
    assert yaml.safe_load(cli.config_text)["trainer"]["max_epochs"] == 5


def test_a_term_of_one_phase_is_built_from_the_start_with_weight_0(tiny_run: Any) -> None:
    cli = _built(asked(tiny_run, TWO, "--trainer.max_epochs", "null"))
    assert cli.model.objective.options.terms["ranknet"] == 0.0
    assert yaml.safe_load(cli.config_text)["model"]["objective"]["terms"]["ranknet"] == 0.0


def test_a_run_without_phases_has_no_schedule(tiny_run: Any) -> None:
    from atft.callbacks.curriculum.schedule import PhaseSchedule

    cli = _built(["fit", "--config", tiny_run.config])
    assert not any(isinstance(c, PhaseSchedule) for c in cli.trainer.callbacks)


@pytest.mark.parametrize("epochs", ["6", "-1"])
def test_a_length_beyond_the_last_phase_is_an_error(
    epochs: str, tiny_run: Any, atft: Callable[..., Any]
) -> None:
    said = atft(*asked(tiny_run, TWO, "--trainer.max_epochs", epochs)).error_line
    assert f"trainer.max_epochs is {epochs}, the phases of the curriculum end after 5 epochs" in said


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"parts": {"grap": True}}, "no part 'grap'; did you mean 'graph'?"),
        ({"train": ["head"]}, "no parameter group 'head'; did you mean 'heads'?"),
        ({"terms": {"sharp": 1.0}}, "no term 'sharp'; did you mean 'sharpe'?"),
        ({"epochs": -2}, "epochs must be at least 1, got -2"),
        ({"name": "b"}, "two phases are called 'b'; give each its own name"),
        ({"criterion": "val/rank_ic"}, "criterion must compare a metric with a number"),
        ({"criterion": "val/ranking > 0.1"}, "no metric 'val/ranking'"),
        ({"epoch": 2}, "epoch"),
        ({"otherwise": "cry"}, "otherwise"),
    ],
)
def test_a_wrong_phase_is_an_error_in_one_line(
    phase: dict[str, Any], message: str, tiny_run: Any, atft: Callable[..., Any]
) -> None:
    words = asked(tiny_run, [{"name": "a", "epochs": 2, **phase}, TWO[1]], "--trainer.max_epochs", "null")
    outcome = atft(*words)
    assert message in outcome.error_line and outcome.code == 2


@pytest.mark.parametrize("kind", [float | int | None, int | float | None, float | int | str])
def test_a_whole_number_is_one_in_whatever_order_a_library_named_the_types(kind: Any) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--limit", type=kind)
    parser.add_argument("--share", type=float)
    read_whole_numbers_as_such(parser)
    given = parser.parse_args(["--limit", "1", "--share", "1"])
    assert (type(given.limit), type(given.share)) == (int, float)
    assert type(parser.parse_args(["--limit", "1.0"]).limit) is float


class UsersNetwork(RankingNetwork):
    """Stands for a class of a user's package that has been imported."""


def test_help_all_names_our_networks_and_imported_ones_of_the_user_but_no_module_of_torch(
    atft: Callable[..., Any],
) -> None:
    silence_third_parties()
    text = "".join(atft("fit", "--help-all").out.split())  # names are broken over lines
    entry = text.split("Callable[[NetworkInputs],RankingNetwork]")[1]
    named = entry.split("knownsubclasses:")[1].split(")")[0].split(",")
    assert {"atft.nn.tabm.TabM", "atft.nn.master.MASTER", f"{__name__}.UsersNetwork"} < set(named)
    assert not [name for name in named if name.startswith("torch")]
