"""A run in phases: each epoch as its phase says, resumed exactly, scored with the parts it was selected with."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl_frame
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

from atft.batch import DayBatch
from atft.callbacks.curriculum.phase import Phase
from atft.callbacks.curriculum.plan import resolve_phases
from atft.callbacks.curriculum.schedule import PhaseSchedule, apply_phase
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.receipt import read_receipt
from atft.losses.objective import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.ranking import RankingTask
from networks import small_atft
from small_task import IN_MEMORY, SIZES, StopsAfter, fit, small_task

pytestmark = IN_MEMORY
PHASES = [
    {
        "name": "Baseline",
        "epochs": 1,
        "parts": {"window_norm": False, "graph": False},
        "criterion": "val/rank_ic > -1",
    },
    {"name": "Graph", "epochs": 2, "lr_factor": 0.9, "terms": {"ranknet": 0.2}},
]


def task(**network: Any) -> RankingTask:
    return small_task(network=partial(ATFTGATFAN, **{**SIZES, **network}))


def schedule(owner: RankingTask, *phases: Phase) -> PhaseSchedule:
    return PhaseSchedule(resolve_phases(phases, owner.network, owner.objective.options))


def test_phases_train_what_separate_runs_would_train(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    batch, phased = make_batch(), task()
    phases = schedule(phased, Phase("first", 1, parts={"graph": False}), Phase("second", 1, lr_factor=0.5))
    fit(phased, [batch], tmp_path, phases, max_epochs=2)
    first = task()
    first.network.set_parts(graph=False)
    fit(first, [batch], tmp_path, max_epochs=1)
    second = task()
    second.network.load_state_dict(first.network.state_dict())
    second.optimizer_factory = partial(torch.optim.SGD, lr=0.05)
    fit(second, [batch], tmp_path, max_epochs=1)
    ours, theirs = phased.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(ours[n], theirs[n]) for n in ours)
    assert [(r["name"], r["first_epoch"], r["last_epoch"]) for r in phases.runs] == [
        ("first", 1, 1),
        ("second", 2, 2),
    ]


def test_a_part_that_is_frozen_in_the_first_phase_is_known_to_the_optimiser(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    phased = task()
    before = [p.detach().clone() for p in phased.network.graph.parameters()]
    phases = schedule(phased, Phase("off", 1, parts={"graph": False}), Phase("on", 1))
    trainer = fit(phased, [make_batch()], tmp_path, phases, max_epochs=2)
    assert "graph" in [g["name"] for g in trainer.optimizers[0].param_groups]
    moved = [not torch.equal(p, q) for p, q in zip(phased.network.graph.parameters(), before, strict=True)]
    assert any(moved)


@pytest.mark.parametrize("part", ["variable_selection", "window_norm", "encoder", "graph"])
def test_a_phase_computes_what_a_network_built_without_the_part_computes(
    part: str, make_batch: Callable[..., DayBatch]
) -> None:
    phased, batch = task(), make_batch()
    (phase,) = schedule(phased, Phase("p", 1, parts={part: False})).plan
    apply_phase(phase, phased, phased.build_optimizer(1)[0])
    without = small_atft(**SIZES)
    without.set_parts(**{part: False})
    without.load_state_dict(phased.network.state_dict())
    ours, theirs = phased.network(batch).score, without(batch).score
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, task().network(batch).score)
    for score in (ours, theirs):
        score.square().sum().backward()
    for (name, one), other in zip(phased.network.named_parameters(), without.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        assert one.grad is None or torch.equal(one.grad, other.grad), name  # type: ignore[arg-type]


COMPILED = """
import sys
import torch
from atft.batch import DayBatch
from atft.network import NetworkInputs
from atft.nn.atft_gat_fan import ATFTGATFAN

