"""Trees that are read back score with the bits of the fitted ones; what is damaged never reaches LightGBM."""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from atft.baselines.lightgbm import Trees, fit_trees
from atft.baselines.tree_files import FOLDER, RECORD, TreeInputs, TreesRecord, read_trees, write_trees
from atft.baselines.tree_options import TreeOptions
from atft.errors import InputError
from atft.files.digest import read_sealed_json, sealed_json
from tests.support.checkpoints import damaged
from tests.support.stock_days import matrix, planted_days

pytest.importorskip("lightgbm", reason="lightgbm is not installed")
INPUTS = TreeInputs(tuple(f"x_{i}" for i in range(5)), ("raw",) * 5, ())
LEARNED = {"days": {"train": "2015-01-05 2015-02-27"}, "ranges": {"features": {}, "regimes": {}}}


def fitted(seed: int, trees: int | None = 6) -> Trees:
    return fit_trees(
        planted_days(), planted_days(days=10, seed=1), seed=seed, options=TreeOptions(trees=trees)
    )


@pytest.fixture(scope="module")
def fits() -> dict[int, Trees]:
    """Six trees a horizon of one seed; of another, as many as the validation days ask for."""
    return {1: fitted(1), 2: fitted(2, None)}


@pytest.fixture(scope="module")
def written(fits: dict[int, Trees], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    write_trees(directory, fits, INPUTS, [1, 5], LEARNED)
    return directory


def test_trees_that_are_read_back_have_the_bits_of_those_that_were_fitted(
    written: Path, fits: dict[int, Trees]
) -> None:
    record, read = read_trees(written)
    unseen = matrix(planted_days(days=3, seed=2))
    assert fits[2].stopped_early and not fits[1].stopped_early
    for seed, trees in fits.items():
        assert read[seed].score(unseen).tobytes() == trees.score(unseen).tobytes()
        assert not read[seed].market_columns
    assert (record.inputs, record.horizons, record.seeds) == (INPUTS, (1, 5), (1, 2))
    assert record.learned == LEARNED
    names = {f"{h}d_seed_{s}.txt" for h in (1, 5) for s in (1, 2)}
    assert {path.name for path in (written / FOLDER).iterdir()} == names | {RECORD}


def test_a_run_without_trees_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the run has no trees; fit again with lightgbm among --baselines"):
        read_trees(tmp_path)


def test_any_damage_to_a_text_or_to_the_record_is_one_line(written: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    for number in range(40):
        run = tmp_path / str(number)
        shutil.copytree(written, run)
        path = rng.choice(sorted((run / FOLDER).iterdir()))
        whole = path.read_bytes()
        content = {0: whole[: len(whole) // 2], 1: whole[:-1], 2: whole.replace(b"leaf", b"\0eaf", 1), 3: b""}
        path.write_bytes(content.get(number) or damaged(whole, rng))
        if path.read_bytes() == whole:
            continue
        with pytest.raises(InputError, match=r"damaged|unreadable") as caught:
            read_trees(run)
        assert "\n" not in str(caught.value) and path.name in str(caught.value)


def rewritten(run: Path, **changes: Any) -> Path:
    """A record with other entries and the right digest, as no program of ours writes it."""
    path = run / FOLDER / RECORD
    content = read_sealed_json(path, "trees", "record", "")
    path.write_text(sealed_json("trees", {**content, **changes}))
    return run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizons": ["../../secret", 5]}, "cannot be read"),
        ({"seeds": ["/etc/passwd"]}, "cannot be read"),
        ({"seeds": []}, "cannot be read"),
        ({"horizons": 5}, "cannot be read"),
        ({"inputs": None}, "cannot be read"),
        ({"inputs": {"features": ["x"]}}, "cannot be read"),
        ({"format": 2}, "format 2, this is 1"),
        ({"more": 1}, "cannot be read"),
        ({"seeds": [3]}, "1d_seed_3.txt: cannot be read"),
        ({"digests": {}}, "damaged trees"),
        (
            {"inputs": {"features": ["x"], "scaling": ["raw"], "regimes": []}},
            "read 5 columns, trees.json names 1",
        ),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_a_record_that_says_something_else_is_one_line(
    changes: dict[str, Any], message: str, written: Path, tmp_path: Path
) -> None:
    run = rewritten(Path(shutil.copytree(written, tmp_path / "run")), **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_trees(run)
    assert "\n" not in str(caught.value)


def test_a_record_names_no_file_elsewhere(written: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(written, tmp_path / "run"))
    for horizon in (1, 5):
        text = (run / FOLDER / f"{horizon}d_seed_1.txt").read_bytes()
        (run / f"{horizon}d_seed_1.txt").write_bytes(text)
    record = json.loads((run / FOLDER / RECORD).read_text())["trees"]
    digests = {f"../{name}": digest for name, digest in record["digests"].items()}
    rewritten(run, horizons=["../1", "../5"], seeds=[1], digests=digests)
    with pytest.raises(InputError, match=r"trees.json: cannot be read"):
        read_trees(run)


def test_a_text_that_lightgbm_cannot_read_is_one_line(written: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(written, tmp_path / "run"))
    text = b"no trees\n"
    (run / FOLDER / "1d_seed_1.txt").write_bytes(text)
    record = json.loads((run / FOLDER / RECORD).read_text())["trees"]
    digests = {**record["digests"], "1d_seed_1.txt": hashlib.sha256(text).hexdigest()}
    with pytest.raises(InputError, match="no trees of LightGBM") as caught:
        read_trees(rewritten(run, digests=digests))
    assert "\n" not in str(caught.value)


def test_the_record_is_written_last(
    fits: dict[int, Trees], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from atft.baselines import tree_files

    order: list[str] = []
    publish = tree_files.publish_text

    def published(path: Path, text: str) -> None:
        order.append(path.name)
        publish(path, text)

    monkeypatch.setattr(tree_files, "publish_text", published)
    write_trees(tmp_path, {1: fits[1]}, INPUTS, [1, 5], LEARNED)
    assert order == ["1d_seed_1.txt", "5d_seed_1.txt", RECORD]
    assert isinstance(read_trees(tmp_path)[0], TreesRecord)
