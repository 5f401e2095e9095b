"""A panel of prices is made once, and named by what it is made of."""

import ast
from pathlib import Path

import pytest

from atft import features
from atft.features.options import FeatureOptions
from atft.features.prices_panel import READERS, panel_digest
from atft.files.digest import file_digest
from price_layouts import market, plain

WITHOUT_EFFECT = (
    *("day_series.py", "errors.py", "option_types.py", "panel.py", "process/progress.py"),
    *("files/digest.py", "files/file_lock.py", "files/output_path.py", "files/panel_files.py"),
    *("files/publish.py", "files/yaml_text.py"),
)


def test_a_panel_is_named_by_the_bytes_the_names_of_the_files_and_the_options(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    path = plain(market(3), tmp_path / "a")
    options = FeatureOptions()
    first = panel_digest(path, options)
    path.touch()
    assert panel_digest(path, options) == first == panel_digest(path.rename(tmp_path / "prices.csv"), options)
    moved = tmp_path / "prices.csv"
    assert panel_digest(moved, FeatureOptions(min_close=1)) != first
    assert panel_digest(moved.rename(tmp_path / "other.csv"), options) != first
    (tmp_path / "other.csv").write_text((tmp_path / "other.csv").read_text().replace("1", "2", 1))
    assert panel_digest((tmp_path / "other.csv").rename(moved), options) != first


def test_the_name_changes_with_each_module_that_features_read_prices_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(str(features.__file__)).parent
    imported = {
        node.module.removeprefix("atft.").replace(".", "/") + ".py"
        for file in package.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("atft.")
    }
    others = {name for name in imported if not name.startswith("features")}
    # Another message, lock or progress line gives no other panel, another pattern of files other names of files.
    assert others == {*READERS, *WITHOUT_EFFECT}
    path = plain(market(3), tmp_path)
    first = panel_digest(path, FeatureOptions())
    for changed in READERS:
        module = package.parent / changed
        monkeypatch.setattr(
            "atft.features.prices_panel.file_digest",
            lambda file, module=module: "another" if file == module else file_digest(file),
        )
        assert panel_digest(path, FeatureOptions()) != first
