"""The comparison with a peer gives it what is quickest for it, whatever this project sets for itself."""

import sys
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.process.threads import SPIN_COUNT, WAIT_POLICY
from benchmarks.peer_tft import OPENMP_TURNS, peer_python, side_environment


def test_the_peers_threads_spin_and_ours_wait_as_our_commands_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WAIT_POLICY, "PASSIVE")  # as `python -m benchmarks` has set it for itself
    monkeypatch.setenv(SPIN_COUNT, "3000")
    peer, ours = side_environment("peer"), side_environment("ours")
    assert (peer[WAIT_POLICY], peer[SPIN_COUNT]) == ("ACTIVE", OPENMP_TURNS)
    assert not {WAIT_POLICY, SPIN_COUNT} & ours.keys()


def test_a_python_that_is_not_there_is_said_before_either_side_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such program"):
        peer_python(tmp_path / "python")
    assert peer_python(Path(sys.executable)) == Path(sys.executable)
