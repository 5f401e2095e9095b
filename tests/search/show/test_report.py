"""The report: one page that stands alone, whose words cannot run."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft.search.question.options import SweepOptions
from atft.search.show.overview import overview
from atft.search.show.report import run, sweep_page
from atft.search.study.storage import open_storage

MakeStudy = Callable[..., optuna.Study]


class Words(HTMLParser):
    """The text of a page outside of scripts and styles, its pictures' words, and what it would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.pictures: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._silent += tag in ("script", "style")
        self.loads += [v for k, v in attrs if k in ("src", "href") and v]
        self.pictures += [v for k, v in attrs if k == "aria-label" and v]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text.append(data)


def read(text: str) -> Words:
    words = Words()
    words.feed(text)
    return words


def test_the_page_says_everything_and_loads_and_runs_nothing(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    sweep = make_sweep(n_trials=9)
    study = make_study(values=[0.01, 0.03, 0.02, 0.015, 0.028], pruned=2, failed=1, surplus=1)
    words = read(sweep_page(study, sweep, overview(study, sweep)))
    text = "\n".join(words.text)
    for title in (
        "Optimisation history", "Parameter importance", "Slice: lr", "Parallel coordinates",
        "The two most important: lr", "Learning curves and pruning", "Timeline", "Trials",
    ):  # fmt: skip
        assert title in text, title
    assert "study small: paused, 7 of 9 trials finished" in text
    assert "best val/rank_ic +0.0300, trial 1; " in text and "by luck alone" in text
    assert "failures by class: 1 config" in text and "sampler " in text
    assert len(words.pictures) == 6 + 4, "a slice for each of the four parameters"
    assert all(source.startswith("#") or source == "data:," for source in words.loads)
    assert words.pictures[0].startswith("Optimisation history. Each dot is a completed trial")
    assert "script" not in words.tags
    rows = words.tags.count("tr")
    assert rows == 1 + 5 + 2 + 1, "a head and every trial but the surplus one"


def test_words_of_a_config_are_escaped(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    study, sweep = make_study(values=[0.01, 0.02], failed=1), make_sweep()
    study.set_user_attr("data_digest", "<script>alert(1)</script>")
    text = sweep_page(study, sweep, overview(study, sweep))
    assert "<script>alert(1)" not in text
    assert "config: a &amp; &lt;b&gt;" in text


@pytest.mark.parametrize(
    "trials", [{}, {"values": [0.1]}, {"pruned": 2}, {"values": [0.1, 0.1]}, {"running": 1}]
)
def test_a_study_with_few_trials_has_a_page_too(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy, trials: dict[str, Any]
) -> None:
    study, sweep = make_study(**trials), make_sweep()
    assert "<h2>Trials</h2>" in sweep_page(study, sweep, overview(study, sweep))


def test_the_command_writes_the_page_into_the_studys_directory(
    make_sweep: Callable[..., SweepOptions],
    make_study: MakeStudy,
    write_sweep: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = make_sweep()
    make_study(values=[0.1, 0.2], storage=open_storage(sweep))
    assert run(["--config", str(write_sweep())]) == 0
    path = Path(sweep.root) / "small" / "report.html"
    assert path.is_file() and str(path) in capsys.readouterr().out.replace("\n", "")
