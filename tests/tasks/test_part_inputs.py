"""What is switched on without its input is an error before the first step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.commands.train import build
from atft.errors import InputError
from dotted import set_at

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
READS = "model.network: graph of ATFTGATFAN reads the day's graph and data.graph is null; "
NETWORK = "model.network.init_args"


@pytest.fixture
def built(tiny_run: Any, tmp_path: Path) -> Callable[..., Any]:
    """Build the small run with changed keys, dotted."""

    def make(changes: dict[str, Any], command: str = "fit") -> Any:
        config = yaml.safe_load(tiny_run.config.read_text())
        config["trainer"]["default_root_dir"] = str(tmp_path)
        for key, value in changes.items():
            set_at(config, key, value)
        return build(command, config)

    return make


def phases(*switches: dict[str, bool]) -> list[dict[str, Any]]:
    return [{"name": f"phase {i}", "epochs": 1, "parts": parts} for i, parts in enumerate(switches)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model.members": 2},
        {"curriculum.phases": phases({"graph": False}, {})},
    ],
)
def test_graph_attention_without_a_graph_is_an_error(
    built: Any, changes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        built({"data.graph": None, **changes})
    assert str(raised.value) == READS + "write data.graph: {k: 20}, or set model.network.graph to none"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {f"{NETWORK}.graph": "none"},
        {"curriculum.phases": phases({"graph": False}, {"graph": False, "window_norm": False})},
    ],
)
def test_without_graph_attention_no_graph_is_needed(built: Any, changes: dict[str, Any]) -> None:
    assert built({"data.graph": None, "trainer.max_epochs": None, **changes}).datamodule.graph_options is None


def test_evaluation_needs_the_graph_too_and_the_cache_does_not(built: Any) -> None:
    with pytest.raises(InputError, match=r"^model\.network: graph of"):
        built({"data.graph": None}, command="validate")
    built({"data.graph": None}, command="cache")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({f"{NETWORK}.quantiles": [0.1, 0.9]}, "no term trains them; add pinball"),
        (
            {
                f"{NETWORK}.quantiles": [0.1, 0.9],
                "model.objective.terms": {"pinball": 1.0, "scale_floor": 1.0},
            },
            "model.objective.terms: pinball, scale_floor does not train the scores; add a term that does",
        ),
        (
            {"model.objective.terms": {"ic": 1.0, "turnover": 0.1}, "data.loader.block_days": 1},
            "set data.loader.block_days to at least 2",
        ),
        (
            {
                "model.objective.terms": {"ic": 1.0, "exposure": 0.1},
                "data.panel.schema": {"exposures": [], "sector": None},
            },
            "exposure has no column to read; name some in data.panel.schema.exposures or sector",
        ),
        (
            {"model.objective.neutral_to": ["sector"], "data.panel.schema": {"sector": None}},
            "neutral_to: sector reads sectors and the panel has none; name their column in data.panel.schema",
        ),
        (
            {"model.objective.neutral_to": ["exposure_siz"]},
            "no exposure 'exposure_siz'; did you mean 'exposure_",
        ),
        ({"model.objective.regime_weights": {"regime_volatilty": 1.0}}, "did you mean 'regime_volatility'"),
        (
            {
                f"{NETWORK}.window_norm": "none",
                "trainer.max_epochs": None,
                "curriculum.phases": phases({"window_norm": True}),
            },
            "no part 'window_norm'; known: encoder, graph, variable_selection",
        ),
    ],
)
def test_what_trains_without_its_input_is_an_error(built: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as raised:
        built(changes)
    assert said in str(raised.value) and len(str(raised.value)) < 187


def test_what_has_its_input_is_built(built: Any) -> None:
    terms = {"ic": 1.0, "pinball": 0.1, "turnover": 0.1, "exposure": 0.1}
    weights = {"regime_volatility": 0.5}
    built(
        {
            f"{NETWORK}.quantiles": [0.1, 0.9],
            "model.objective.terms": terms,
            "model.objective.regime_weights": weights,
            "model.objective.neutral_to": ["sector", "exposure_size"],
        }
    )
