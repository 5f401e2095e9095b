"""A panel of prices is made once, and named by what it is made of."""

from pathlib import Path

from atft.features.options import FeatureOptions
from atft.features.prices_panel import panel_digest
from price_layouts import market, plain


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
