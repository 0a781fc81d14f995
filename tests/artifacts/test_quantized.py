import pytest
import torch

from latkit.artifacts.quantized import calibration_batches, export_quantized, precisions_of
from latkit.artifacts.weights import for_inference, seeded_module
from latkit.errors import UsageError
from latkit.ops import Network, make_op
from latkit.runtimes import get_runtime
from latkit.runtimes.quantization import Quantization
from tests.pages import run_python

SHAPE = (3, 12, 12)


def network(*precisions):
    ops = [
        make_op("conv", SHAPE, out_channels=8, kernel=3, precision=precisions[0]),
        make_op("mbconv", (8, 12, 12), out_channels=8, expansion=2, precision=precisions[1]),
        make_op("pool", (8, 12, 12), precision=precisions[2]),
        make_op("linear", (8,), out_features=5, precision=precisions[3]),
    ]
    return Network(tuple(ops))


@pytest.fixture(scope="module")
def module():
    return seeded_module(network("fp32", "fp32", "fp32", "fp32"))


def export(runtime, module, path, precisions, float_io=True):
    images = torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(1))
    plan = Quantization(precisions, calibration_batches(images), float_io)
    return images, export_quantized(get_runtime(runtime), module, SHAPE, plan, path)


def relative_error(runtime, module, artifact, images):
    found = get_runtime(runtime).run(artifact.path, images[:1])
    expected = for_inference(module)(images[:1])
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-dynamic"])
def test_onnx_file_in_one_precision_computes_about_the_same(module, tmp_path, precision):
    images, artifact = export("onnxruntime", module, tmp_path / "q.onnx", {"": precision})
    assert 0 < relative_error("onnxruntime", module, artifact, images) < 0.05


def test_static_and_dynamic_ranges_meet_in_an_onnx_file(tmp_path):
    chain = network("int8", "int8-dynamic", "int8-dynamic", "int8")
    images, artifact = export("onnxruntime", seeded_module(chain), tmp_path / "q.onnx", precisions_of(chain))
    assert 0 < relative_error("onnxruntime", seeded_module(chain), artifact, images) < 0.05


def test_the_python_of_the_page_about_precisions(tmp_path, monkeypatch):
    from collections import OrderedDict

    monkeypatch.chdir(tmp_path)
    images = torch.rand(4, 3, 8, 8)
    parts = {"features": torch.nn.Conv2d(3, 4, 3), "flatten": torch.nn.Flatten(), "classifier": torch.nn.Linear(144, 5)}
    given = {"module": torch.nn.Sequential(OrderedDict(parts)), "training_images": images, "images": images[:1]}
    left = run_python("howto/precision.md", given, {"224, 224": "8, 8"})
    assert left["outputs"].shape == (1, 5)


def test_only_the_int8_ops_of_an_onnx_file_are_quantized(module, tmp_path):
    import onnx

    precisions = precisions_of(network("fp32", "int8", "fp32", "int8"))
    _, artifact = export("onnxruntime", module, tmp_path / "q.onnx", precisions, float_io=False)
    graph = onnx.load(artifact.path).graph
    producers = {name: node for node in graph.node for name in node.output}
    for node in (node for node in graph.node if node.op_type in ("Conv", "Gemm")):
        assert (producers.get(node.input[0]) is not None) == (not node.name.startswith("/0/"))
        before = producers.get(node.input[0])
        assert (before is not None and before.op_type == "DequantizeLinear") == node.name.startswith(("/1/", "/3/"))
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [node.op_type for node in graph.node].count("QuantizeLinear") == 7


@pytest.mark.slow
def test_only_the_int8_ops_of_a_tflite_file_are_quantized(module, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    precisions = precisions_of(network("int8", "int8", "fp32", "int8"))
    _, artifact = export("tflite", module, tmp_path / "q.tflite", precisions, float_io=False)
    interpreter = Interpreter(str(artifact.path))
    types = {tensor["index"]: tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    ops = [(op["op_name"], types[op["inputs"][0]]) for op in interpreter._get_ops_details()]
    ops = [op for op in ops if op[0] in ("CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED")]
    conv = [("CONV_2D", "int8")]
    assert ops == [*conv, *conv, ("DEPTHWISE_CONV_2D", "int8"), *conv, ("MEAN", "float32"), ("FULLY_CONNECTED", "int8")]
    ends = (interpreter.get_input_details()[0], interpreter.get_output_details()[0])
    assert [end["dtype"].__name__ for end in ends] == ["int8", "int8"]


@pytest.mark.slow
def test_tflite_file_with_float_ends_computes_about_the_same(module, tmp_path):
    images, artifact = export("tflite", module, tmp_path / "q.tflite", {"": "int8"})
    assert 0 < relative_error("tflite", module, artifact, images) < 0.05


@pytest.mark.slow
def test_a_tflite_file_without_weights_is_left_as_it_is_by_dynamic_ranges(tmp_path):
    images = torch.randn(2, 8, 12, 12)
    pool = seeded_module(Network((make_op("pool", (8, 12, 12)),)))
    plan = Quantization({"": "int8-dynamic"}, calibration_batches(images), False)
    artifact = export_quantized(get_runtime("tflite"), pool, (8, 12, 12), plan, tmp_path / "pool.tflite")
    assert relative_error("tflite", pool, artifact, images) < 1e-6


@pytest.mark.parametrize(
    ("precisions", "shape", "message"),
    [
        ({"9": "int8"}, SHAPE, "expected the name of a submodule of Sequential, but found '9'"),
        ({"": "int3"}, SHAPE, "among fp32, fp16, int8, int8-dynamic, but found 'int3'"),
        ({"": "int8"}, (3, 8, 8), "calibration inputs of Nx3x12x12, N at least 1, but found 2x3x8x8"),
        ({"": "int8"}, None, "inputs to calibrate the ranges of int8 on, but found none"),
    ],
)
def test_plan_that_does_not_fit_is_refused(module, tmp_path, precisions, shape, message):
    calibration = calibration_batches(torch.zeros(2, *shape)) if shape else ()
    plan = Quantization(precisions, calibration)
    with pytest.raises(UsageError, match=message):
        export_quantized(get_runtime("onnxruntime"), module, SHAPE, plan, tmp_path / "q.onnx")
    assert not any(tmp_path.iterdir())
