import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from atft.search.study.owner import is_gone, is_orphaned, on_parent_exit, start_ticks, this_process


def test_a_living_process_is_not_gone() -> None:
    assert not is_gone(this_process())


def test_a_process_that_ended_is_gone_even_before_its_parent_looked() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = {**this_process(), "pid": child.pid, "started": start_ticks(child.pid)}
        assert not is_gone(owner)
        child.kill()
        while not is_gone(owner):  # a zombie by now
            time.sleep(0.01)
    assert is_gone(owner)


def test_another_process_with_the_same_id_is_not_the_owner() -> None:
    assert is_gone({**this_process(), "started": 1})


def test_a_process_of_before_the_last_boot_is_gone() -> None:
    assert is_gone({**this_process(), "boot": "another"})


def test_of_other_machines_and_containers_nothing_is_known() -> None:
    assert not is_gone({**this_process(), "host": "elsewhere", "pid": 2**22 + 1})
    assert not is_gone({**this_process(), "table": "pid:[1]", "pid": 2**22 + 1})


def test_no_process_has_no_start() -> None:
    assert start_ticks(2**22 + 1) is None
    assert (start_ticks(os.getpid()) or 0) > 0


def test_a_process_is_orphaned_when_its_parent_is_another_than_the_one_that_started_it() -> None:
    assert not is_orphaned(this_process())
    assert is_orphaned({**this_process(), "parent": 2**22 + 1})
    assert not is_orphaned({**this_process(), "pid": 2**22 + 1})


def test_a_process_notices_the_end_of_the_one_that_started_it(tmp_path: Path) -> None:
    child = (
        "import os, sys, time; from pathlib import Path; from atft.search.study.owner import on_parent_exit\n"
        "on_parent_exit(os.getppid(), lambda: (Path(sys.argv[1], 'ended').touch(), os._exit(0)))\n"
        "Path(sys.argv[1], 'ready').touch(); time.sleep(600)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, sys.argv[1]])"
    with subprocess.Popen([sys.executable, "-c", parent, tmp_path]) as process:
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        assert not (tmp_path / "ended").exists()
        process.kill()
    while not (tmp_path / "ended").exists():  # the test's own limit of time is what fails here
        time.sleep(0.01)


def test_a_parent_that_had_ended_before_counts_at_once() -> None:
    ended = threading.Event()
    on_parent_exit(2**22 + 1, ended.set)
    assert ended.wait(60)
