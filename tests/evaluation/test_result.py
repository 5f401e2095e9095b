"""An evaluation is plain data."""

from dataclasses import fields, is_dataclass

from atft.evaluation.result import Evaluation, FileEvaluation, HorizonEvaluation


def test_an_evaluation_is_made_of_files_and_their_horizons() -> None:
    assert all(is_dataclass(kind) for kind in (Evaluation, FileEvaluation, HorizonEvaluation))
    assert [field.name for field in fields(Evaluation)] == ["settings", "files", "differences"]
