"""The one error of the user, and the nearest name it offers."""

from atft.errors import InputError, NonFiniteLoss, RunFailed, VarianceCollapse, nearest


def test_the_nearest_name_is_offered_or_all_are_listed() -> None:
    assert nearest("hiden_size", ["hidden_size", "gat_layers"]) == "; did you mean 'hidden_size'?"
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"
    assert nearest("x", []) == "; known: none"


def test_input_that_cannot_be_used_is_a_value_error_and_a_collapse_is_not() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(VarianceCollapse, RunFailed) and issubclass(NonFiniteLoss, RunFailed)
    assert issubclass(RunFailed, RuntimeError) and not issubclass(RunFailed, InputError)
