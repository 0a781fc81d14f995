"""tflite: TFLite files with channels-last images, written by litert-torch and run by XNNPACK on the CPU."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from latkit.errors import MissingExtra
from latkit.graphs import Graph
from latkit.graphs.reported import FusionReport
from latkit.runtimes.base import ExecutedOp, Runtime, Wheels, check_dialect, release
from latkit.runtimes.quantization import Quantization
from latkit.runtimes.silence import stderr_dropped

_CONVERTING = threading.Lock()
"""Held during conversions, which change torch's registry of ops."""
_LISTING = "_materialize_cpp_cia_ops"
"""Torch's own function that makes a Python object of every op registered in C++."""


class TFLite(Runtime):
    """TFLite, in fp32 or quantized by ai-edge-quantizer.

    Images enter and leave as (N, H, W, C), so no transposition is timed with an op. Only an op without a convolution (a
    pool alone, an activation alone) contains one: the converter moves the layout along with convolutions. In a network
    there is none either.
    """

    name = "tflite"
    suffix = ".tflite"
    takes_benchmark_tool = True
    interpreter = name
    reports_fusion = True
    in_results = True
    export_setting = "export_tflite"
    precisions = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int4-dynamic", "int4-weights")
    graph_dialect = "tflite"
    # tflite-runtime was built against numpy 1
    wheels = Wheels((("ai-edge-litert", "numpy"), ("tflite-runtime", "numpy<2")), pinned_as="tflite", by_default=True)

    @property
    def exporter(self) -> str:
        """Such as `litert-torch 0.10.0`."""
        try:
            return f"litert-torch {release('litert-torch')}"
        except PackageNotFoundError:
            raise MissingExtra("litert-torch", "tflite") from None

    @property
    def quantizer(self) -> str:
        """Such as `ai-edge-quantizer 0.10.0`."""
        try:
            return f"ai-edge-quantizer {release('ai-edge-quantizer')}"
        except PackageNotFoundError:
            raise MissingExtra("ai-edge-quantizer", "tflite") from None

    def export(self, module: Any, examples: Sequence[Any], path: Path) -> None:
        """Write a TFLite file. The first conversion of a process imports litert-torch, which takes 3 to 6 s."""
        import torch

        litert_torch = _import_litert_torch()
        with torch.no_grad():
            found = module(*examples)
        results = found if isinstance(found, tuple | list) else (found,)
        outputs = [index for index, one in enumerate(results) if one.dim() == 4]
        images = [index for index, example in enumerate(examples) if example.dim() == 4]
        with _silenced():
            if images or outputs:
                module = litert_torch.to_channel_last_io(module, args=images, outputs=outputs).eval()
            with _ops_listed_once():
                converted = litert_torch.convert(module, tuple(map(_channels_last, examples)))
            converted.export(str(path))

    def quantize(self, source: Path, module: Any, examples: Sequence[Any], plan: Quantization, path: Path) -> None:
        """Write a TFLite file by a recipe with a rule for every op, weights per channel."""
        from latkit.runtimes.quantization.tflite_file import quantize_tflite

        quantize_tflite(source, module, examples, plan, path)

    def export_graph(self, graph: Graph, path: Path) -> None:
        """Write the graph's own operators, with its quantization."""
        from latkit.runtimes.litert.write import write_tflite

        check_dialect(self, graph)
        path.write_bytes(write_tflite(graph, seed=int(graph.key[:15], 16)))

    def fusion_report(self, graph: Graph, path: Path, executed: Sequence[ExecutedOp]) -> FusionReport | None:  # noqa: ARG002
        """XNNPACK's kernels, and the operators that the interpreter executes."""
        from latkit.runtimes.litert.reported import report_of

        return report_of(graph, executed, self.interpreter)

    def quantized_graph(self, graph: Graph, precision: str) -> Graph:
        """Every operator in that precision that the quantizer can write."""
        from latkit.runtimes.quantization.file_quantizers import quantize_tflite_file, quantized_by

        return quantized_by(self, quantize_tflite_file, graph, precision)

    def read_graph(self, path: Path, shapes: Mapping[str, tuple[int, ...]], batch: int) -> Graph:
        """The graph of any TFLite file, with the sizes that it was written for."""
        from latkit.runtimes.litert.graph import read_tflite_graph

        return read_tflite_graph(path, shapes, batch)

    def load(self, path: Path) -> Callable[..., Any]:
        """An interpreter on the CPU; XNNPACK runs all ops that it supports."""
        import torch

        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtra("ai-edge-litert", "tflite") from error
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        entries = sorted(interpreter.get_input_details(), key=_argument_number)
        end = interpreter.get_output_details()[0]["index"]

        def run(*inputs: Any) -> Any:
            for entry, one in zip(entries, inputs, strict=True):
                interpreter.set_tensor(entry["index"], _channels_last(one).numpy())
            interpreter.invoke()
            output = torch.from_numpy(interpreter.get_tensor(end))
            return output.permute(0, 3, 1, 2) if output.dim() == 4 else output

        return run


TFLITE = TFLite()


def _argument_number(entry: Mapping[str, Any]) -> int:
    """The place of an input among the module's arguments, from a name such as `serving_default_args_1:0`."""
    found = re.search(r"args_(\d+)", str(entry["name"]))
    return int(found[1]) if found else 0


def _channels_last(tensor: Any) -> Any:
    """(N, C, H, W) -> (N, H, W, C), contiguous; other tensors unchanged."""
    return tensor.permute(0, 2, 3, 1).contiguous() if tensor.dim() == 4 else tensor


def _import_litert_torch() -> Any:
    """The package, with its progress switched off. Raises MissingExtra."""
    if sys.modules.get("litert_torch") is None:
        with _silenced(), _silenced_import():
            try:
                import litert_torch
            except ImportError as error:
                raise MissingExtra("litert-torch", "tflite") from error
    import litert_torch
    from litert_torch import progress

    progress.config.show_progress = False
    return litert_torch


@contextlib.contextmanager
def _ops_listed_once() -> Iterator[None]:
    """Context manager: torch lists its ops once, not 170 times in every conversion, a quarter of its time.

    It lists them again because others may be registered. During a conversion none is.
    """
    from torch._export import utils

    with _CONVERTING:
        listing = getattr(utils, _LISTING, None)
        if listing is None:  # another release of torch
            yield
            return
        setattr(utils, _LISTING, functools.cache(listing))
        try:
            yield
        finally:
            setattr(utils, _LISTING, listing)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Context manager: silence Python's standard output, drop warnings, and restore the handlers of the root logger.

    litert-torch prints its progress and, by logging at the root, installs a handler there.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)


@contextlib.contextmanager
def _silenced_import() -> Iterator[None]:
    """Context manager: redirect the import's C++ output on standard error to a temporary file.

    TF_CPP_MIN_LOG_LEVEL is read once, at import, and also silences the C++ converter later on.
    """
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    try:
        with stderr_dropped():
            yield
    finally:
        if level is None:
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]
        else:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = level
