"""A run's pipeline is probed on a slice; what cannot be made says why."""

from functools import partial

import pytest

from atft.errors import InputError
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.probes import later_days, pipeline_probes
from atft.probes.pipeline_probes import NAMES, pipeline_findings
from atft.probes.pipeline_slice import scrambled_rows
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask


def test_the_pipeline_of_atft_has_no_leak(market_data: DayData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later_days, "CHANGES", {"scrambled": scrambled_rows})
    task = RankingTask.for_data(market_data, partial(ATFTGATFAN, hidden_size=4, gat_layers=1))
    findings = pipeline_findings(task, market_data)
    assert [f.probe for f in findings] == list(NAMES)
    assert {f.verdict for f in findings} == {"ok"}, findings


def test_a_slice_that_cannot_be_made_says_why(market_data: DayData, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> DayData:
        raise InputError("no such panel")

    monkeypatch.setattr(pipeline_probes, "slice_panel", fails)
    task = RankingTask.for_data(market_data, partial(ATFTGATFAN, hidden_size=4, gat_layers=1))
    findings = pipeline_findings(task, market_data)
    assert findings[0].verdict == "ok"
    assert {f.evidence for f in findings[1:]} == {"no slice of the panel can be made: no such panel"}
