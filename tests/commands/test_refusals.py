"""What the parser refuses becomes one line with the nearest known key."""

import pytest

from atft.commands.refusals import one_line, remember_keys, shorten
from atft.errors import InputError

KNOWN = ["model.network.hidden_size", "model.network.gat_layers", "trainer.max_epochs"]


@pytest.mark.parametrize(
    "said",
    [
        "Key 'model.network.hiden_size' is not expected",
        "Validation failed: Key 'model.network.hiden_size' is not expected",
        "Option 'model.network.hiden_size' is not accepted",
        "unrecognized arguments: --model.network.hiden_size=3",
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(said: str) -> None:
    text = shorten(said, KNOWN)
    assert text == "unknown key 'model.network.hiden_size'; did you mean 'model.network.hidden_size'?"


def test_a_nested_message_becomes_one_line() -> None:
    said = "Parser key \"a.b\":\n  Problem with value:\n  - Expected a <class 'int'>. Got value: x\n"
    assert "\n" not in shorten(said, KNOWN)
    assert "Expected a <class 'int'>. Got value: x" in shorten(said, KNOWN)


def test_a_refused_argument_raises_an_input_error() -> None:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--stocks", type=int)
    remember_keys(["stocks"])
    with pytest.raises(InputError, match="did you mean 'stocks'"), one_line("simulate"):
        parser.parse_args(["--stoks", "3"])
    with pytest.raises(InputError, match=r"^simulate: .*stocks"), one_line("simulate"):
        parser.parse_args(["--stocks", "many"])
