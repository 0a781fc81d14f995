"""TFLite: models for the interpreter."""

from __future__ import annotations

import time
from typing import Any

from ..models import SEED, Loaded, concrete, described, given_array, random_input
from ..requests import Fields, RequestError
from .litert import load_litert

FIND = """
from importlib import import_module, metadata
try:
    name = "ai-edge-litert"
    import_module("ai_edge_litert.interpreter")
except ImportError:
    name = "tflite-runtime"
    import_module("tflite_runtime.interpreter")
    import numpy
    assert numpy.__version__ < "2", "tflite-runtime needs numpy < 2"
print(name, metadata.version(name))
"""


def tflite_interpreter() -> tuple[Any, str]:
    """The interpreter class of the installed package, and its version."""
    from importlib import metadata

    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"ai-edge-litert {metadata.version('ai-edge-litert')}"
    except ImportError:
        from tflite_runtime.interpreter import Interpreter

        return Interpreter, f"tflite-runtime {metadata.version('tflite-runtime')}"


def load_tflite(path: str, threads: int, request: Fields) -> Loaded:
    """A model for the TFLite interpreter, with the delegate that it applies by default: XNNPACK."""
    interpreter_class, version = tflite_interpreter()
    if request.get("profile"):
        return load_litert(path, threads, request, version)
    begin = time.perf_counter()
    interpreter = interpreter_class(model_path=path, num_threads=threads)
    if request.get("arrays") is not None:
        return load_signature(interpreter, version, request, begin)
    interpreter.allocate_tensors()
    inputs = []
    for index, item in enumerate(interpreter.get_input_details()):
        shape = concrete([int(n) for n in item["shape"]], request.get("batch", 1))
        kind = str(item["dtype"].__name__)
        interpreter.set_tensor(item["index"], random_input(shape, kind, SEED + index))
        inputs.append({"name": item["name"], "shape": shape, "dtype": kind})
    return Loaded(interpreter.invoke, "xnnpack", version, inputs)


def load_signature(interpreter: Any, version: str, request: Fields, begin: float) -> Loaded:
    """A signature of a TFLite file, or its main graph, on the values of the request."""
    import numpy

    given, key = request["arrays"], request.get("signature") or ""
    raw = interpreter._interpreter  # noqa: SLF001 - a signature run without copies of its inputs
    if key:
        if key not in interpreter.get_signature_list():
            raise RequestError("bad-request", f"expected a signature of the file, but found {key!r:.100}")
        runner = interpreter.get_signature_runner(key)
        places, graph = dict(runner._inputs), runner._subgraph_index  # noqa: SLF001
    else:
        places, graph = {item["name"]: item["index"] for item in interpreter.get_input_details()}, 0
    inputs = []
    for name, place in places.items():
        array = given_array(given, name)
        raw.ResizeInputTensor(place, numpy.array(array.shape, dtype=numpy.int32), False, graph)
        inputs.append(described(name, array))
    raw.AllocateTensors(graph)
    create_s = time.perf_counter() - begin
    for name, place in places.items():
        raw.SetTensor(place, given[name], graph)
    begin = time.perf_counter()
    raw.Invoke(graph)
    first_run_s = time.perf_counter() - begin

    def run(_interpreter: Any = interpreter) -> None:  # keeps the interpreter alive
        raw.Invoke(graph)

    model = Loaded(run, "xnnpack", version, inputs)
    model.create_s, model.first_run_s = create_s, first_run_s
    return model


LOADERS = {"tflite": load_tflite}
