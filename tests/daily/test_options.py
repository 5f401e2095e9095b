"""Options of a new day: one checkpoint, one day, names as in the other commands."""

from datetime import date
from pathlib import Path

import pytest

from atft.daily.checks import AlarmOptions
from atft.daily.options import ListOptions, config_of_run, parse_list_options
from atft.errors import InputError


def test_options_are_read_by_their_names() -> None:
    words = ["--last", "--run", "r", "--top", "3", "--alarm.coverage", "0.9", "--data.panel.path", "p"]
    options, _ = parse_list_options("predict", [*words, "--data.cache.dir=c", "--model.network", "a.b.Net"])
    assert options == ListOptions(
        run="r", top=3, alarm=AlarmOptions(coverage=0.9), panel="p", cache="c", network="a.b.Net"
    )
    assert options.day is None and ListOptions(run="r", on="2017-06-30").day == date(2017, 6, 30)
    _, update = parse_list_options(
        "update", ["--prices", "new.csv", "--run", "r", "--corrections", "rebuild"]
    )
    assert (update.prices, update.corrections) == ("new.csv", "rebuild")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--last"], "name one of --run DIR, --ckpt_path FILE and --registry DIR, got none"),
        (["--last", "--run", "r", "--registry", "g"], "got --run and --registry"),
        (["--last", "--on", "2017-06-30", "--run", "r"], "--last, --on and --from each name what is scored"),
        (
            ["--last", "--from", "2017-06-30", "--run", "r"],
            "--last, --on and --from each name what is scored",
        ),
        (["--from", "2017-06-30", "--top", "3", "--run", "r"], "--top is of one day's list"),
        (["--from", "2017-06-30", "--alarm.missing", "0", "--run", "r"], "--alarm is of one day's list"),
        (
            ["--from", "2017-06-30", "--alarm.mising", "0", "--run", "r"],
            "predict of a period has no option '--alarm.mising'; known: --ckpt_path, --data.cache.dir",
        ),
        (
            ["--last", "--alarm.mising", "0", "--run", "r"],
            "of one day has no option '--alarm.mising'; did you mean '--alarm.m",
        ),
        (["--to", "2017-06-30", "--run", "r"], "--to ends a period; give its first day with --from"),
        (["--last", "--run", "r", "--rnk_by", "5"], "no option '--rnk_by'; did you mean '--rank_by'"),
        (["--last", "--run", "r", "--panel", "p"], "no option '--panel'; did you mean '--data.panel.path'?"),
        (["--last", "--run", "r", "--Panel", "p"], "no option '--Panel'; did you mean '--data.panel.path'?"),
        (["--last", "--run", "r", "--keep", "p"], "no option '--keep'; known: "),
        (
            ["--last", "--run", "r", "--out", "{day}.csv"],
            "--out {day}.csv: nothing replaces {day}; {date} is",
        ),
        (["--from", "2017-06-01", "--run", "r", "--out", "{date}.csv"], "nothing replaces {date}"),
        (["--last", "--run", "r", "--top", "-1"], "--top must be at least 0"),
        (["--last", "--run", "r", "--top", "x"], "top"),
        (["--last", "--run", "r", "--scorer", "ridge"], "scorer"),
        (["--last", "--ckpt_path", "c", "--scorer", "blend"], "a run of your own; name it with --run DIR"),
        (["--last", "--run", "r", "--alarm.coverage", "much"], "alarm.coverage"),
        (["--last", "--run", "r", "--alarm.coverage", "90"], "must be a share in [0, 1], got 90"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_list_options("predict", words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_update_needs_prices_and_a_day_is_an_iso_date() -> None:
    with pytest.raises(InputError, match="update needs --prices FILE"):
        parse_list_options("update", ["--run", "r"])
    with pytest.raises(InputError, match="--on must be an ISO date"):
        _ = ListOptions(run="r", on="tomorrow").day


def test_a_period_ends_on_the_latest_day_unless_it_says_when() -> None:
    latest = date(2017, 6, 30)
    options, _ = parse_list_options("predict", ["--from", "2017-06-01", "--run", "r"])
    assert options.period(latest) == (date(2017, 6, 1), latest)
    options, _ = parse_list_options("predict", ["--from=2017-06-01", "--to", "2017-06-02", "--run", "r"])
    assert options.period(latest) == (date(2017, 6, 1), date(2017, 6, 2))
    for first, last, message in (
        ("2017-07-01", None, "--from 2017-07-01 is after the period's last day, 2017-06-30"),
        ("soon", None, "--from must be an ISO date"),
        ("2017-06-01", "then", "--to must be an ISO date"),
    ):
        with pytest.raises(InputError, match=message):
            ListOptions(run="r", first=first, last=last).period(latest)
    with pytest.raises(InputError, match="update of one day has no option '--from'"):
        parse_list_options("update", ["--prices", "p", "--run", "r", "--from", "2017-06-01"])


def test_a_run_without_a_configuration_names_nothing(tmp_path: Path) -> None:
    assert config_of_run(tmp_path) == {}
    (tmp_path / "config.yaml").write_text("data: {cache: {dir: there}}")
    assert config_of_run(tmp_path)["data"]["cache"]["dir"] == "there"
