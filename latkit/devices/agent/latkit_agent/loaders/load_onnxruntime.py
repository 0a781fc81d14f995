"""onnxruntime: models on the CPU."""

from __future__ import annotations

import time
from typing import Any, Callable  # noqa: UP035 - Python 3.8 runs this

from ..models import SEED, Loaded, concrete, described, given_array, random_input
from ..requests import Fields, RequestError
from .trace_onnxruntime import profile_onnxruntime

FIND = "import onnxruntime as m; print('onnxruntime', m.__version__)"
KINDS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
}
"""Names of numpy's by those of onnxruntime's types."""


def load_onnxruntime(path: str, threads: int, request: Fields) -> Loaded:
    """A model for onnxruntime on the CPU: sequential, with that many threads within an operator."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = session_options(threads, request)
    begin = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    create_s = time.perf_counter() - begin
    feed, inputs = model_inputs(session, request)
    begin = time.perf_counter()
    outputs = session.run(None, feed)
    first_run_s = time.perf_counter() - begin
    delegate = ",".join(session.get_providers())
    model = Loaded(bound(session, feed, outputs), delegate, f"onnxruntime {onnxruntime.__version__}", inputs)
    model.create_s, model.first_run_s = create_s, first_run_s
    if request.get("profile"):
        model.trace = request["trace"]
        model.profile = lambda runs, seconds: profile_onnxruntime(session, model, runs, seconds)
    return model


def session_options(threads: int, request: Fields) -> Any:
    """Settings of a session, with a trace where the request asks for a profile."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    if request.get("profile"):
        options.enable_profiling = True
        options.profile_file_prefix = request["trace"]
    return options


def model_inputs(session: Any, request: Fields) -> tuple[Fields, list[Fields]]:
    """The arrays of every input by name, those of the request or random ones, and what describes them."""
    given = request.get("arrays")
    feed: Fields = {}
    inputs: list[Fields] = []
    for index, item in enumerate(session.get_inputs()):
        if given is not None:
            feed[item.name] = given_array(given, item.name)
            inputs.append(described(item.name, feed[item.name]))
            continue
        if item.type not in KINDS:
            raise RequestError("bad-model", f"expected inputs of numbers, but found {item.type}")
        shape = concrete(item.shape, request.get("batch", 1))
        feed[item.name] = random_input(shape, KINDS[item.type], SEED + index)
        inputs.append({"name": item.name, "shape": shape, "dtype": KINDS[item.type]})
    return feed, inputs


def bound(session: Any, feed: Fields, outputs: list[Any]) -> Callable[[], object]:
    """A run of onnxruntime with inputs and outputs bound once.

    The same computation as `session.run`, without 4 us of Python overhead that varies from run to run. The remaining
    overhead is that of a C program. A model with outputs that are no tensors is run unbound.
    """
    import numpy

    if not all(isinstance(array, numpy.ndarray) and array.dtype != object for array in outputs):
        return lambda: session.run(None, feed)
    binding = session.io_binding()
    for name, array in feed.items():
        binding.bind_cpu_input(name, array)
    for item, array in zip(session.get_outputs(), outputs):  # noqa: B905 - Python 3.8 runs this
        binding.bind_output(item.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run(_outputs: Any = outputs) -> None:  # keeps the memory that the outputs are written to alive
        session.run_with_iobinding(binding)

    return run


LOADERS = {"onnxruntime": load_onnxruntime}
