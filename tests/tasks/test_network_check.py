"""A network is tried on noise: what does not run, looks ahead or uses nothing is one line before the first step."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.ensemble import Ensemble
from atft.nn.ranking_network import RankingNetwork
from atft.tasks.network_check import try_network, try_states
from networks import NETWORKS, inputs_of, small_network

INPUTS = inputs_of(regimes=("regime_0", "regime_1"))


class Own(RankingNetwork):
    """A linear map of the last day's row, whose ``forward`` a test replaces."""

    def __init__(self, inputs: Any = INPUTS) -> None:
        super().__init__(inputs)
        self.score = nn.Linear(len(inputs.features), len(inputs.horizons))

    def rows(self, batch: DayBatch) -> Tensor:
        return self.scaling(batch.features, batch.observed)

    def last(self, batch: DayBatch) -> Tensor:
        return self.rows(batch)[batch.lookback - 1 :]

    def forward(self, batch: DayBatch) -> Forecast:
        return Forecast(self.score(self.last(batch)))


class NoForward(RankingNetwork):
    """A network without ``forward``."""


class Unused(Own):
    """A layer that nothing calls."""

    def __init__(self, inputs: Any = INPUTS) -> None:
        super().__init__(inputs)
        self.extra = nn.Linear(3, 3)


class Normalised(Own):
    """A network with running statistics and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5)

    def forward(self, batch: DayBatch) -> Forecast:
        rows = self.last(batch)
        return Forecast(
            self.score(
                nn.functional.dropout(self.norm(rows.flatten(0, 1)), 0.5, self.training).reshape(rows.shape)
            )
        )


class ZeroInit(Own):
    """A look-ahead behind a weight that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, batch: DayBatch) -> Forecast:
        return Forecast(self.score(self.last(batch)) + self.gain * self.score(self.rows(batch).mean(0)))


def with_forward(forward: Callable[[Own, DayBatch], Any]) -> type[Own]:
    return type("Replaced", (Own,), {"forward": forward})


def raises(self: Own, batch: DayBatch) -> Forecast:
    return Forecast(self.score(self.rows(batch)[..., :2]))


RAISES = raises.__code__.co_firstlineno + 1


def next_row(self: Own, batch: DayBatch) -> Forecast:
    rows = self.rows(batch)
    return Forecast(self.score(torch.cat((rows[batch.lookback :], rows[-1:]))))


def later_universe(self: Own, batch: DayBatch) -> Forecast:
    return Forecast(self.score(self.last(batch)) + batch.universe.float().mean())


def answer(self: Own, batch: DayBatch) -> Forecast:
    return Forecast(self.score(self.last(batch)) + batch.target.nan_to_num())


def skipped(self: Own, batch: DayBatch) -> Forecast:
    rows = self.last(batch)
    return Forecast(0 * rows[..., :2] if self.training else self.score(rows))


def fill_in_place(self: Own, batch: DayBatch) -> Forecast:
    batch.features[batch.features.isnan()] = 0
    return Forecast(self.score(self.last(batch)))


def always_drop(self: Own, batch: DayBatch) -> Forecast:
    return Forecast(nn.functional.dropout(self.score(self.last(batch)), 0.5, training=True))


def sum_of_the_block(self: Own, batch: DayBatch) -> Forecast:
    return Forecast(self.score(self.rows(batch).cumsum(0)[batch.lookback - 1 :]))


def first_day_of_the_block(self: Own, batch: DayBatch) -> Forecast:
    return Forecast(self.score(self.last(batch)) + 0.1 * self.last(batch)[:1, :, :2])


def mixed_stocks(self: Own, batch: DayBatch) -> Forecast:
    score = self.score(self.last(batch))
    return Forecast(score.transpose(1, 2).reshape(score.shape))


def mean_of_the_block(self: Own, batch: DayBatch) -> Forecast:
    score = self.score(self.last(batch))
    return Forecast(score - score.mean(1, keepdim=True))


def reads(name: str) -> type[Own]:
    """A network whose scores depend on a field that is not of the day and its stocks."""

    def forward(self: Own, batch: DayBatch) -> Forecast:
        number = torch.as_tensor(getattr(batch, name)).float()
        shape = {"stock": (1, -1, 1), "sector": (*number.shape, 1)}.get(name, (-1, 1, 1))
        return Forecast(self.score(self.last(batch)) + number.reshape(shape))

    return with_forward(forward)


def mean_of_the_sector(self: Own, batch: DayBatch) -> Forecast:
    score, sector, ranked = self.score(self.last(batch)), batch.sector, batch.universe
    same = (sector[:, :, None] == sector[:, None]) & ranked[:, None] & (sector >= 0)[:, None]
    share = same / same.sum(-1, keepdim=True).clamp_min(1)
    return Forecast(score - share @ score)


