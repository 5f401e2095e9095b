"""A function of the user's own is imported and its signature read before it is called; each mistake is one line."""

from typing import Any

import pytest
import torch

from atft.errors import InputError
from atft.own_functions import call, check_name, error_text, find_function, noise, tensor_names

READABLE = ("score", "target", "valid", "levels")
KEY = "model.objective.terms"


pytestmark = pytest.mark.usefixtures("toypkg")


def test_a_function_is_named_by_its_dotted_path() -> None:
    function = find_function(KEY, "toypkg.loss.tail", READABLE)
    cases = {
        function: "has a function; write its dotted name, 'toypkg.loss.tail'",
        (lambda score: score): "has a function; write a dotted name such as 'mypkg.loss.tail'",
        3: "has 3; write a dotted name such as",
    }
    check_name(KEY, "toypkg.loss.tail")
    for name, message in cases.items():
        with pytest.raises(InputError, match=f"^model.objective.terms {message}"):
            check_name(KEY, name)


def test_a_function_is_found_by_its_dotted_path_and_its_tensors_by_their_names() -> None:
    function = find_function(KEY, "toypkg.loss.tail", READABLE)
    assert function.__name__ == "tail" and tensor_names(function) == ("score", "target", "valid")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("toypkg.loss.tial", "is no function of toypkg.loss; did you mean 'tail'?"),
        ("toypkg.loss.number", "is no function of toypkg.loss; did you mean 'a_number'?"),
        ("toypkg.loss.Term", "is no function of toypkg.loss; known: "),
        ("toypkg.loss", "is no function of toypkg; known: none"),
        ("toypkg.loss.misspelt", "takes 'taget', which is no tensor; did you mean 'target'?"),
        ("toypkg.loss.anything", "takes any arguments by *tensors; name each one that it needs"),
        ("toypkg.loss.named", "takes any arguments by *options; name each one that it needs"),
        ("toypkg.loss.of_a_word", ": option kind is 'hinge' by default; make it a number"),
        ("toypkg.loss.of_a_weight", ": option weight is the key of a term's weight; rename or move it"),
        ("toypkg.loss.with_a_default", ": valid is a tensor; remove its default"),
        ("toypkg.loss.after_a_star", ": the tensor valid is after *; move it before"),
        ("toypkg.loss.of_nothing", "takes no tensor; known: levels, score, target, valid"),
        ("toypkg.syntax.tail", "cannot be imported, SyntaxError at syntax.py line 1: invalid syntax"),
        (
            "toypkg.division.tail",
            "cannot be imported, ZeroDivisionError at division.py line 3: division by zero",
        ),
        (
            "toypkg.absent.tail",
            "cannot be imported, ModuleNotFoundError at absent.py line 2: No module named",
        ),
        (
            "no_such_package.tail",
            "cannot be imported, ModuleNotFoundError: No module named 'no_such_package'; install its package, or "
            "run python -m atft in the folder that has it",
        ),
        (".tail", "cannot be imported, ValueError: Empty module name"),
        ("..tail", "cannot be imported, TypeError"),
        ("os.system", "takes 'command', which is no tensor; known: levels, score"),
        ("os.abort", "takes no tensor"),
        ("builtins.print", "takes any arguments by *args"),
        ("builtins.max", "has no signature to read; name a function written in Python"),
        ("subprocess.Popen", "is no function of subprocess"),
        ("subprocess.getoutput", "takes 'cmd', which is no tensor"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_says_what_where_and_what_to_do(path: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        find_function(KEY, path, READABLE)
    text = str(caught.value)
    assert text.startswith(f"{KEY}: {path}") and message in text and len(text) < 200


def test_an_error_inside_of_a_function_names_the_line_of_its_file() -> None:
    function = find_function(KEY, "toypkg.loss.raises", READABLE)
    line = function.__code__.co_firstlineno + 1
    tensors = noise(3, 2, 8)
    with pytest.raises(InputError, match=rf"^here raises RuntimeError at loss.py line {line}: Expected size"):
        call("here", function, {name: tensors[name] for name in tensor_names(function)})


def test_an_error_that_is_not_of_the_function_keeps_its_traceback() -> None:
    function = find_function(KEY, "toypkg.loss.failed", READABLE)
    with pytest.raises(OSError, match="of the machine"):
        call("here", function, {"score": torch.zeros(2), "valid": torch.ones(2, dtype=torch.bool)})


@pytest.mark.parametrize(("name", "kind"), [("a_number", "a float"), ("counts", "a tensor of torch.int64")])
def test_a_function_returns_a_floating_point_tensor(name: str, kind: str) -> None:
    function = find_function(KEY, f"toypkg.loss.{name}", READABLE)
    tensors = noise(3, 2, 8)
    with pytest.raises(InputError, match=rf"^here returns {kind}; return a floating-point tensor"):
        call("here", function, {n: tensors[n] for n in tensor_names(function)})


def test_an_error_without_a_text_is_its_kind_alone() -> None:
    assert error_text(AssertionError()) == "AssertionError"
    assert error_text(AssertionError("a size")) == "AssertionError: a size"


def test_a_function_that_changes_a_tensor_in_place_is_an_error() -> None:
    def fills(score: Any, target: Any, valid: Any) -> Any:
        target.masked_fill_(~valid, 0)
        return (score - target).sum(-1)

    tensors = noise(2, 1, 8)
    with pytest.raises(
        InputError, match=r"^here changes target in place, which .*; change target\.clone\(\)$"
    ):
        call("here", fills, tensors)
    with torch.inference_mode():  # counts no changes
        assert call("here", fills, noise(2, 1, 8)).shape == (2, 1)


def test_noise_has_invalid_stocks_and_a_last_day_without_a_valid_one() -> None:
    tensors = noise(3, 2, 32)
    valid = tensors["valid"]
    assert all(x.shape == (3, 2, 32) for x in tensors.values())
    assert not valid[-1].any() and valid[:-1].any(-1).all() and not valid[:-1].all(-1).any()
    assert tensors["score"].isfinite().all() and tensors["target"][~valid].eq(0).all()
