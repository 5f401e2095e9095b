"""What launchers say of a process."""

import pytest

from atft.process.launched import ProcessLayout, first_of_machine, torchrun_layout


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"SLURM_LOCALID": "0"}, True),
        ({"SLURM_LOCALID": "3"}, False),
        ({"LOCAL_RANK": "0", "SLURM_LOCALID": "3"}, True),  # torchrun within a job of SLURM's
    ],
)
def test_the_first_process_of_a_machine_is_known_by_its_launcher(
    environment: dict[str, str], first: bool
) -> None:
    assert first_of_machine(environment) is first


def test_torchrun_names_its_processes_and_nothing_else_does() -> None:
    started = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}
    assert torchrun_layout(started) == ProcessLayout(devices=4, nodes=2)
    assert torchrun_layout({"LOCAL_RANK": "0", "WORLD_SIZE": "2"}) is None