class Descending(Own):
    """Levels of quantiles in the wrong order, set where no constructor of ours sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.quantiles = (0.9, 0.1)

    def forward(self, batch: DayBatch) -> Forecast:
        score = self.score(self.last(batch))
        return Forecast(score, quantiles=two(score).flip(-1))


class Levels(Own):
    """Two levels of quantiles, and a ``forward`` that a test replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.quantiles = (0.1, 0.9)


def with_quantiles(quantiles: Callable[[Tensor], Any], base: type[Own] = Levels) -> type[Own]:
    """A network whose quantiles are made of its scores."""

    def forward(self: Own, batch: DayBatch) -> Forecast:
        score = self.score(self.last(batch))
        return Forecast(score, quantiles=quantiles(score))

    return type("Replaced", (base,), {"forward": forward})


def two(score: Tensor) -> Tensor:
    return torch.stack((score - 1, score + 1), dim=-1)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (with_forward(fill_in_place), "forward changes batch.features in place, which others read after it"),
        (
            with_forward(always_drop),
            "scores of one block differ from call to call in eval mode; draw at random",
        ),
        (
            with_forward(sum_of_the_block),
            "scores of a day change with earlier days of the block; let day i read",
        ),
        (with_forward(first_day_of_the_block), "scores of a day change with earlier days of the block"),
        (with_forward(mixed_stocks), "scores change with the order of the stocks, which means nothing"),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b)).long())),
            "score of the forecast is torch.int64; return a floating-point tensor",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b)) + 1j)),
            "score of the forecast is torch.complex64; return a floating-point tensor",
        ),
        (
            with_forward(lambda self, b: Forecast(*[self.score(self.last(b))] * 3)),
            "has 0 levels of quantiles and forward returns some; pass their levels to super().__init__",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b)), None, self.score(self.last(b)))),
            "members are [3, 12, 2], they must be [days, stocks, horizons, members], here [3, 12, 2, members]",
        ),
        (Descending, "Descending: quantiles must ascend strictly inside (0, 1), got [0.9, 0.1]"),
        (with_quantiles(lambda score: None), "has 2 levels of quantiles and forward returns none"),
        (
            with_quantiles(lambda score: two(score)[..., :1]),
            "quantiles are [3, 12, 2, 1], they must be [days, ",
        ),
        (
            with_quantiles(lambda score: two(score).flatten(2)),
            "quantiles are [3, 12, 4], they must be [days, ",
        ),
        (with_quantiles(lambda score: two(score) / 0), "scores are not finite on noise"),
        (NoForward, "has no forward; add forward(self, batch)"),
        (
            with_forward(raises),
            f"forward raises RuntimeError at test_network_check.py line {RAISES}: mat1 and mat2",
        ),
        (
            with_forward(lambda self, b: self.score(self.last(b))),
            "forward returns a Tensor; return atft.batch",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b))[..., 0])),
            "scores are [3, 12], they",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(b.features[b.lookback - 1 :]))),
            "where batch.features is unknown (NaN); use self.scaling(batch.features, batch.observed)",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b)) + b.regime[:, :1, None])),
            "where batch.regime is unknown (NaN); use batch.regime.nan_to_num()",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b)) / 0)),
            "scores are not finite on noise",
        ),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b) + self.rows(b).mean(0)))),
            "scores of a day change with rows of later days",
        ),
        (with_forward(next_row), "scores of a day change with rows of later days"),
        (with_forward(later_universe), "scores of a day change with rows of later days"),
        (ZeroInit, "scores of a day change with rows of later days"),
        (with_forward(answer), "scores change with batch.target"),
        (
            with_forward(mean_of_the_block),
            "scores of a day change with stocks outside its universe, which an",
        ),
        (reads("stock"), "scores change with batch.stock, a place in this panel's list of codes"),
        (reads("day"), "scores change with batch.day, a place on this panel's calendar"),
        (
            reads("sector"),
            "scores change with batch.sector, whose numbers are others in another panel; only compare",
        ),
        (reads("weight"), "scores change with batch.weight, which is for the training; do not read it"),
        (reads("position"), "scores change with batch.position, which is for the training"),
        (reads("closes_step"), "scores change with batch.closes_step, which is for the training"),
        (Unused, "parameter extra.weight (and 1 more) is used by nothing; remove it"),
        (
            with_forward(lambda self, b: Forecast(self.score(self.last(b)).detach())),
            "scores have no gradient",
        ),
    ],
)
def test_a_fault_of_a_network_is_one_line_with_its_class(kind: type[Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        try_network(kind(INPUTS) if kind is NoForward else kind(), INPUTS)
    line = str(raised.value)
    assert line.startswith(f"model.network: {__name__}.{kind.__qualname__}: "), line
    assert message in line and len(line) < 200, line


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("lookback", [1, 5])
def test_the_networks_of_the_package_pass(name: str, lookback: int) -> None:
    network = small_network(name)
    try_network(network, INPUTS, lookback, exposures=0)
    for part in list(network.parts):
        network.set_parts(**{part: False})
        try_network(network, INPUTS, lookback)


def test_a_network_that_compares_the_sectors_of_ranked_stocks_passes() -> None:
    try_network(with_forward(mean_of_the_sector)(), INPUTS)


def test_a_network_with_no_part_and_one_with_quantiles_pass() -> None:
    none = dict.fromkeys(("variable_selection", "window_norm", "encoder", "graph"), "none")
    for options in (none, {"quantiles": [0.1, 0.9]}):
        try_network(ATFTGATFAN(INPUTS, hidden_size=8, **options), INPUTS)  # type: ignore[arg-type]


def test_quantiles_and_members_of_the_right_shapes_and_scores_of_half_precision_pass() -> None:
    try_network(with_quantiles(two)(), INPUTS)
    try_network(
        with_forward(
            lambda self, b: Forecast(self.score(self.last(b)), members=two(self.score(self.last(b))))
        )(),
        INPUTS,
    )
    try_network(with_forward(lambda self, b: Forecast(self.score(self.last(b)).bfloat16()))(), INPUTS)


def test_a_layer_that_only_evaluation_uses_is_used() -> None:
    try_network(with_forward(skipped)(), INPUTS)


def test_a_network_that_cannot_be_copied_is_not_tried() -> None:
    network = Unused()
    network.lock = threading.Lock()  # type: ignore[assignment]
    try_network(network, INPUTS)


def test_memory_that_runs_out_is_left_to_the_training() -> None:
    def forward(self: Own, batch: DayBatch) -> Forecast:
        raise torch.OutOfMemoryError("CUDA out of memory")

    try_network(with_forward(forward)(), INPUTS)


def test_nothing_of_the_run_changes() -> None:
    network = Normalised().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    try_network(network, INPUTS)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_training_is_the_same_bits_with_and_without_the_check(
    tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from atft.commands.train import build

    def trained(folder: str) -> dict[str, Tensor]:
        config = yaml.safe_load(tiny_run.config.read_text())
        config["trainer"] |= {"default_root_dir": str(tmp_path / folder), "max_epochs": 1}
        cli = build("fit", config, quiet=True)
        cli.make_directory()
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        return cli.model.network.state_dict()

    checked = trained("checked")
    monkeypatch.setattr("atft.commands.ranking_cli.check_network_on_noise", lambda *_: None)
    plain = trained("plain")
    assert all(torch.equal(value, plain[name]) for name, value in checked.items())


def test_fit_checks_before_anything_is_made_and_an_evaluation_does_not(
    tiny_run: Any, tmp_path: Path, atft: Callable[..., Any]
) -> None:
    network = ["--model.network", f"{__name__}.Unused", "--trainer.default_root_dir", tmp_path / "logs"]
    line = atft("fit", "--config", tiny_run.config, *network).error_line
    assert line.startswith(f"model.network: {__name__}.Unused: parameter extra.weight")
    assert not (tmp_path / "logs").exists()
    checkpoint = ["--ckpt_path", tiny_run.directory / "best_model.ckpt"]
    line = atft("validate", "--config", tiny_run.config, *network, *checkpoint).error_line
    assert "is used by nothing" not in line


def with_encode(encode: Callable[[Own, DayBatch], Any]) -> Own:
    return type("Replaced", (Own,), {"encode": encode})()


@pytest.mark.parametrize("name", NETWORKS)
def test_states_of_every_network_have_a_width_and_leave_out_the_heads(name: str) -> None:
    network = small_network(name)
    width, heads = try_states(network, INPUTS, lookback=1, exposures=0)
    members = len(network.networks) if isinstance(network, Ensemble) else getattr(network, "members", 1)
    assert width == 16 * members and heads == ["heads"]


def test_a_network_of_ones_own_is_asked_for_its_states_and_keeps_its_weights() -> None:
    network = with_encode(lambda self, batch: self.last(batch) @ self.score.weight.T)
    before, state = network.score.weight.clone(), torch.get_rng_state()
    assert try_states(network, INPUTS) == (2, [])
    assert torch.equal(network.score.weight, before) and network.score.weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("encode", "line"),
    [
        (
            lambda self, batch: self.score(self.rows(batch)),
            r"encode returns \[7, 12, 2\]; return \[days, stocks",
        ),
        (
            lambda self, batch: None,
            r"encode returns NoneType; return \[days, stocks, width\], here \[3, 12, width",
        ),
        (
            lambda self, batch: self.last(batch),
            "states have no gradient; take detach and no_grad out of encode",
        ),
        (lambda self, batch: self.nothing(batch), "encode raises .*nothing"),
    ],
)
def test_states_of_another_shape_without_a_gradient_or_that_raise_are_one_line(
    encode: Callable[[Own, DayBatch], Any], line: str
) -> None:
    with pytest.raises(InputError, match=line) as error:
        try_states(with_encode(encode), INPUTS)
    assert "\n" not in str(error.value) and "Replaced" in str(error.value)


def test_a_network_without_states_is_one_line() -> None:
    with pytest.raises(
        InputError, match=r"Own: has no encode, so pretrain has no state to train; add encode"
    ):
        try_states(Own(), INPUTS)
