"""Tables as lines of text."""

from atft.evaluation.plain_table import plain_table, signed, table_text


def test_a_row_is_a_line_without_colours_however_wide() -> None:
    table = plain_table("a title", ["name"], [f"{i}d" for i in range(30)], ["remark"])
    table.add_row("score", *["+0.0123 [-0.01, +0.02]"] * 30, "inside")
    lines = table_text(table).splitlines()
    assert lines[0] == "a title" and lines[1].split() == ["name", *(f"{i}d" for i in range(30)), "remark"]
    assert lines[-1].startswith("score") and lines[-1].endswith("inside") and "\x1b" not in lines[-1]


def test_a_title_and_a_caption_are_a_line_each_however_narrow_the_table_is() -> None:
    table = plain_table("costs 10 bps a side, participation 1.00%", ["name"], ["1d"])
    table.caption = "[95 % interval by stationary block bootstrap] Newey-West t"
    table.add_row("a", "1")
    table.add_section()
    table.add_row("b", "2")
    lines = table_text(table).splitlines()
    assert (lines[0], lines[-1]) == (table.title, table.caption)
    assert [line[:1] for line in lines[1:-1]] == ["n", "─", "a", "", "b"]
    assert table_text(table).splitlines() == lines


def test_numbers_stand_to_the_right() -> None:
    table = plain_table("", ["name"], ["value"])
    table.add_row("a", "1")
    assert table_text(table).splitlines()[-1] == "a          1"


def test_a_column_that_no_row_fills_is_left_out() -> None:
    table = plain_table("", ["name"], ["RankIC", "RankIC lag 1", "IC"])
    table.add_row("a", "1", "", "+0.0123 .. +0.0456")
    table.add_row("b", "2", "", "")
    head, _, first, second = (line.split(maxsplit=2) for line in table_text(table).splitlines())
    assert (head, first) == (["name", "RankIC", "IC"], ["a", "1", "+0.0123 .. +0.0456"])
    assert second == ["b", "2"]


def test_names_are_shown_as_they_are() -> None:
    names = ["pred[old]", "a[/b]", ":warning:", "[bold]"]
    table = plain_table(names[0], [names[1]], ["value"])
    for name in names:
        table.add_row(name, "1")
    lines = table_text(table).splitlines()
    assert lines[0] == names[0] and lines[1].split() == [names[1], "value"]
    assert [line.split()[0] for line in lines[3:]] == names


def test_an_unknown_value_has_no_sign_and_no_error() -> None:
    assert signed(0.01234, 4, 0.002) == "+0.0123 ± 0.0020"
    assert signed(float("nan"), 4, 0.002) == signed(float("inf"), 4) == "nan"
    assert signed(0.5, 2) == signed(0.5, 2, float("nan")) == "+0.50", "of few days no error is known"
