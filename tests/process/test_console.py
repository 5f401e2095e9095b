"""Names are printed as they are, whatever signs of markup they have."""

import pytest

from atft.process.console import plain_console


@pytest.mark.parametrize("stderr", [False, True])
def test_a_name_with_signs_of_markup_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str], stderr: bool
) -> None:
    name = "pred[old].csv a[/b] :warning:"
    plain_console(stderr=stderr).print(name)
    printed = capsys.readouterr()
    assert (printed.err if stderr else printed.out).strip() == name
