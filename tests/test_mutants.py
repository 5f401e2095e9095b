"""Twelve mutants, planted in the real code, and what catches each: a check of this table or a guard of the run.

| mutant | caught by |
| --- | --- |
| optimiser swapped | the receipt names the class that stepped |
| scheduler not stepped | the learning rate follows its schedule inside an epoch |
| loss weight ignored | the loss is the weighted sum of the terms that are reported |
| 2 % of days | the coverage guard ends the run; the receipt has seen beside planned |
| dropout left on in validation | validating twice gives the same figures |
| label filled with 0 | a label that the panel does not have is not valid |
| sign flipped | a small network trained on the loss ranks unseen days |
| part frozen  | every parameter of the network receives a gradient |
| head collapsed | the collapse guard ends the run |
| phase not applied | the network's switches in each epoch are those of its phase |
| RankIC from argsort | the metric of tied scores is scipy's Spearman |
| graph order shuffled | each edge of a block is one of the cache's graph |

Each check passes on the code as it is and fails with its mutant, with the message of the table: a check that
cannot fail, or fails for another reason, is a defect of this file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import polars
import pytest
import scipy.stats
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from atft import cross_section
from atft.batch import DayBatch, Forecast
from atft.callbacks.curriculum.phase import Phase
from atft.callbacks.curriculum.plan import resolve_phases
from atft.callbacks.curriculum.schedule import PhaseSchedule
from atft.callbacks.record.receipt import read_receipt
from atft.data.block_plan import BlockSampler, PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.losses.objective import DayObjective, ObjectiveOptions, ObjectiveValue
from atft.metrics.cross_section_metrics import CrossSectionMetrics
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.optim.schedules import WarmupCosine
from atft.tasks.ranking import RankingTask
from tests.support.small_task import IN_MEMORY, small_task

pytestmark = IN_MEMORY


@dataclass(frozen=True)
class Workshop:
    """What the checks work with: a finished healthy run, and the means to train another."""

    tiny_run: Any
    make_batch: Callable[..., DayBatch]
    atft: Callable[..., Any]
    folder: Path
    planted: bool

    def run(self, *arguments: str) -> Path:
        """Directory of a finished run: the healthy one, or one that is trained with what is planted, so asked."""
        if not self.planted:
            return Path(self.tiny_run.directory)
        place = [
            "--trainer.default_root_dir",
            self.folder,
            "--data.cache.dir",
            self.tiny_run.folder / "cache",
        ]
        outcome = self.atft("fit", "--config", self.tiny_run.config, *place, *arguments)
        assert outcome.code == 0, outcome.err
        return self.folder / "tiny" / "version_0"

    def block(self) -> tuple[DayCache, DayBatch]:
        """The panel's last four days, whose 5-day returns are not known yet."""
        cache = DayCache(self.tiny_run.cache)
        first = len(cache.manifest.dates) - 4
        return cache, DayBlocks(cache, 6)[PlannedBlock(first, 4, 1, (0.25,) * 4, True)]

    def task(self, **changes: Any) -> RankingTask:
        """A small task that reads the blocks of :meth:`loader`."""
        network = partial(ATFTGATFAN, hidden_size=8, gat_layers=1, dropout=0.5)
        return small_task(**{"network": network, "gradient_clip": 1.0, **changes})

    def loader(self) -> DataLoader[DayBatch]:
        blocks: list[Any] = [self.make_batch(seed=s) for s in range(4)]
        return DataLoader(blocks, batch_size=None, generator=torch.Generator())

    def trainer(self, **options: Any) -> pl.Trainer:
        quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        plain = dict.fromkeys(quiet, False)
        return pl.Trainer(accelerator="cpu", default_root_dir=self.folder, **plain, **options)


# -- what catches them


def the_class_that_steps_is_the_one_asked_for(shop: Workshop) -> None:
    stepped = read_receipt(shop.run("--trainer.max_epochs", "1")).optimizer
    assert stepped == "AdamW", f"{stepped} stepped"


