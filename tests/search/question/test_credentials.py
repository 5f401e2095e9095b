"""No part of a password reaches a message."""

import pytest

from atft.search.question.credentials import hide

HARD = [
    ("postgresql://me:s3cr3t@db/atft", "postgresql://me:***@db/atft"),
    ("postgresql+psycopg://me:pa/ss/word@db:5432/atft", "postgresql+psycopg://me:***@db:5432/atft"),
    ("postgresql://me:pa@ss@wo:rd@db/atft", "postgresql://me:***@db/atft"),
    ("postgresql://:s3cr3t@db/atft", "postgresql://:***@db/atft"),
    ("postgresql://me:p%40ss%2Fword@db/atft", "postgresql://me:***@db/atft"),
    ("postgresql://db/atft?user=me&password=s3cr3t", "postgresql://db/atft?user=me&password=***"),
    ("postgresql://db:5/atft?password=pa@ss/word", "postgresql://db:5/atft?password=***"),
    ("mysql://me:que?ry&pass@db/atft?ssl_key=s3cr3t&a=b", "mysql://me:***@db/atft?ssl_key=***&a=b"),
]


@pytest.mark.parametrize(("url", "shown"), HARD)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert hide(url, url) == shown
    assert hide(f"cannot parse '{url}'", url) == f"cannot parse '{shown}'"


@pytest.mark.parametrize(
    "url", ["sqlite:////data/a@b:c/study.db", "grpc://host:13000", "postgresql://me@db/atft"]
)
def test_a_url_without_a_password_is_shown_whole(url: str) -> None:
    assert hide(url, url) == url


def test_what_a_driver_quotes_of_a_password_is_hidden_too() -> None:
    url = "postgresql://me:hunter@two%21pass@db/atft"
    text = hide('could not translate host name "two%21pass@db"; tried two!pass', url)
    assert "two" not in text and "pass" not in text and "@db" in text
