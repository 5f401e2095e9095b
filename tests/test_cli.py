"""The dispatcher: fast help, one-line errors, threads known before heavy imports."""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atft import __version__
from atft.cli import COMMANDS, guarded, list_commands, main, sentence, thread_cap
from atft.errors import InputError, RunFailed
from atft.files.publish import disk_errors


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = "import sys; from atft.cli import main; main(['--help']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name}" in out for name in COMMANDS)
    assert not {"'torch'", "'lightning'", "'polars'", "'numpy'", "'jsonargparse'"} & set(out.split(", "))


def test_the_version_is_printed_without_anything_heavy() -> None:
    code = "import sys; from atft.cli import main; main(['--version']); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith(f"atft {__version__}\n")
    assert not {"'torch'", "'lightning'", "'polars'", "'numpy'", "'jsonargparse'"} & set(out.split(", "))


def test_a_list_longer_than_any_file_name_is_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    names = "[" + ", ".join(f"a_feature_of_mine_{i}" for i in range(300)) + "]"
    for out in ([], ["--out", "scores.csv"]):
        assert main(["predict", "--ckpt_path", "none.ckpt", "--data.panel.schema.features", names, *out]) == 2
        assert capsys.readouterr().err == "atft: error: checkpoint none.ckpt: no such file\n"


def test_a_deleted_current_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["configs"]) == 2
    monkeypatch.chdir(tmp_path)
    expected = "atft: error: the current folder does not exist any more; change to one that does\n"
    assert capsys.readouterr().err == expected


def test_matplotlib_is_kept_from_warning_of_a_home_folder_that_takes_no_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = logging.getLogger("matplotlib")
    monkeypatch.setattr(logger, "level", logger.level)
    logger.setLevel(logging.NOTSET)
    assert main(["configs"]) == 0
    assert not logger.isEnabledFor(logging.WARNING)


def test_an_error_of_a_file_whose_name_is_bytes_names_it_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        raise FileNotFoundError(2, "", b"runs/events.out")

    assert guarded(action, debug=False) == 1
    assert capsys.readouterr().err == "atft: error: runs/events.out: No such file or directory\n"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["fit", "--help"]])
def test_a_reader_that_has_gone_ends_a_command_without_a_traceback(words: list[str]) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-m", "atft", *words], **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


def test_a_terminal_without_the_signs_of_a_table_shows_others() -> None:
    code = "from atft.cli import main; main(['--version']); print('.1 ± .2')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n.1 ? .2\n")


def test_no_argument_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.strip() == list_commands().strip()


def test_an_unknown_command_names_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fti"]) == 2
    assert "no command 'fti'; did you mean 'fit'?" in capsys.readouterr().err


def test_an_error_is_one_line_and_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--threads", "none"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    with pytest.raises(InputError, match="whole number"):
        main(["fit", "--threads", "none", "--debug"])


def test_threads_come_from_the_command_line_before_the_config(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("name: a\nthreads: 3\n")
    assert thread_cap(["--config", str(config)]) == 3
    assert thread_cap(["--config", str(config), "--threads", "5"]) == 5
    assert thread_cap(["--config", str(config), "--threads=7"]) == 7
    assert thread_cap([]) >= 1
    for nothing in ("threads:\n", "threads: # all of them\n", "threads: ~\n", "threads: null\n"):
        config.write_text(f"{nothing}name: a\n")
        assert thread_cap(["--config", str(config)]) == thread_cap([])


def test_commands_that_compute_nothing_take_threads_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "rows"]) == 0
    printed = capsys.readouterr().out
    assert main(["configs", "rows", "--threads", "1"]) == 0 and capsys.readouterr().out == printed
    for command in ("status", "best", "report"):
        assert main(["sweep", command, "--threads", "1", "--config", "none.yaml"]) == 2
        assert "none.yaml" in capsys.readouterr().err
    assert main(["sweep", "status", "--threads", "many"]) == 2
    assert "--threads takes a whole number from 1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize("said", ["0", "-2", "two", "\u00b2", "9" * 5000, "1e3"])
def test_a_wrong_number_of_threads_is_an_error(said: str) -> None:
    with pytest.raises(InputError, match="threads must be"):
        thread_cap([f"--threads={said}"])


@pytest.mark.parametrize("kind", [InputError, RunFailed])
def test_control_characters_of_files_are_escaped(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise kind("code '\x1b[31mred\x07' \u202e in a.parquet")

    assert guarded(fail, debug=False) in (1, 2)
    printed = capsys.readouterr().err
    assert printed == "atft: error: code '\\x1b[31mred\\x07' \\u202e in a.parquet\n"


def test_a_file_name_of_the_machine_is_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise FileNotFoundError(2, "", "a\x1b[2Jb")

    assert guarded(fail, debug=False) == 1
    assert capsys.readouterr().err == "atft: error: a\\x1b[2Jb: No such file or directory\n"


def test_a_full_disk_has_one_exit_status_whichever_file_meets_it_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def published() -> int:
        with disk_errors(tmp_path):
            return full()

    assert guarded(full, debug=False) == guarded(published, debug=False) == 2
    assert capsys.readouterr().err.count("the disk is full; make room") == 2


def test_a_file_name_of_any_length_leaves_a_short_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise OSError(36, "", "x" * 5000)

    assert guarded(fail, debug=False) == 1
    printed = capsys.readouterr().err
    assert len(printed) < 300 and printed.endswith("xxx: File name too long\n")


def test_lines_of_an_error_that_is_not_ours_are_joined() -> None:
    assert sentence(RunFailed("two\n  lines")) == "two lines"


def test_a_line_keeps_its_beginning_and_its_end() -> None:
    line = sentence(InputError(f"a.parquet: {'x' * 3000}; fix it there"))
    assert len(line) <= 280 and line.startswith("a.parquet: xxx") and line.endswith("xxx; fix it there")


@pytest.mark.parametrize(
    "line",
    [
        "features --prices FILE --out FILE",
        "features --prices=FILE --out=FOLDER/../days/a.parquet",
        "features --prices FOLDER --out FILE",
        "features --prices other.csv --config FILE --out FILE",
        "simulate --out FILE -c FILE",
        "join --panel FILE --with other.csv --out FILE",
        "join --panel panel --with FILE --out FILE",
        "evaluate --predictions FILE --alphalens FILE",
        "evaluate --predictions scores.csv --context FILE --alphalens FILE",
        "compare a=FILE other.csv --out FILE",
        "report FILE --out FILE",
        "predict --ckpt_path a.ckpt --data.panel.path FOLDER --out FILE",
        "predict --config FILE --ckpt_path a.ckpt --out FILE",
        "predict --from 2015-01-01 --ckpt_path FILE --out FILE",
        "export --ckpt_path FILE --out FILE",
        "update --prices FILE --run run --out FILE",
        "explain --run FILE --code A --date 2015-01-01 --out FILE",
        "probe --panel FILE --json FILE",
        "probe --config quickstart --prices FILE --json FILE",
        "sweep best --config FILE --out FILE",
        "sweep report --config FILE --out FILE",
    ],
)
def test_a_command_does_not_replace_a_file_that_it_reads(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "days" / "a.parquet"
    file.parent.mkdir()
    file.write_text("kept")
    command = line.replace("FILE", str(file)).replace("FOLDER", str(file.parent)).split()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "this command reads that file; name another one" in error and len(error.splitlines()) == 1
    assert file.read_text() == "kept"
