"""A phase says what differs, the plan says everything, and what the model cannot do is an error in one line."""

from typing import Any

import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import EarlyStopping

from atft.callbacks.curriculum.phase import Phase
from atft.callbacks.curriculum.plan import check_plan, first_epochs, phase_at, plan_table, resolve_phases
from atft.errors import InputError
from atft.losses.options import ObjectiveOptions
from networks import small_atft

NETWORK = small_atft()
OFF = {"encoder": False}
OBJECTIVE = ObjectiveOptions(
    terms={"ic": 0.5, "rank_ic": 0.5, "sharpe": 0.0}, horizon_weights={1: 3.0, 5: 1.0}
)

METRICS = {"val/rank_ic", "train/loss"}


def trainer(**options: Any) -> pl.Trainer:
    return pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **options)


def test_what_a_phase_leaves_out_is_the_models_own() -> None:
    (phase,) = resolve_phases([Phase("all", 3)], small_atft(encoder="none"), OBJECTIVE)
    assert phase.parts == {"variable_selection": True, "window_norm": True, "graph": True}
    assert phase.factors == dict.fromkeys(
        ["variable_selection", "window_norm", "graph", "input", "heads"], 1.0
    )
    assert phase.terms == OBJECTIVE.terms and phase.horizon_weights == {1: 0.75, 5: 0.25}


def test_a_phase_takes_nothing_over_from_the_phase_before() -> None:
    loud = Phase(
        "loud", 2, parts={"window_norm": False}, train=["heads"], lr_factor=0.1, terms={"sharpe": 2.0}
    )
    _, after = resolve_phases([loud, Phase("plain", 2)], NETWORK, OBJECTIVE)
    (alone,) = resolve_phases([Phase("plain", 2)], NETWORK, OBJECTIVE)
    assert after == alone


def test_what_a_phase_names_is_in_the_plan() -> None:
    said = Phase(
        "said",
        4,
        parts={"graph": False},
        train=["heads", "encoder"],
        lr_factor={"heads": 0.1},
        terms={"sharpe": 2.0},
        horizon_weights=[1.0, 1.0],
    )
    plan = resolve_phases([Phase("first", 3), said], NETWORK, OBJECTIVE)
    phase = plan[1]
    assert phase.parts_on == ["variable_selection", "window_norm", "encoder"]
    assert phase.factors == {"encoder": 1.0, "heads": 0.1}
    assert phase.terms == {"ic": 0.5, "rank_ic": 0.5, "sharpe": 2.0}
    assert phase.horizon_weights == {1: 0.5, 5: 0.5} and first_epochs(plan) == [0, 3, 7]


def test_the_phase_is_a_function_of_the_epoch() -> None:
    plan = resolve_phases([Phase("a", 2), Phase("b", 1), Phase("c", 3)], NETWORK, OBJECTIVE)
    assert [phase_at(plan, epoch) for epoch in range(8)] == [0, 0, 1, 2, 2, 2, 2, 2]