torch.manual_seed(0)
batch = DayBatch(*torch.load(sys.argv[1]))
inputs = NetworkInputs(tuple("abcde"), (1, 5))
network = ATFTGATFAN(inputs, hidden_size=8, gat_layers=1, dropout=0.0, gat_dropout=0.0)
compiled = torch.compile(network, backend="aot_eager")
seen = []
for switches in ({"graph": False}, {"graph": True, "window_norm": False}, {"window_norm": True}):
    network.set_parts(**switches)
    trained = [p for p in network.parameters() if p.requires_grad]
    scores = [compiled(batch).score, network(batch).score]
    ours, theirs = (torch.autograd.grad(s.square().sum(), trained) for s in scores)
    torch.testing.assert_close(scores[0], scores[1])
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    seen.append(scores[0].detach())
assert not torch.allclose(seen[0], seen[1]) and not torch.allclose(seen[1], seen[2])
print("followed")
"""


@pytest.mark.slow
def test_a_compiled_network_follows_a_switch(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    # In a process of its own: the tests' shape checker cannot be traced.
    torch.save(tuple(make_batch()), tmp_path / "batch.pt")
    words = [sys.executable, "-c", COMPILED, str(tmp_path / "batch.pt")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout == "followed\n", done.stderr[-2000:]


def test_a_phase_sets_everything_and_its_step_moves_exactly_what_trains(
    make_batch: Callable[..., DayBatch],
) -> None:
    objective = ObjectiveOptions(terms={"ic": 1.0, "rank_ic": 0.0})
    optimizer = partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5)  # what is frozen is not even decayed
    phased, batch = small_task(objective=objective, optimizer=optimizer), make_batch()
    options: dict[str, Any] = {
        "train": ["heads", "graph"],
        "lr_factor": {"graph": 0.5},
        "terms": {"rank_ic": 0.3},
    }
    (phase,) = schedule(phased, Phase("p", 1, parts={"window_norm": False}, **options)).plan
    stepping = phased.build_optimizer(1)[0]
    apply_phase(phase, phased, stepping)
    assert phased.network.parts == {
        "variable_selection": True,
        "window_norm": False,
        "encoder": True,
        "graph": True,
    }
    factors = {group["name"]: group["phase_factor"] for group in stepping.param_groups}
    assert factors["graph"] == 0.5 and factors["heads"] == 1.0
    assert phased.objective.term_weights == {"ic": 1.0, "rank_ic": 0.3}
    before = {n: [p.detach().clone() for p in g] for n, g in phased.network.parameter_groups().items()}
    phased.objective(phased(batch), batch).loss.mean().backward()
    stepping.step()
    moved = {
        name
        for name, group in phased.network.parameter_groups().items()
        if any(not torch.equal(p, q) for p, q in zip(group, before[name], strict=True))
    }
    assert moved == {"heads", "graph"}


def test_patience_starts_again_in_each_phase(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    stopping = partial(EarlyStopping, "train/learning_rate", mode="max", patience=2)  # it never improves
    phased = task()
    phases = schedule(phased, Phase("a", 2), Phase("b", 4))
    assert fit(task(), [make_batch()], tmp_path, stopping(), max_epochs=6).current_epoch == 3
    assert fit(phased, [make_batch()], tmp_path, phases, stopping(), max_epochs=6).current_epoch == 4


def test_a_phase_that_changes_the_loss_is_no_spike(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    weights = list(task().objective.term_weights.values())
    learnt = {"losses": [0.1] * 40, "in_a_row": 0, "skipped": 0, "weights": weights}
    guard = SpikeGuard()
    guard.load_state_dict(learnt)
    phased = task()
    phases = schedule(phased, Phase("a", 1), Phase("b", 2, terms={"ic": 100.0}))
    fit(phased, [make_batch()], tmp_path, phases, guard, max_epochs=3)
    assert guard.skipped == 0
    without = SpikeGuard()
    without.load_state_dict(learnt)
    fit(task(), [make_batch()], tmp_path, without, max_epochs=3)
    assert without.skipped == 3


# -- whole runs


@pytest.fixture(scope="module")
def phased(tmp_path_factory: pytest.TempPathFactory, tiny_config: Any, tiny_run: Any, atft: Any) -> Any:
    """A run of two phases whose first epoch is selected, whatever its scores."""
    folder = tmp_path_factory.mktemp("phased")
    config = tiny_config(
        folder,
        tiny_run.panel,
        trainer__max_epochs=None,
        curriculum={"phases": PHASES},
        checkpoint={"mode": "min", "monitor": "train/learning_rate", "select": "best"},
        model__scheduler={
            "class_path": "atft.optim.schedules.WarmupCosine",
            "init_args": {"warmup_epochs": 3.0, "epochs": 4},
        },
        data__cache={"dir": str(tiny_run.folder / "cache")},
    )
    printed = atft("fit", "--config", config)
    assert printed.code == 0, printed
    return config, folder / "logs" / "tiny" / "version_0", printed


def test_a_run_prints_its_plan_and_each_change(phased: Any) -> None:
    _, run, printed = phased
    log = (run / "run.log").read_text()
    for text in (printed.err, log):
        assert (
            text.index("curriculum")
            < text.index("phase 1/2 Baseline   epochs: 1-1")
            < text.index("epoch   1/3")
        )
        assert (
            text.index("epoch   1/3")
            < text.index("phase 2/2 Graph   epochs: 2-3")
            < text.index("epoch   2/3")
        )
    assert "parts on: variable_selection, window_norm, encoder, graph" in log and "trains: all x0.9" in log
    assert "selected checkpoint: epoch 1, phase Baseline (parts on: variable_selection, encoder)" in log


def test_the_receipt_tells_the_phases_as_they_ran(phased: Any) -> None:
    receipt = read_receipt(phased[1])
    first, second = receipt.phases
    assert (first["name"], first["first_epoch"], first["last_epoch"]) == ("Baseline", 1, 1)
    assert first["parts"] == ["variable_selection", "encoder"] and first["terms"]["ranknet"] == 0
    assert first["criterion"].startswith("passed: val/rank_ic ")
    assert first["criterion"].endswith("after epoch 1, required val/rank_ic > -1")
    assert (second["name"], second["first_epoch"], second["last_epoch"]) == ("Graph", 2, 3)
    assert second["criterion"] == "" and second["terms"]["ranknet"] == 0.2
    assert set(second["lr_factors"].values()) == {0.9}
    assert receipt.status == "completed" and "ranknet" in receipt.terms
    epochs = json.loads((phased[1] / "metrics.json").read_text())["epochs"]
    assert [e["train/phase"] for e in epochs] == [1.0, 2.0, 2.0]


def test_a_run_of_which_only_the_table_is_missing_keeps_its_phases(
    phased: Any, atft: Any, tmp_path: Path
) -> None:
    config, run, _ = phased
    killed = tmp_path / "tiny" / "version_0"
    killed.mkdir(parents=True)
    for name in ("last.ckpt", "best_model.ckpt"):
        shutil.copy(run / name, killed)
    concluded = ["--trainer.default_root_dir", tmp_path, "--ckpt_path", "last"]
    assert atft("fit", "--config", config, *concluded).code == 0
    before, after = read_receipt(run), read_receipt(tmp_path / "tiny" / "version_1")
    assert (after.phases, after.days, after.rows) == (before.phases, before.days, before.rows)
    assert after.terms == before.terms


def test_a_checkpoint_of_an_early_phase_is_scored_with_that_phases_parts(
    phased: Any, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    _, run, _ = phased
    cache = ["--data.cache.dir", tiny_run.folder / "cache"]
    best = run / "best_model.ckpt"
    checkpoint = torch.load(best)
    assert checkpoint["epoch"] == 0
    assert checkpoint["atft"]["parts"] == {
        "variable_selection": True,
        "window_norm": False,
        "encoder": True,
        "graph": False,
    }
    measured = json.loads((run / "metrics.json").read_text())["epochs"][0]["val/rank_ic"]

    def validated(path: Path) -> float:
        outcome = atft("validate", "--ckpt_path", path, *cache)
        assert outcome.code == 0, outcome
        return float(dict(line.split() for line in outcome.out.splitlines())["val/rank_ic"])

    assert validated(best) == pytest.approx(measured, abs=1e-4)
    # The control: without its switches the same weights are another model.
    checkpoint["atft"]["parts"] = dict.fromkeys(checkpoint["atft"]["parts"], True)
    torch.save(checkpoint, tmp_path / "forgetful.ckpt")
    assert abs(validated(tmp_path / "forgetful.ckpt") - measured) > 1e-3
    again = tmp_path / "again.parquet"
    assert atft("predict", "--ckpt_path", best, *cache, "--out", again).code == 0
    keys = ["date", "code", "horizon", "score"]
    ours, theirs = (pl_frame.read_parquet(p).select(keys) for p in (again, run / "predictions.parquet"))
    assert ours.equals(theirs)


def test_a_run_resumed_across_a_phases_border_equals_the_uninterrupted_one(
    phased: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    config, whole, _ = phased
    elsewhere = ["--trainer.default_root_dir", tmp_path]
    first = atft("fit", "--config", config, *elsewhere, "--trainer.max_epochs", "1")
    assert first.code == 0 and "trainer.max_epochs 1 ends the curriculum early; never run: Graph" in first.err
    assert read_receipt(tmp_path / "tiny" / "version_0").alarms != []
    resumed = atft("fit", "--config", config, *elsewhere, "--ckpt_path=last")
    assert resumed.code == 0 and "phase 2/2 Graph" in resumed.err and "phase 1/2" not in resumed.err
    second = tmp_path / "tiny" / "version_1"
    for name in ("last.ckpt", "best_model.ckpt"):
        one, other = (torch.load(run / name)["state_dict"] for run in (whole, second))
        assert all(torch.equal(one[n], other[n]) for n in one), name
    assert read_receipt(second).phases == read_receipt(whole).phases


@pytest.mark.parametrize("otherwise", ["stop", "fail", "continue"])
def test_a_criterion_ends_a_hopeless_run_and_says_why(
    otherwise: str, phased: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    first = {**PHASES[0], "criterion": "val/rank_ic > 0.99", "otherwise": otherwise}
    asked = json.dumps([first, {**PHASES[1], "epochs": 1}])
    words = ["--config", phased[0], "--trainer.default_root_dir", tmp_path, "--curriculum.phases", asked]
    outcome, run = atft("fit", *words), tmp_path / "tiny" / "version_0"
    receipt, said = read_receipt(run), "criterion of phase Baseline: val/rank_ic "
    assert receipt.phases[0]["criterion"].startswith(f"{otherwise}: val/rank_ic ")
    if otherwise == "continue":
        assert outcome.code == 0 and receipt.epochs == 2 and receipt.status == "completed"
        assert receipt.alarms[0].startswith(said)
        return
    assert receipt.epochs == 1 and (run / "best_model.ckpt").is_file()
    assert receipt.reason.endswith("after epoch 1, required val/rank_ic > 0.99")
    if otherwise == "stop":
        assert outcome.code == 0 and receipt.status == "stopped" and receipt.reason.startswith(said)
        assert f"stopped ({said}" in outcome.out
    else:
        assert outcome.code == 1 and receipt.status == "failed"
        assert receipt.reason.startswith(f"CriterionFailed: {said}")
        assert outcome.err.strip().splitlines()[-1].startswith(f"atft: error: {said}")
    again = atft("fit", *words, "--ckpt_path=last")
    assert again.code == 1 and "change the criterion to go on from here" in again.err


def test_a_criterion_is_not_asked_of_an_epoch_that_a_stop_cut_off(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(3)]
    for step, missed in ((5, False), (6, True)):  # in the middle of the phase's last epoch, and at its end
        phased = task()
        phases = schedule(phased, Phase("first", 2, criterion="train/loss < 0"), Phase("second", 1))
        fit(phased, blocks, tmp_path, phases, StopsAfter(step), max_epochs=3)
        assert bool(phases.runs[-1]["criterion"]) == missed and phases.runs[-1]["last_epoch"] == 2


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_processes_cross_a_phases_border_like_one(
    tiny_config: Callable[..., Path], tiny_run: Any, tmp_path: Path
) -> None:
    """DDP over gloo: parameters that are frozen, trained and frozen again, with the gradients of one process."""
    phases = [*PHASES, {"name": "Fine-tuning", "epochs": 1, "train": ["heads"]}]
    config = tiny_config(
        tmp_path,
        tiny_run.panel,
        trainer__max_epochs=None,
        curriculum={"phases": phases},
        model__network=SIZES,
        model__objective={"terms": {"ic": 0.5, "rank_ic": 0.5}},
        model__optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
        data__cache={"dir": str(tiny_run.folder / "cache")},
    )
    for extra in ([], ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--name", "two"]):
        words = [sys.executable, "-m", "atft", "fit", "--config", str(config), *extra]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    one, other = (tmp_path / "logs" / name / "version_0" for name in ("tiny", "two"))
    weights = [torch.load(run / "last.ckpt")["state_dict"] for run in (one, other)]
    for name, value in ((n, v) for n, v in weights[0].items() if n.startswith("network.")):
        torch.testing.assert_close(value, weights[1][name], rtol=1e-3, atol=1e-4, msg=name)
    names = [[p["name"] for p in read_receipt(run).phases] for run in (one, other)]
    assert names[0] == names[1] == ["Baseline", "Graph", "Fine-tuning"]
