"""Counts of a step without values, predictions from them, and the measurement of an epoch, small, on any device."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from atft.errors import InputError
from benchmarks.gpu_epoch import CASES, Case, figures, line, main
from benchmarks.meta_run import META, Counting, Counts, cudnn_lstm
from benchmarks.reference_load import LOADS, NASDAQ, REFERENCE, Load, write_cache
from benchmarks.roofline import (
    BANDWIDTH_SHARE,
    DEVICES,
    LAUNCH_SECONDS,
    RATE_SHARE,
    Step,
    predicted_seconds,
)


def test_the_reference_load_is_the_one_that_is_promised() -> None:
    assert REFERENCE.rows == pytest.approx(8.9e6, rel=0.001)
    assert (REFERENCE.features, REFERENCE.listed, REFERENCE.days) == (112, 4484, 2200)
    assert len(NASDAQ.regime_names) == 18


def test_a_product_counts_its_operations_bytes_and_live_memory() -> None:
    x, layer = torch.empty(32, 8, device=META), nn.Linear(8, 16, bias=False, device=META)
    with Counting() as mode:
        layer(x).square().sum().backward()
    # Forward, and backward for the weight; the input asks for no gradient.
    assert mode.counts.flop == 2 * (2 * 32 * 8 * 16)
    assert mode.counts.by_operator["mm"] == 2 * 4 * (32 * 8 + 8 * 16 + 32 * 16)
    assert mode.counts.peak_bytes >= 4 * (32 * 16 + 8 * 16)


def test_views_and_room_launch_nothing() -> None:
    with Counting() as mode:
        torch.empty(4, 6, device=META).view(6, 4).transpose(0, 1)[1:]
    assert mode.counts.kernels == mode.counts.bytes == 0


def test_only_what_is_read_or_written_counts_and_once() -> None:
    x, row, room = (torch.empty(shape, device=META) for shape in ((32, 8), (1, 8), (32, 8)))
    kilobyte, wide = 4 * 32 * 8, row.expand(32, 8)
    of_calls = {
        "x * x reads x once": (lambda: x * x, 2 * kilobyte),
        "an expanded row is a row": (lambda: x + wide, 2 * kilobyte + 32),
        "out is written": (lambda: torch.mul(x, 2, out=room), 2 * kilobyte),
        "a copy writes": (lambda: room.copy_(x), 2 * kilobyte),
        "a sum in place reads and writes": (lambda: room.add_(x), 3 * kilobyte),
        "zeros like it are written": (lambda: torch.zeros_like(x), kilobyte),
        "new zeros are written": (lambda: x.new_zeros(32, 8), kilobyte),
    }
    for name, (call, expected) in of_calls.items():
        with Counting() as mode:
            call()
        assert mode.counts.bytes == expected, name


def test_an_lstm_counts_as_cudnn_runs_it() -> None:
    days, rows, hidden = 5, 3, 8
    lstm = nn.LSTM(hidden, hidden, device=META)
    with cudnn_lstm(), Counting() as mode:
        history, (last, _) = lstm(torch.empty(days, rows, hidden, device=META))
        (history.sum() + last.sum()).backward()
    assert history.shape == (days, rows, hidden) and last.shape == (1, rows, hidden)
    # A step multiplies input and state by four gates' matrices; the backward pass costs twice that.
    assert mode.counts.flop == 3 * days * rows * 2 * (4 * hidden * 2 * hidden)
    assert all(p.grad is not None for p in lstm.parameters())


def test_a_prediction_is_bytes_and_products_or_launches_where_they_are_slower() -> None:
    h100 = next(device for device in DEVICES if device.name.startswith("H100"))
    step = Step(8000, 1, Counts(kernels=1000, bytes=1e9, flop=1e12))
    work = 1e12 / (RATE_SHARE * 989e12) + 1e9 / (BANDWIDTH_SHARE * 3350e9)
    assert predicted_seconds(step, h100, graphs=True) == pytest.approx(work)
    assert predicted_seconds(step, h100, graphs=False) == pytest.approx(1000 * LAUNCH_SECONDS)


def test_a_cache_of_noise_reads_as_any_other(tmp_path: Path) -> None:
    from atft.data.blocks import DayBlocks
    from atft.data.cache import DayCache

    load = Load(days=30, stocks=12, listed=20, features=3, regimes=2)
    path = write_cache(tmp_path, load)
    assert write_cache(tmp_path, load) == path
    cache = DayCache(path).open()
    block = DayBlocks(cache, lookback=5).one_day(20)
    assert block.features.shape == (5, 12, 3) and block.universe.all() and block.edge_index.shape[1] > 0
    assert not block.features[-1].isnan().any() and cache.regime.shape == (30, 2)


def test_the_benchmark_runs_on_any_device_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = Case("nasdaq", "device").name
    report = tmp_path / "report.json"
    main(["--tiny", "--only", name, "--steps", "2", "--warm-up", "1", "--json", str(report)])
    written = json.loads(report.read_text())
    assert list(written["cases"]) == [name] and written["limits"]["copy_gbps"] > 0
    assert written["cases"][name]["stock_days_per_second"] > 0
    assert name in capsys.readouterr().out


def test_cases_have_names_of_their_own_and_each_residency_is_measured() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.residency for case in CASES} == {"device", "pinned", "host"}
    assert {case.config for case in CASES} == set(LOADS)
    assert line("x", {"failed": "out of memory"}).endswith("failed: out of memory")


def test_without_a_gpu_the_table_of_all_benchmarks_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="needs a CUDA device"):
        figures(10.0)
