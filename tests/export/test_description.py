"""The JSON beside a program: words for sizes that are any, numbers as their type has them, NaN as null."""

import json

import torch

from atft.export.description import _tensor, json_text, plain


def test_sizes_that_are_any_are_words_and_the_others_numbers() -> None:
    shapes = {
        "features": (torch.zeros(6, 9, 4), [6, "stocks", 4]),
        "observed": (torch.zeros(6, 9, dtype=torch.bool), [6, "stocks"]),
        "universe": (torch.zeros(9, dtype=torch.bool), ["stocks"]),
        "edge_index": (torch.zeros(2, 5, dtype=torch.int64), [2, "edges"]),
        "edge_attr": (torch.zeros(5, 2), ["edges", 2]),
        "regime": (torch.zeros(3), [3]),
        "exposure": (torch.zeros(9, 2), ["stocks", 2]),
        "score": (torch.zeros(9, 2), ["stocks", 2]),
        "quantiles": (torch.zeros(9, 2, 3), ["stocks", 2, 3]),
    }
    for name, (value, shape) in shapes.items():
        described = _tensor(name, value)
        assert described["shape"] == shape and described["meaning"], name
        assert described["type"] == str(value.dtype).removeprefix("torch.")


def test_numbers_come_back_as_the_same_float32_and_what_is_not_finite_is_null() -> None:
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.tensor(json.loads(json.dumps(plain(values)))), values)
    assert plain(torch.tensor([[torch.nan, 0.1]])) == [[None, 0.1]]
    assert plain(torch.tensor([True])) == [True]


def test_the_file_has_an_entry_a_line_and_is_json() -> None:
    content = {"a": 1, "b": [{"x": [1, 2]}, {"x": 3}], "c": {"d": [1], "e": None}, "f": [], "g": {}}
    text = json_text(content)
    assert json.loads(text) == content
    assert '\n  {"x": [1, 2]},\n' in text and '\n  "d": [1],\n' in text
