"""The dashboard listens on loopback and nowhere else."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.options import SweepOptions
from atft.search.show.dashboard import LOOPBACK, check_free
from atft.search.study.storage import open_storage

pytest.importorskip("optuna_dashboard", reason="an extra: pip install 'atft[dashboard]'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def test_the_dashboard_shows_the_study_on_loopback_only(
    make_sweep: Callable[..., SweepOptions],
    make_study: Callable[..., optuna.Study],
    write_sweep: Callable[..., Path],
) -> None:
    make_study(values=[0.1, 0.2], storage=open_storage(make_sweep()))
    port = free_port()
    command = "from atft.search.show.dashboard import run; import sys; run(sys.argv[1:])"
    served = subprocess.Popen(
        [sys.executable, "-c", command, "--config", str(write_sweep()), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        shown = ""
        while served.poll() is None:
            try:
                with urlopen(f"http://{LOOPBACK}:{port}/api/studies", timeout=60) as answer:
                    shown = answer.read().decode()
                break
            except OSError:
                time.sleep(0.5)
        assert '"small"' in shown
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        places = {row[1] for row in listening if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
        assert places == {f"0100007F:{port:04X}"}
    finally:
        served.kill()
        served.wait()


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        holder.listen()
        with pytest.raises(InputError, match=r"port \d+ cannot be used .*another --port"):
            check_free(holder.getsockname()[1])
    with pytest.raises(InputError, match="port 99999 cannot be used"):
        check_free(99999)