def test_the_table_names_every_phase_with_its_epochs_and_what_it_does() -> None:
    rows = [
        Phase("Baseline", 5, parts={"window_norm": False, "graph": False}, criterion="val/rank_ic > 0.01"),
        Phase("Fine-tuning", 6, lr_factor=0.1, train=["heads"], terms={"sharpe": 0.3}),
    ]
    text = plan_table(resolve_phases(rows, NETWORK, OBJECTIVE))
    first, last = text[text.index("Baseline") :].split("Fine-tuning")
    for row, cells in (
        (first, "1-5 all x1 ic 0.5, rank_ic 0.5 1d 0.75, 5d 0.25 stop unless val/rank_ic > 0.01 (epoch 5)"),
        (
            last,
            "6-11 variable_selection, window_norm, encoder, graph heads x0.1 sharpe 0.3 none",
        ),
    ):
        assert set(cells.split()) <= set(row.split()), row  # a cell may run over several lines
    assert "graph" not in first and "sharpe" not in first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": OFF, "train": ["encoder"]}, "'p': part encoder is off and cannot train"),
        ({"parts": OFF, "lr_factor": {"encoder": 0.5}}, "'p': part encoder is off and cannot train"),
        (
            {"train": ["heads"], "lr_factor": {"window_norm": 0.5}},
            "lr_factor names window_norm, which train",
        ),
        ({"parts": {"grph": True}}, "'p': no part 'grph'; did you mean 'graph'?"),
        ({"train": ["head"]}, "'p': no parameter group 'head'; did you mean 'heads'?"),
        ({"lr_factor": {"grap": 1.0}}, "'p': no parameter group 'grap'; did you mean 'graph'?"),
        ({"terms": {"huber": 1.0}}, "'p': term huber is not in model.objective.terms; name it there"),
        ({"terms": {"ic": -1.0}}, "'p': terms.ic must be a number >= 0, got -1.0"),
        (
            {"terms": {"ic": 0.0, "rank_ic": 0.0}},
            "'p': terms must give at least one term a weight",
        ),
        (
            {"horizon_weights": [1.0]},
            "'p': horizon_weights needs one weight for each of the horizons",
        ),
    ],
)
def test_a_phase_that_contradicts_itself_or_the_model_is_an_error_in_one_line(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as raised:
        resolve_phases([Phase(**{"name": "p", "epochs": 2, **options})], NETWORK, OBJECTIVE)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_terms_that_balance_themselves_are_left_alone_by_phases() -> None:
    balanced = ObjectiveOptions(
        terms={"ic": 0.5, "rank_ic": 0.5}, gradient_shares={"ic": 1.0, "rank_ic": 1.0}
    )
    (phase,) = resolve_phases([Phase("p", 1)], NETWORK, balanced)
    assert phase.terms == {}
    with pytest.raises(InputError, match=r"'p': terms are weighed by model\.objective\.gradient_shares"):
        resolve_phases([Phase("p", 1, terms={"ic": 1.0})], NETWORK, balanced)


def test_two_phases_of_one_name_are_an_error() -> None:
    with pytest.raises(InputError, match="two phases are called 'a'; give each its own name"):
        resolve_phases([Phase("a", 1), Phase("b", 1), Phase("a", 2)], NETWORK, OBJECTIVE)


@pytest.mark.parametrize(
    ("criterion", "options", "message"),
    [
        ("val/rankic > 0", {}, "no metric 'val/rankic'; did you mean 'val/rank_ic'"),
        ("val/rank_ic > 0", {"check_val_every_n_epoch": 2}, "epoch 1 is not validated"),
        ("val/rank_ic > 0", {"min_epochs": 5}, "trainer.min_epochs 5 would go on past epoch 1"),
    ],
)
def test_a_criterion_that_could_not_be_checked_is_an_error(
    criterion: str, options: dict[str, Any], message: str
) -> None:
    plan = resolve_phases([Phase("p", 1, criterion=criterion)], NETWORK, OBJECTIVE)
    with pytest.raises(InputError, match=f"criterion of phase p: {message}"):
        check_plan(plan, trainer(**options), METRICS)


def test_a_loss_whose_weights_change_selects_no_checkpoint() -> None:
    run = trainer(callbacks=[EarlyStopping("train/loss")])
    same = resolve_phases([Phase("a", 1), Phase("b", 1, lr_factor=0.5)], NETWORK, OBJECTIVE)
    check_plan(same, run, METRICS)
    other = resolve_phases([Phase("a", 1), Phase("b", 1, terms={"ic": 0.1})], NETWORK, OBJECTIVE)
    with pytest.raises(InputError, match="train/loss means another thing in each phase"):
        check_plan(other, run, METRICS)


def test_a_strategy_that_cannot_freeze_by_phase_is_an_error() -> None:
    run = trainer()
    frozen = resolve_phases([Phase("a", 1), Phase("b", 1, train=["heads"])], NETWORK, OBJECTIVE)
    run._accelerator_connector.strategy = object()  # type: ignore[assignment]
    with pytest.raises(InputError, match="object cannot freeze parts by phase; use one device, or ddp"):
        check_plan(frozen, run, METRICS)
    check_plan(resolve_phases([Phase("a", 1)], NETWORK, OBJECTIVE), run, METRICS)