def the_rate_follows_its_schedule(shop: Workshop) -> None:
    rates: list[float] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    task = shop.task(scheduler=partial(WarmupCosine, warmup_epochs=1.0))
    shop.trainer(max_epochs=2, callbacks=[Watch()]).fit(task, shop.loader())
    assert len(rates) == 8
    assert rates[0] < rates[3] > rates[7], f"the rate stood still: {rates}"


def the_loss_is_the_weighted_sum_of_what_is_reported(shop: Workshop) -> None:
    weights = {"huber": 0.1, "ic": 0.7, "rank_ic": 0.0}
    batch = shop.make_batch(stocks=30)
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0))
    value = DayObjective(ObjectiveOptions(terms=weights), [1, 5])(Forecast(score), batch)
    total = torch.stack([weights[n] * v for n, v in value.terms.items()]).sum(0)
    assert torch.allclose(value.loss, total), "the loss is another sum"


def every_planned_row_and_day_is_seen(shop: Workshop) -> None:
    receipt = read_receipt(shop.run("--trainer.max_epochs", "1"))
    seen = receipt.rows["train"].seen, receipt.days["train"].seen
    planned = receipt.rows["train"].planned, receipt.days["train"].planned
    assert seen == planned, f"seen {seen} of {planned}"


def validating_twice_gives_the_same_figures(shop: Workshop) -> None:
    task, trainer = shop.task(), shop.trainer(max_epochs=1)
    first, second = (trainer.validate(task, shop.loader(), verbose=False)[0] for _ in range(2))
    assert first["val/rank_ic"] == second["val/rank_ic"], "validation is noise"


def a_label_that_is_not_in_the_panel_is_not_valid(shop: Workshop) -> None:
    cache, batch = shop.block()
    panel = polars.read_parquet(shop.tiny_run.panel)
    for d, day in enumerate(batch.day.tolist()):
        rows = panel.filter(polars.col("date") == cache.manifest.dates[day])
        known = {r["code"]: r["target_1d"] is not None for r in rows.iter_rows(named=True) if r["universe"]}
        codes = [cache.codes[s] for s in batch.stock.tolist()]
        wanted = [known.get(code, False) for code in codes]
        assert batch.valid[d, :, 0].tolist() == wanted, "an unknown label is counted"
        assert not batch.valid[d, :, 1].any(), "an unknown label is counted"
    assert batch.universe.all(0).any() and batch.valid.any()


def training_on_the_loss_ranks_unseen_days(shop: Workshop) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    features = torch.randn(48, 40, 4)
    returns = 0.02 * (features[..., :1] + torch.randn(48, 40, 2))
    template, objective = shop.make_batch(days=8, stocks=40), DayObjective(ObjectiveOptions(), [1, 5])
    everyone = torch.ones(8, 40, 2, dtype=torch.bool)
    for _ in range(6):
        for days in torch.arange(40).split(8):
            batch = template._replace(target=returns[days], valid=everyone)
            optimizer.zero_grad()
            objective(Forecast(network(features[days])), batch).loss.mean().backward()
            optimizer.step()
    with torch.no_grad():
        ranks = [a.movedim(-1, 1) for a in (network(features[40:]), returns[40:], everyone)]
    rank_ic = cross_section.spearman(*ranks).mean().item()
    assert rank_ic > 0.3, f"it ranks the wrong way: {rank_ic:.2f}"


