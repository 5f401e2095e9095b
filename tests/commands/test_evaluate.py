"""python -m atft evaluate: words to figures, without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atft.commands.evaluate import run
from atft.errors import InputError
from foreign_file import foreign_frame, write_foreign

FAST = ["--draws", "20", "--min_stocks", "10"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_foreign(tmp_path_factory.mktemp("evaluate") / "mine.csv", foreign_frame()))


def test_files_stand_after_their_option_or_alone(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for words in (["--predictions", path], [f"--predictions={path}"], [path]):
        assert run("evaluate", [*words, *FAST, "--horizon", "1"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2] and "RankIC" in texts[0] and "WARNING" in texts[0]


def test_json_is_all_that_is_printed(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", ["--predictions", path, path, *FAST, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["files"]) == 2 and found["differences"][0]["difference"]["value"] == 0


def test_files_are_written_where_asked(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        path,
        *FAST,
        "--horizon",
        "1",
        "--out",
        str(tmp_path / "o"),
        "--alphalens",
        str(tmp_path / "a.parquet"),
    ]
    assert run("evaluate", words) == 0
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == [
        "a.parquet",
        "days.csv",
        "evaluation.json",
        "summary.csv",
    ]
    assert "days.csv and summary.csv in" in capsys.readouterr().out


def test_the_folder_does_not_replace_the_scores_or_their_context(path: str, tmp_path: Path) -> None:
    for name in ("days.csv", "summary.csv"):
        shutil.copy(path, tmp_path / name)
        file = str(tmp_path / name)
        for words in ([file], [path, "--context", file]):
            with pytest.raises(InputError, match=f"--out .*{name}: this command reads that file"):
                run("evaluate", [*words, *FAST, "--out", str(tmp_path)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "evaluate needs a FILE"),
        (["--predictions", "none.csv"], "none.csv: no such file"),
        (["x.csv", "--spilt", "test"], "evaluate has no option '--spilt'; did you mean '--split'"),
        (["x.csv", "y.csv", "--alphalens", "a"], "--alphalens writes the scores of one predictions file"),
        (["x.csv", "--format", "xml"], "format"),
        (["x.csv", "--k", "0"], "k must be at least 1, got 0"),
        (["x.csv", "--cost_bps", "-1"], "cost_bps must be at least 0, got -1"),
        (["x.csv", "--participation", "2"], r"participation must be in \(0, 1\], got 2"),
    ],
)
def test_a_wrong_word_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run("evaluate", words)
    assert "\n" not in str(caught.value)


def test_no_torch_is_imported(path: str) -> None:
    code = (
        "import sys; from atft.cli import main; "
        f"status = main(['evaluate', '--predictions', {path!r}, *{FAST!r}, '--threads', '1']); "
        "assert status == 0; assert 'torch' not in sys.modules, 'torch'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "RankIC" in done.stdout
