"""Programs that train start with an allocator that keeps freed memory, where the C library is glibc."""

import os
import subprocess
import sys
from typing import Any

import pytest

from atft import __main__ as program
from atft.process.allocator import SETTINGS, VARIABLE, has_glibc, keep_freed_memory, settings_of

SCRIPT = """
import os, resource, sys
from atft.process.allocator import keep_freed_memory
print("start", flush=True)
keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    before = faults()
    block = bytearray(b"x") * (96 << 20)
    del block
print(faults() - before, sys.argv[1:], os.environ.get("GLIBC_TUNABLES"))
"""
ON_GLIBC = pytest.mark.skipif(not has_glibc(), reason="the C library is not glibc")


def run_script(script: str = SCRIPT, **environment: str) -> list[str]:
    clean = {k: v for k, v in os.environ.items() if k != VARIABLE and not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", script, "a word", "--flag"],
        capture_output=True,
        text=True,
        env={**clean, **environment},
        check=True,
    )
    return done.stdout.splitlines()


@ON_GLIBC
def test_a_large_block_is_faulted_in_once_and_the_program_restarted_once_with_its_arguments() -> None:
    *starts, last = run_script()
    assert starts == ["start", "start"]
    faults, rest = last.split(" ", 1)
    assert int(faults) < 100  # of 24,576 pages
    assert rest == f"['a word', '--flag'] {SETTINGS}"


@ON_GLIBC
def test_settings_of_the_user_s_own_are_left_alone() -> None:
    *starts, last = run_script(GLIBC_TUNABLES="glibc.malloc.arena_max=1")
    assert starts == ["start"]
    assert last.endswith(" glibc.malloc.arena_max=1")


def test_settings_follow_those_that_do_not_concern_the_allocator() -> None:
    assert settings_of({}) == settings_of({VARIABLE: ""}) == SETTINGS
    assert settings_of({VARIABLE: "glibc.cpu.x86_shstk=off"}) == f"glibc.cpu.x86_shstk=off:{SETTINGS}"
    assert settings_of({VARIABLE: SETTINGS}) is None
    assert settings_of({"MALLOC_ARENA_MAX": "1"}) is None


def test_another_c_library_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(_: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "confstr", other)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("restarted"))
    assert not has_glibc()
    keep_freed_memory()
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["fit", "--config", "x"], True),
        (["sweep", "run"], True),
        (["fit", "--help"], False),
        (["evaluate"], False),
        ([], False),
    ],
)
def test_commands_that_train_keep_freed_memory(
    words: list[str], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(sys, "argv", ["atft", *words])
    monkeypatch.setattr(program, "keep_freed_memory", lambda: calls.append(words))
    monkeypatch.setattr(program.cli, "main", lambda: 0)
    monkeypatch.setattr(program, "collect_rarely", lambda: None)
    monkeypatch.setattr(program, "end_process", lambda status: None)
    program.main()
    assert calls == [words] * kept


RETURNED = """
from atft.process.allocator import keep_freed_memory, return_freed_memory
keep_freed_memory()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
blocks = [bytearray(b"x") * (32 << 20) for _ in range(4)]
last = bytearray(10)
del blocks
kept = resident()
return_freed_memory()
print(kept - resident())
"""


@ON_GLIBC
def test_what_is_free_is_returned_when_asked() -> None:
    assert int(run_script(RETURNED)[-1]) > 100