def every_parameter_receives_a_gradient(shop: Workshop) -> None:
    task, batch = shop.task(), shop.make_batch(stocks=30)
    options = ObjectiveOptions(terms={"ic": 0.5, "huber": 0.5})
    DayObjective(options, [1, 5])(task(batch), batch).loss.sum().backward()
    idle = [n for n, p in task.network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not idle, f"without a gradient: {idle}"


def a_run_ends_well(shop: Workshop) -> None:
    # A distance pulls at a constant score too: no other guard is faster.
    directory = shop.run("--model.objective.terms", "{huber: 1.0}", "--trainer.max_epochs", "2")
    assert read_receipt(directory).alarms == []


def an_epoch_is_trained_as_its_phase_says(shop: Workshop) -> None:
    task, graph = shop.task(), list[bool]()

    class Watch(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            graph.append(task.network.parts["graph"])

    phases = [Phase(name="Baseline", epochs=1, parts={"graph": False}), Phase(name="Graph", epochs=1)]
    plan = resolve_phases(phases, task.network, task.objective.options)
    shop.trainer(max_epochs=2, callbacks=[PhaseSchedule(plan), Watch()]).fit(task, shop.loader())
    assert graph == [False, True], f"Baseline and Graph trained with the graph {graph}"


def the_rank_ic_of_tied_scores_is_spearman(shop: Workshop) -> None:
    batch = shop.make_batch(days=4, stocks=60, missing=0.0)
    score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(0)).round()
    metric = CrossSectionMetrics((1, 5))
    metric.update(score, batch.target, batch.valid, batch.day)
    exact = np.mean(
        [scipy.stats.spearmanr(score[d, :, h], batch.target[d, :, h])[0] for d in range(4) for h in range(2)]
    )
    measured = metric.compute()["rank_ic"].item()
    assert measured == pytest.approx(exact, abs=1e-6), "row order became signal"


def each_edge_of_a_block_is_one_of_the_graph(shop: Workshop) -> None:
    cache, batch = shop.block()
    day, place = np.divmod(batch.edge_index.numpy(), len(batch.stock))
    source, destination = batch.stock.numpy()[place]
    assert len(source) and (day[0] == day[1]).all()
    for d, a, b in zip(day[0], source, destination, strict=True):
        neighbours, _ = cache.graph(int(batch.day[d]), np.array([b]))
        assert a in neighbours[0], "an edge points at the wrong stock"


# -- how they are planted


def swap_the_optimiser(patch: pytest.MonkeyPatch) -> None:
    former = RankingTask.build_optimizer

    def swapped(self: RankingTask, max_epochs: int) -> Any:
        self.optimizer_factory = partial(torch.optim.SGD, lr=0.01)
        return former(self, max_epochs)

    patch.setattr(RankingTask, "build_optimizer", swapped)


def stop_the_schedule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WarmupCosine, "advance", lambda self, epoch: None)


def ignore_the_weights(patch: pytest.MonkeyPatch) -> None:
    former = DayObjective.forward

    def forward(self: DayObjective, forecast: Forecast, batch: DayBatch) -> ObjectiveValue:
        self.term_weights.update(dict.fromkeys(self.term_weights, 1.0))
        return former(self, forecast, batch)

    patch.setattr(DayObjective, "forward", forward)


def read_two_percent(patch: pytest.MonkeyPatch) -> None:
    former = BlockSampler.__iter__

    def some(self: BlockSampler) -> Iterator[PlannedBlock]:
        for i, block in enumerate(former(self)):
            yield block
            if self.shuffle and block.closes_step and i >= 0.02 * len(self.plan()):
                return

    patch.setattr(BlockSampler, "__iter__", some)


def leave_dropout_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RankingTask, "on_validation_model_eval", lambda self: self.train())


def fill_labels_with_zero(patch: pytest.MonkeyPatch) -> None:
    former = DayBlocks.__getitem__

    def filled(self: DayBlocks, block: PlannedBlock) -> DayBatch:
        batch = former(self, block)
        valid = batch.universe[..., None].expand(batch.valid.shape)
        return batch._replace(target=batch.target.nan_to_num(0), valid=valid)

    patch.setattr(DayBlocks, "__getitem__", filled)


def flip_the_sign(patch: pytest.MonkeyPatch) -> None:
    former = DayObjective.forward

    def forward(self: DayObjective, forecast: Forecast, batch: DayBatch) -> ObjectiveValue:
        value = former(self, forecast, batch)
        return value._replace(loss=-value.loss)

    patch.setattr(DayObjective, "forward", forward)


def freeze_the_graph(patch: pytest.MonkeyPatch) -> None:
    former = ATFTGATFAN.__init__

    def build(self: ATFTGATFAN, *arguments: Any, **options: Any) -> None:
        former(self, *arguments, **options)
        for parameter in self.graph.parameters():
            parameter.requires_grad_(False)

    patch.setattr(ATFTGATFAN, "__init__", build)


