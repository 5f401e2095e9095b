import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atft.data.day_facts import pack_bits, unpack_bits


@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=1, max_size=5))
def test_flags_come_back_as_they_were(days: list[list[bool]]) -> None:
    assert unpack_bits([pack_bits(np.array(day)) for day in days], 11).tolist() == days


def test_the_first_columns_can_be_read_alone() -> None:
    assert unpack_bits([pack_bits(np.array([True, False, True]))], 2).tolist() == [[True, False]]
