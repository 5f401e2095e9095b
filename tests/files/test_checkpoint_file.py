"""Checkpoints are whole or absent, damage to one is found, loading one runs no code, and every entry is checked."""

import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.errors import InputError
from atft.files.checkpoint_file import (
    ENTRIES,
    OWN_ENTRIES,
    TRAILER_BYTES,
    check_content,
    network_weights,
    read_checkpoint,
    write_checkpoint,
)
from full_disk import full_disk
from tests.support.checkpoints import damaged, same, small_checkpoint

STRANGE: tuple[Any, ...] = (
    None, -1, 10**30, 0.5, float("nan"), True, "word", "nul\0", [[1]], {"a": 1}, {1: {}}, (1,), torch.zeros(3),
)  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A checkpoint that the program wrote."""
    write_checkpoint(small_checkpoint(), tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def test_a_checkpoint_reads_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.ckpt"
    write_checkpoint(small_checkpoint(), path)
    assert read_checkpoint(path)["state_dict"]["weight"].tolist() == [0, 1, 2]
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]


def test_a_checkpoint_is_still_a_file_of_torch(written: Path) -> None:
    assert torch.load(written, weights_only=True)["global_step"] == 1
    assert torch.load(written, weights_only=True, mmap=True)["global_step"] == 1


def test_a_failed_write_keeps_the_former_checkpoint(written: Path) -> None:
    with pytest.raises(AttributeError):
        write_checkpoint({"epoch": 2, "bad": lambda: 0}, written)  # a local function does not pickle
    assert read_checkpoint(written)["epoch"] == 0
    assert [p.name for p in written.parent.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("size", [50, 500, 5_000])
def test_a_full_disk_is_one_line_wherever_the_file_is_cut_off(size: int, written: Path) -> None:
    content = {**small_checkpoint(), "more": torch.zeros(5_000)}
    with full_disk(size), pytest.raises(InputError, match=r"a\.ckpt: the disk is full"):
        write_checkpoint(content, written)
    assert read_checkpoint(written)["epoch"] == 0
    assert [p.name for p in written.parent.iterdir()] == ["a.ckpt"]


class _Payload:
    def __reduce__(self) -> Any:
        return (print, ("code ran",))


def test_a_checkpoint_that_carries_code_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"payload": _Payload()}, tmp_path / "bad.ckpt")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path / "bad.ckpt")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["best_model.ckpt", "last.ckpt"])
def test_every_damage_to_a_checkpoint_of_a_run_is_found(name: str, tiny_run: Any, tmp_path: Path) -> None:
    content = (tiny_run.directory / name).read_bytes()
    rng = random.Random(name)
    for _ in range(150):
        bad = damaged(content, rng)
        (tmp_path / "bad.ckpt").write_bytes(bad)
        if bad == content:
            continue
        with pytest.raises(InputError, match=r"bad.ckpt: not a readable checkpoint") as caught:
            read_checkpoint(tmp_path / "bad.ckpt")
        assert len(str(caught.value).replace(str(tmp_path), "")) < 120


def test_an_earlier_versions_checkpoint_loads_and_damage_to_its_content_is_found(
    tiny_run: Any, tmp_path: Path
) -> None:
    """It carries no digest: what its checksums do not cover, padding and dates, may differ."""
    path = tmp_path / "old.ckpt"
    content = (tiny_run.directory / "best_model.ckpt").read_bytes()[:-TRAILER_BYTES]
    path.write_bytes(content)
    right = read_checkpoint(path)
    assert same(right, read_checkpoint(tiny_run.directory / "best_model.ckpt"))
    rng, found = random.Random(0), 0
    for _ in range(150):
        path.write_bytes(damaged(content, rng))
        try:
            assert same(read_checkpoint(path), right)
        except InputError as error:
            assert "old.ckpt: not a readable checkpoint" in str(error)
            found += 1
    assert found > 100


def test_a_compressed_archive_is_no_checkpoint(written: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(written) as source,
        zipfile.ZipFile(tmp_path / "b.ckpt", "w", zipfile.ZIP_DEFLATED) as own,
    ):
        for name in source.namelist():
            own.writestr(name, source.read(name))
    with pytest.raises(InputError, match="it is compressed"):
        read_checkpoint(tmp_path / "b.ckpt")


@pytest.mark.parametrize("text", [b"", b"PK", b"not a checkpoint at all" * 50, b"PK\x05\x06" + bytes(18)])
def test_what_never_was_a_checkpoint_is_one_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(text)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_a_checkpoint_of_the_program_passes() -> None:
    content = small_checkpoint(callbacks={"a": {}}, optimizer_states=[{}], lr_schedulers=[{}])
    assert check_content(content, "a.ckpt") is content


@pytest.mark.parametrize("content", [None, 3, [], "word", torch.zeros(2)])
def test_something_else_is_no_checkpoint(content: Any) -> None:
    with pytest.raises(InputError, match=r"a.ckpt: not a checkpoint of atft, it holds"):
        check_content(content, "a.ckpt")


@pytest.mark.parametrize("key", [k for k, (_, _, required) in ENTRIES.items() if required])
def test_what_every_checkpoint_has_may_not_be_missing(key: str) -> None:
    content = small_checkpoint()
    del content[key]
    with pytest.raises(InputError, match=f"it has no {key}; name another checkpoint"):
        check_content(content, "a.ckpt")


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_of_another_kind_is_named(key: str) -> None:
    wrong = [v for v in STRANGE if not ENTRIES[key][0](v)]
    assert len(wrong) >= len(STRANGE) - 2
    for value in wrong:
        with pytest.raises(InputError, match=f"^a.ckpt: {key} is not {ENTRIES[key][1]}; "):
            check_content(small_checkpoint(**{key: value}), "a.ckpt")


@pytest.mark.parametrize("key", OWN_ENTRIES)
def test_an_entry_of_the_tasks_own_of_another_kind_is_named(key: str) -> None:
    wrong = [v for v in STRANGE if not OWN_ENTRIES[key][0](v)]
    assert len(wrong) >= len(STRANGE) - 2
    for value in wrong:
        with pytest.raises(InputError, match=f"^a.ckpt: atft.{key} is not {OWN_ENTRIES[key][1]}; "):
            check_content(small_checkpoint(atft={key: value}), "a.ckpt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_not_finite_are_named_the_first_one(value: float, dtype: torch.dtype) -> None:
    weights = {"a": torch.zeros(3), "b": torch.tensor([0.0, value], dtype=dtype), "c": torch.tensor(value)}
    with pytest.raises(InputError, match=r"^a.ckpt: b holds values that are not finite; "):
        check_content(small_checkpoint(state_dict=weights), "a.ckpt")
    state = [{"state": {0: {"exp_avg": torch.tensor(value)}}}]
    with pytest.raises(InputError, match=r"optimizer_states.0.state.0.exp_avg holds"):
        check_content(small_checkpoint(optimizer_states=state), "a.ckpt")


def test_a_score_may_be_infinite_before_the_first_one() -> None:
    check_content(small_checkpoint(callbacks={"stop": {"best_score": torch.tensor(float("inf"))}}), "a.ckpt")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(1 << 20, 1 << 20),  # 4 TB for whoever touches it
        torch.zeros(3, 3).to_sparse(),
        torch.zeros(3, device="meta"),
        torch.zeros(3, dtype=torch.float8_e4m3fn),  # torch cannot say whether it is finite
        torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)], layout=torch.jagged),
    ],
)
def test_a_tensor_whose_values_are_not_all_there_is_no_weight(tensor: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"state_dict.w is no plain tensor"):
        check_content(small_checkpoint(state_dict={"w": tensor}), "a.ckpt")


def test_content_that_contains_itself_or_stands_for_billions_of_values_is_one_line(tmp_path: Path) -> None:
    itself: list[Any] = []
    itself.append(itself)
    deep: Any = {}
    for _ in range(60):
        deep = {"a": deep}
    billions: Any = []
    for _ in range(40):
        billions = [billions, billions]
    for value in (itself, {"a": itself}, deep, billions):
        torch.save(small_checkpoint(callbacks={"x": {"y": value}}), tmp_path / "a.ckpt")
        with pytest.raises(
            InputError, match=r"a\.ckpt: callbacks\.x\.y\S* has more levels or values than a check"
        ):
            read_checkpoint(tmp_path / "a.ckpt")


def test_the_networks_weights_are_those_that_open_with_its_name() -> None:
    states = {"network.heads.network.bias": 1, "objective.moments.mean": 2, "networks.bias": 3}
    assert network_weights({"state_dict": states}) == {"heads.network.bias": 1}


def test_a_folder_in_the_place_of_a_checkpoint_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": a folder; name the file in it, a run's is best_model\.ckpt$"):
        read_checkpoint(tmp_path)
