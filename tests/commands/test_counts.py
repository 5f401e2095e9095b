import pytest

from atft.commands.counts import read_count
from atft.errors import InputError


def test_a_count_is_a_whole_number_from_one_to_a_thousand() -> None:
    assert [read_count("--seeds", text) for text in ("1", "0007", "1000")] == [1, 7, 1000]
    for text in ("", "0", "1001", "-3", "2.0", "x", "9" * 5000):
        with pytest.raises(InputError, match="--seeds takes a whole number from 1 to 1000, got") as raised:
            read_count("--seeds", text)
        assert len(str(raised.value)) < 120
