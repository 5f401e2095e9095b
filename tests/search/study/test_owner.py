import os
import subprocess
import sys
import time

from atft.search.study.owner import is_gone, is_orphaned, start_ticks, this_process


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
