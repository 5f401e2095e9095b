"""A shell completes commands, keys, classes and shipped configs from the script that the program prints."""

import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from atft import completion
from atft.cli import COMMANDS
from atft.completion import completion_script, run
from atft.errors import InputError
from atft.search import cli as sweep

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p atft | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$function atft "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

Complete = Callable[..., set[str]]


def completer(script: str, folder: Path) -> Complete:
    """Ask bash what follows some words, of which the last is the one that Tab is pressed on."""
    (folder / "atft.bash").write_text(script)

    def complete(*words: str) -> set[str]:
        command = ["bash", "--norc", "-c", ASK, "bash", folder / "atft.bash", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        assert done.stderr == ""
        return set(done.stdout.split())

    return complete


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Complete:
    """The same for the script of all commands but those that train, of which it has fit."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # Classes of packages that other tests have removed since are still known as subclasses.
        warnings.filterwarnings("ignore", message="[^a-z]*Hit failing import")
        patch.setattr(completion, "KEYED", ("fit",))  # the others take the same keys, and seconds each
        return completer(completion_script(), tmp_path_factory.mktemp("completion"))


def test_bash_completes_commands_and_their_keys(complete: Complete) -> None:
    assert complete("atft", "f") == {"fit", "features"}
    keys = complete("atft", "fit", "--model.")
    assert "--model.network" in keys and all(key.startswith("--model.") for key in keys)
    assert not any("->" in key for key in complete("atft", "fit", "--"))
    assert complete("atft", "fit", "--data.loader.num_w") == {"--data.loader.num_workers"}
    assert complete("atft", "fit", "--de") == {"--debug"} and complete("atft", "fit", "--help-") == {
        "--help-all"
    }
    assert complete("atft", "features", "--min_c") == {"--min_close"}
    assert complete("atft", "simulate", "--noise") == {"--noise_only"}


def test_bash_completes_values_classes_and_files(complete: Complete) -> None:
    assert complete("atft", "fit", "--trainer.precision", "bf") == {"bf16", "bf16-true", "bf16-mixed"}
    optimizers = complete("atft", "fit", "--model.optimizer", "")
    assert {"torch.optim.AdamW", "atft.optim.adabelief.AdaBelief"} < optimizers
    networks = complete("atft", "fit", "--model.network", "")
    assert {"atft.nn.atft_gat_fan.ATFTGATFAN", "atft.nn.tabm.TabM", "atft.nn.master.MASTER"} < networks
    assert not any(n.startswith("torch.") for n in networks)
    assert complete("atft", "fit", "--model.network.hidden") == {"--model.network.hidden_size"}
    assert complete("atft", "fit", "--config", "") == {"atft.bash"}  # the one file of the folder


def test_bash_completes_the_sweeps_commands_and_shipped_configs(complete: Complete) -> None:
    assert complete("atft", "sweep", "") == set(sweep.COMMANDS)
    assert complete("atft", "sweep", "--n") == complete("atft", "sweep", "run", "--n") == {"--n-trials"}
    assert complete("atft", "sweep", "status", "--w") == {"--watch"}
    assert complete("atft", "configs", "qui") == {"quick", "quickstart"}
    assert complete("atft", "completion", "") == {"bash"}


@pytest.mark.slow
def test_every_command_is_completed(tmp_path: Path) -> None:
    assert completer(completion_script(), tmp_path)("atft", "") == set(COMMANDS)


def test_help_says_how_to_install_it_and_anything_else_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("completion", []) == run("completion", ["--help"]) == 0
    assert "atft completion bash > ~/.local/share/bash-completion/completions/atft" in capsys.readouterr().out
    with pytest.raises(InputError, match="completion takes bash, got 'fish'"):
        run("completion", ["fish"])
    monkeypatch.setattr(completion, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"completion needs shtab; run: pip install 'atft\[completion\]'"):
        run("completion", ["bash"])
