"""Scores in a frame are those of the command, bit for bit."""

from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import polars
import pytest
import torch

from atft.errors import InputError
from atft.panel import PanelSchema
from atft.runs.scores import predict
from atft.tasks.panel_source import PanelOptions
from atft.tasks.ranking import RankingTask
from tests.runs.conftest import python_data


@pytest.fixture(scope="module")
def of_command(tiny_run: Any) -> polars.DataFrame:
    return polars.read_parquet(tiny_run.directory / "predictions.parquet")


@pytest.fixture(scope="module")
def task(tiny_run: Any) -> RankingTask:
    return RankingTask.load_from_checkpoint(tiny_run.directory / "best_model.ckpt")


def test_a_loaded_task_scores_as_the_command_does_bit_for_bit(
    task: RankingTask, of_command: polars.DataFrame, tiny_run: Any, tmp_path: Path
) -> None:
    data = python_data(tmp_path, polars.read_parquet(tiny_run.panel), seed=3)
    assert predict(task, data, accelerator="cpu").equals(of_command)
    days = ["2015-04-20", "2015-04-24"]
    some = predict(task, data, days, accelerator="cpu")
    first, last = (polars.Series([day]).str.to_date()[0] for day in days)
    assert some.equals(of_command.filter(polars.col("date").is_between(first, last)))
    assert data.predict_dates is None


def test_features_in_another_order_give_the_same_scores(
    task: RankingTask, of_command: polars.DataFrame, tiny_run: Any, tmp_path: Path
) -> None:
    frame = polars.read_parquet(tiny_run.panel)
    turned = frame.select(sorted(frame.columns, reverse=True))
    scores = predict(task, python_data(tmp_path, turned), accelerator="cpu")
    assert scores["score"].equals(of_command["score"])


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*")
def test_a_panel_in_another_order_is_tested_and_trained_on_by_the_features_names(
    tiny_run: Any, tmp_path: Path
) -> None:
    checkpoint = tiny_run.directory / "best_model.ckpt"
    frame = polars.read_parquet(tiny_run.panel)
    turned = frame.select(sorted(frame.columns, reverse=True))
    found = []
    for name, panel in (("as_trained", frame), ("turned", turned)):
        folder = tmp_path / name
        task = RankingTask.load_from_checkpoint(checkpoint, optimizer=partial(torch.optim.SGD, lr=0.01))
        silent = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
        trainer = pl.Trainer(accelerator="cpu", default_root_dir=folder, max_epochs=1, **silent)
        data = python_data(folder, panel)
        with pytest.warns(UserWarning, match="callbacks used to create the checkpoint"):
            (tested,) = trainer.test(task, datamodule=data, ckpt_path=checkpoint, verbose=False)
        trainer.fit(task, data)
        found.append((tested["test/rank_ic"], task.network.scaling.median, task.network.scaling.iqr))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for as_trained, in_another_order in zip(found[0][1:], found[1][1:], strict=True):
        assert torch.equal(as_trained, in_another_order)
    assert len(found[0][1].unique()) > 1


def test_a_panel_without_what_the_network_reads_is_an_error(
    task: RankingTask, tiny_run: Any, tmp_path: Path
) -> None:
    frame = polars.read_parquet(tiny_run.panel)
    with pytest.raises(InputError, match=r"missing \['x_0'\]"):
        predict(task, python_data(tmp_path, frame.drop("x_0")), accelerator="cpu")
    with pytest.raises(InputError, match=r"data\.graph is null"):
        predict(task, python_data(tmp_path, frame, graph=None), accelerator="cpu")
    with pytest.raises(
        InputError, match=r"^predict: days must be \[from, to\], two ISO dates, got '2015-04-17'$"
    ):
        predict(task, python_data(tmp_path, frame), days="2015-04-17")


def test_a_frame_of_pandas_with_an_index_scores_the_same(
    task: RankingTask, of_command: polars.DataFrame, tiny_run: Any, tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.read_parquet(tiny_run.panel)
    frame["date"] = pandas.to_datetime(frame["date"])
    data = python_data(tmp_path, frame.set_index(["date", "code"]))
    assert predict(task, data, accelerator="cpu")["score"].equals(of_command["score"])


def test_the_schema_of_a_frame_is_the_callers(tiny_run: Any, tmp_path: Path) -> None:
    frame = polars.read_parquet(tiny_run.panel).rename({"date": "Date", "code": "Code"})
    schema = PanelSchema(date="Date", code="Code", features=["x_0", "x_2"])
    panel = PanelOptions.from_frame(frame, schema, tmp_path)
    assert panel.schema == schema and Path(str(panel.path)).parent == tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": 1}, "predict(task, data): task must be a RankingTask, got 1"),
        ({"data": "panel.parquet"}, "predict(task, data): data must be a DayData, got 'panel.parquet'"),
        ({"days": date(2015, 4, 20)}, "predict: days must be [from, to], two ISO dates, got datetime.date"),
        ({"days": []}, "data.predict must be [from, to], two ISO dates, got []"),
        ({"accelerator": "gpuu"}, "predict: You selected an invalid accelerator name"),
        ({"precision": "fp7"}, "predict: Precision 'fp7' is invalid"),
        ({"precision": "bf16-true"}, "trainer.precision bf16-true rounds the weights"),
    ],
)
def test_an_argument_of_another_kind_is_one_line(
    task: RankingTask, tiny_run: Any, tmp_path: Path, options: Any, message: str
) -> None:
    data = python_data(tmp_path, polars.read_parquet(tiny_run.panel))
    with pytest.raises(InputError) as caught:
        predict(**{"task": task, "data": data, **options})
    assert str(caught.value).startswith(message)
