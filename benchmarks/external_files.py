"""The files that external_models.py judges: architectures of transformers with random weights, and one of another tool.

Each is written once, and then read from the workspace's folder `files`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from latkit.runtimes import get_runtime
from latkit.runtimes.quantization.file_quantizers import quantize_onnx_file, quantize_tflite_file

LABELS = 1000
CALIBRATION_IMAGES = 2
STATISTICS_IMAGES = 4
DETECTOR = "Detector-by-hand"

Make = Callable[[], tuple[nn.Module, int]]


class Logits(nn.Module):
    """An image classifier of transformers as a function from a tensor to a tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=image).logits
        return logits


def with_statistics(model: nn.Module, side: int) -> nn.Module:
    """The model in evaluation mode, with batch norms that know what passes through them.

    With the statistics that batch norms begin with, the activations of a deep network with random weights vanish: its
    last layers would compute with zeros, or with denormal numbers, which take many times as long.
    """
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all batches
    if norms:
        with torch.no_grad():
            model.train()(torch.randn(STATISTICS_IMAGES, 3, side, side))
    return model.eval()


def architectures() -> dict[str, Make]:
    """Name -> a function that returns the classifier, with random weights, and the side of its images in pixels."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers as hf

    hf.logging.set_verbosity_error()  # type: ignore[no-untyped-call]

    def of(kind: str, side: int = 224, **settings: Any) -> Make:
        def make() -> tuple[nn.Module, int]:
            config = getattr(hf, f"{kind}Config")(num_labels=LABELS, **settings)
            model = getattr(hf, f"{kind}ForImageClassification")(config)
            if isinstance(getattr(model.base_model, "pooler", None), nn.AvgPool2d):
                # the mean over an image: litert-torch pads the image to EfficientNet's window, of 8 GB
                model.base_model.pooler = nn.AdaptiveAvgPool2d(1)
            return model, side

        return make

    tiny = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
    return {
        "MobileNetV1": of("MobileNetV1"),
        "MobileNetV2": of("MobileNetV2"),
        "EfficientNet-B0": of(
            "EfficientNet", width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, image_size=224
        ),
        "ResNet-18": of("ResNet", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"),
        "ResNet-50": of("ResNet"),
        "RegNetY-400MF": of(
            "RegNet", hidden_sizes=[48, 104, 208, 440], depths=[1, 3, 6, 6], groups_width=8, layer_type="y"
        ),
        "ConvNeXt-T": of("ConvNext"),
        "MobileViT-S": of("MobileViT", side=256),
        "ViT-Ti": of("ViT", **tiny),
        "PoolFormer-S12": of("PoolFormer"),
    }


def files_of(folder: Path, runtime: str, precision: str, names: Mapping[str, Make]) -> dict[str, Path]:
    """The files of a case by name; those that exist are not written again."""
    suffix = get_runtime(runtime).suffix
    folder.mkdir(parents=True, exist_ok=True)
    found = {name: _file(folder, runtime, precision, name, make) for name, make in names.items()}
    if suffix == ".onnx":
        found[DETECTOR] = _detector(folder, precision)
    return found


def _file(folder: Path, runtime: str, precision: str, name: str, make: Make) -> Path:
    suffix = get_runtime(runtime).suffix
    source = folder / f"{name}{suffix}"
    if not source.exists():
        torch.manual_seed(0)
        model, side = make()
        unfinished = source.with_suffix(f".unfinished{suffix}")
        network = with_statistics(Logits(model), side)
        get_runtime(runtime).export(network, (torch.randn(1, 3, side, side),), unfinished)
        unfinished.replace(source)
    return source if precision == "fp32" else _quantized(source, runtime, precision)


def _quantized(source: Path, runtime: str, precision: str) -> Path:
    path = source.with_name(f"{source.stem}-{precision}{source.suffix}")
    if path.exists():
        return path
    quantize = {"onnxruntime": quantize_onnx_file, "tflite": quantize_tflite_file}[runtime]
    graph, rng = get_runtime(runtime).read_graph(source, {}, 1), np.random.default_rng(0)
    inputs = dict(zip(graph.input_names, graph.inputs, strict=True))
    feeds = [
        {name: rng.standard_normal(tensor.shape, np.float32) for name, tensor in inputs.items()}
        for _ in range(CALIBRATION_IMAGES)
    ]
    unfinished = path.with_suffix(f".unfinished{path.suffix}")
    quantize(source, unfinished, precision, feeds)
    unfinished.replace(path)
    return path


def _detector(folder: Path, precision: str) -> Path:
    """A small detector written by onnx.helper: an open batch, Resize by scales, HardSwish, Concat."""
    source = folder / f"{DETECTOR}.onnx"
    if not source.exists():
        onnx.save(detector(), source)
    return source if precision == "fp32" else _quantized(source, "onnxruntime", precision)


def detector() -> onnx.ModelProto:
    """The model of `_detector`."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, values: np.ndarray[Any, Any]) -> str:
        constants.append(numpy_helper.from_array(values, name))
        return name

    def conv(x: str, name: str, given: int, made: int, kernel: int, stride: int = 1) -> str:
        weights = rng.standard_normal((made, given, kernel, kernel), np.float32) / np.float32(given**0.5 * kernel)
        taken = [x, constant(f"{name}.w", weights), constant(f"{name}.b", np.zeros(made, np.float32))]
        pads = [kernel // 2] * 4
        nodes.append(helper.make_node("Conv", taken, [name], name, pads=pads, strides=[stride, stride]))
        nodes.append(helper.make_node("HardSwish", [name], [f"{name}.act"], f"{name}.act"))
        return f"{name}.act"

    def joined(x: str, y: str, name: str) -> str:
        scales = constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        nodes.append(helper.make_node("Resize", [x, "", scales], [f"{name}.up"], f"{name}.up", mode="nearest"))
        nodes.append(helper.make_node("Concat", [f"{name}.up", y], [name], name, axis=1))
        return name

    x = conv("image", "stem", 3, 16, 3, 2)
    low = conv(x, "low", 16, 32, 3, 2)
    middle = conv(low, "middle", 32, 64, 3, 2)
    high = conv(conv(middle, "high", 64, 128, 3, 2), "neck", 128, 64, 1)
    x = conv(joined(high, middle, "join1"), "mix1", 128, 32, 3)
    x = conv(joined(x, low, "join2"), "mix2", 64, 64, 3)
    weights = constant("head.w", rng.standard_normal((24, 64, 1, 1), np.float32))
    nodes.append(helper.make_node("Conv", [x, weights], ["boxes"], "head"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 160, 160])
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 24, 40, 40])
    graph = helper.make_graph(nodes, "detector", [image], [boxes], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
