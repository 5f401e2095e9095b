"""The two formats of a program, each as bytes, and how it is run again from them.

pt2 is torch's own: ``torch.export.load(file).module()`` runs it, without atft. ONNX runs without torch: by
onnxruntime in Python, C, C#, Java or a browser.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from atft.export.one_day import OneDay, dynamic_shapes, exporting
from atft.process.optional import load_optional

FORMATS = ("pt2", "onnx")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""Of the extra ``export``: torch writes ONNX with the first two, and the last one runs it."""
Run = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
"""From a program's inputs to its results, each by name."""


def write_program(program: OneDay, inputs: Mapping[str, Tensor], results: Sequence[str], kind: str) -> bytes:
    """Trace a program and return the content of its file.

    Args:
        program: of one day, in ``eval`` mode.
        inputs: of a day with 3 stocks or more, and two edges or more where it reads edges.
        results: names of what it returns, in their order.
        kind: pt2 or onnx.

    Raises:
        InputError: the network cannot be exported, or the extra ``export`` is not installed.
    """
    shapes = dynamic_shapes(tuple(inputs))
    if kind == "pt2":
        buffer = io.BytesIO()
        with exporting(program.network):
            traced = torch.export.export(program, (), dict(inputs), dynamic_shapes=shapes, strict=False)
            torch.export.save(traced, buffer)
        return buffer.getvalue()
    check_packages()
    with exporting(program.network):
        written = torch.onnx.export(
            program,
            (),
            kwargs=dict(inputs),
            dynamic_shapes=shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
            output_names=list(results),
        )
    assert written is not None
    content: bytes = written.model_proto.SerializeToString()
    return content


def load_program(content: bytes, kind: str) -> Run:
    """Load a program from the content of its file, to be run on the CPU.

    Raises:
        InputError: the extra ``export`` is not installed.
    """
    if kind == "pt2":
        module = torch.export.load(io.BytesIO(content)).module()

        def run_torch(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
            with torch.no_grad():
                results: dict[str, Tensor] = module(**inputs)
            return results

        return run_torch
    check_packages()
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [result.name for result in session.get_outputs()]

    def run_onnx(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        fed = {name: value.contiguous().numpy() for name, value in inputs.items()}
        return dict(zip(names, map(torch.from_numpy, session.run(names, fed)), strict=True))

    return run_onnx


def runtime_name(kind: str) -> str:
    """What runs a program here, with its version."""
    if kind == "pt2":
        return f"torch {torch.__version__}"
    return f"onnxruntime {import_module('onnxruntime').__version__}"


def check_packages() -> None:
    """Check that the packages of the extra ``export`` can be imported."""
    for name in PACKAGES:
        load_optional(name, "export")