def collapse_the_heads(patch: pytest.MonkeyPatch) -> None:
    former = ATFTGATFAN.forward

    def forward(self: ATFTGATFAN, batch: DayBatch) -> Forecast:
        with torch.no_grad():
            for parameter in self.heads.parameters():
                parameter.zero_()
        return former(self, batch)

    patch.setattr(ATFTGATFAN, "forward", forward)


def skip_the_phases(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("atft.callbacks.curriculum.schedule.apply_phase", lambda *_: None)


def rank_by_argsort(patch: pytest.MonkeyPatch) -> None:
    def ranks(x: Tensor, valid: Tensor) -> Tensor:
        order = torch.where(valid, x, torch.inf).argsort(dim=-1, stable=True)
        return torch.where(valid, order.argsort(-1) + 1.0, 0)

    patch.setattr(cross_section, "average_ranks", ranks)


def shuffle_the_graph(patch: pytest.MonkeyPatch) -> None:
    former = DayBlocks._edges

    def edges(self: DayBlocks, block: PlannedBlock, stocks: Any, universe: Any) -> tuple[Tensor, Tensor]:
        return former(self, block, np.random.default_rng(0).permutation(stocks), universe)

    patch.setattr(DayBlocks, "_edges", edges)


@dataclass(frozen=True)
class Mutant:
    """One row of the table."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    check: Callable[[Workshop], None]
    says: str
    """Pattern of what the check says of the mutant."""


MUTANTS = [
    Mutant("optimiser swapped", swap_the_optimiser, the_class_that_steps_is_the_one_asked_for, "SGD stepped"),
    Mutant("scheduler not stepped", stop_the_schedule, the_rate_follows_its_schedule, "rate stood still"),
    Mutant(
        "loss weight ignored",
        ignore_the_weights,
        the_loss_is_the_weighted_sum_of_what_is_reported,
        "another sum",
    ),
    Mutant(
        "2 % of days", read_two_percent, every_planned_row_and_day_is_seen, "less than coverage_guard.floor"
    ),
    Mutant("dropout left on", leave_dropout_on, validating_twice_gives_the_same_figures, "is noise"),
    Mutant(
        "label filled with 0",
        fill_labels_with_zero,
        a_label_that_is_not_in_the_panel_is_not_valid,
        "an unknown label is counted",
    ),
    Mutant("sign flipped", flip_the_sign, training_on_the_loss_ranks_unseen_days, r"the wrong way: -0\.\d+"),
    Mutant("part frozen", freeze_the_graph, every_parameter_receives_a_gradient, r"gradient: \['graph"),
    Mutant("head collapsed", collapse_the_heads, a_run_ends_well, "the scores have collapsed"),
    Mutant(
        "phase not applied",
        skip_the_phases,
        an_epoch_is_trained_as_its_phase_says,
        r"with the graph \[True, True\]",
    ),
    Mutant(
        "RankIC from argsort", rank_by_argsort, the_rank_ic_of_tied_scores_is_spearman, "row order became"
    ),
    Mutant(
        "graph order shuffled",
        shuffle_the_graph,
        each_edge_of_a_block_is_one_of_the_graph,
        "points at the wrong stock",
    ),
]


def workshop(planted: bool, request: pytest.FixtureRequest) -> Workshop:
    values = (request.getfixturevalue(name) for name in ("tiny_run", "make_batch", "atft", "tmp_path"))
    return Workshop(*values, planted=planted)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_is_caught_and_healthy_code_is_not(
    mutant: Mutant, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.check(workshop(False, request))
    shop = workshop(True, request)  # the healthy run is trained by now
    mutant.plant(monkeypatch)
    with pytest.raises(AssertionError, match=mutant.says):
        mutant.check(shop)


def test_the_table_names_every_mutant_and_plants_each_of_them_once() -> None:
    assert __doc__ is not None
    rows = [line.split("|")[1].strip() for line in __doc__.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(MUTANTS) == len({m.plant for m in MUTANTS}) == 12
    assert all(row.startswith(m.name) for row, m in zip(rows, MUTANTS, strict=True))
