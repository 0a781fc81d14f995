"""Requirements for every runtime: the same outputs as torch, for every op kind, and skips that are absent."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from latkit.artifacts.export import check_export, export_module, export_subject
from latkit.artifacts.weights import seeded_module
from latkit.errors import ExportError, UsageError
from latkit.nn import build_module
from latkit.ops import OVERHEAD_PROBE, Network, Op, make_op
from latkit.runtimes import Artifact, Runtime, get_runtime, list_runtimes
from latkit.timing import REFERENCE
from tests.builders import CELL

TOLERANCE = 1e-4
no_tflite = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None, reason="litert-torch is not installed (extra: tflite)"
)
FAST = ["onnxruntime", "torch"]
EVERY = [*FAST, pytest.param("tflite", marks=no_tflite)]

KINDS = [
    make_op("conv", (4, 9, 8), out_channels=6, kernel=5, stride=2, groups=2, activation="hswish"),
    make_op("mbconv", (8, 7, 7), out_channels=8, kernel=7),
    make_op("mbconv", (8, 8, 8), out_channels=12, expansion=1, stride=2, activation="sigmoid"),
    make_op("linear", (13,), out_features=7),
    make_op("pool", (4, 6, 6)),
    make_op("pool", (4, 6, 6), function="max"),
    make_op("pool", (4, 6, 7), kernel=3, stride=2),
    make_op("pool", (4, 6, 7), kernel=3, stride=2, function="max"),
    make_op("activation", (4, 5, 5), function="relu6"),
    make_op("activation", (9,), function="hswish"),
    make_op("flatten", (3, 4, 5)),
    make_op("skip", (3, 4, 5)),
    make_op("add", (3, 4, 5), (3, 4, 5)),
    make_op("concat", (2, 4, 5), (3, 4, 5), (1, 4, 5)),
    make_op("concat", (2,), (3,)),
    make_op("pool", (4, 6, 8), kernel=2, stride=2),
    make_op("pool", (4, 6, 8), kernel=2, stride=2, function="max"),
    make_op("batch_norm", (3, 4, 5), activation="relu"),
    make_op("slice", (3, 4, 5), out_channels=2),
    make_op("squeeze_excite", (6, 4, 5), hidden=3),
    make_op("mbconv_se", (8, 6, 5), out_channels=8, expansion=2, kernel=5, activation="hswish"),
    make_op("dilated_conv", (4, 7, 8), out_channels=4, kernel=5, stride=2, groups=4, activation="none"),
    make_op("zero", (3, 4, 5)),
]
MIXED = Network(
    (
        make_op("conv", (3, 12, 12), out_channels=8, stride=2, activation="relu"),
        make_op("mbconv", (8, 6, 6), out_channels=8, kernel=5, activation="hswish"),
        make_op("pool", (8, 6, 6), kernel=3, stride=2, function="max"),
        make_op("activation", (8, 3, 3), function="sigmoid"),
        make_op("flatten", (8, 3, 3)),
        make_op("linear", (72,), out_features=5),
    ),
    "mixed",
)
"""Most kinds in one conversion, for the runtime whose conversions are slow."""


def check_subject(name: str, workload: Op | Network, path: Path, batch: int) -> None:
    runtime = get_runtime(name)
    artifact = export_subject(runtime, workload, path / f"model{runtime.suffix}", batch)
    exported = workload.without_identities() if isinstance(workload, Network) else workload
    others = exported.other_inputs if isinstance(exported, Op) else ()
    assert check_export(artifact, seeded_module(exported), exported.input_shape, batch, others) < TOLERANCE


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("op", KINDS, ids=lambda op: op.title)
def test_every_kind_computes_what_torch_computes(name: str, op: Op, tmp_path: Path) -> None:
    check_subject(name, op, tmp_path, batch=1)
    check_subject(name, op, tmp_path, batch=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("workload", [OVERHEAD_PROBE, REFERENCE, MIXED], ids=["fixed cost", "reference", "mixed"])
def test_exported_workloads_match_torch_in_batches(name: str, workload: Op | Network, tmp_path: Path) -> None:
    check_subject(name, workload, tmp_path, batch=2)


@pytest.mark.slow
@no_tflite
@pytest.mark.parametrize("op", [KINDS[3], KINDS[6], KINDS[11]], ids=lambda op: op.title)
def test_tflite_takes_what_is_no_image_what_xnnpack_cannot_and_nothing(op: Op, tmp_path: Path) -> None:
    check_subject("tflite", op, tmp_path, batch=1)


def onnx_nodes(artifact: Artifact) -> list[str]:
    import onnx

    return [node.op_type for node in onnx.load(artifact.path).graph.node]


def tflite_nodes(artifact: Artifact) -> list[str]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(artifact.path), experimental_op_resolver_type=plain)
    return [op["op_name"] for op in interpreter._get_ops_details()]


def torch_nodes(artifact: Artifact) -> list[str]:
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.load"):
        graph = torch.jit.load(artifact.path).inlined_graph
    kinds = [node.kind() for node in graph.nodes()]
    return [kind for kind in kinds if kind not in ("prim::Constant", "prim::GetAttr", "prim::ListConstruct")]


NODES: list[tuple[str, Callable[[Artifact], list[str]], dict[str, int]]] = [
    ("onnxruntime", onnx_nodes, {"Conv": 4, "BatchNormalization": 0, "Identity": 0}),
    ("tflite", tflite_nodes, {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 1, "MUL": 0, "TRANSPOSE": 0}),
    ("torch", torch_nodes, {"aten::_convolution": 4, "aten::batch_norm": 0}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "nodes", "counts"),
    [pytest.param(*case, marks=no_tflite if case[0] == "tflite" else (), id=case[0]) for case in NODES],
)
def test_batch_norms_are_folded_and_skips_are_absent(
    name: str, nodes: Callable[[Artifact], list[str]], counts: dict[str, int], tmp_path: Path
) -> None:
    runtime = get_runtime(name)
    conv, mbconv, pool = REFERENCE.ops
    skip = make_op("skip", mbconv.input_shape)
    plain = nodes(export_subject(runtime, REFERENCE, tmp_path / f"plain{runtime.suffix}"))
    skips = Network((make_op("skip", conv.input_shape), conv, skip, mbconv, skip, skip, pool))
    assert nodes(export_subject(runtime, skips, tmp_path / f"skips{runtime.suffix}")) == plain
    assert {node: plain.count(node) for node in counts} == counts


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_a_trained_module_is_exported_with_its_weights_and_left_as_it_was(name: str, tmp_path: Path) -> None:
    module = build_module(REFERENCE).train()
    module(torch.randn(8, *REFERENCE.input_shape))  # moves the batch norms' statistics
    before = {key: value.clone() for key, value in module.state_dict().items()}
    runtime = get_runtime(name)
    artifact = export_module(runtime, module, REFERENCE.input_shape, tmp_path / f"net{runtime.suffix}", batch=2)
    assert check_export(artifact, module, REFERENCE.input_shape, batch=2) < TOLERANCE
    assert check_export(artifact, build_module(REFERENCE), REFERENCE.input_shape, batch=2) > TOLERANCE
    assert all(part.training for part in module.modules())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert artifact == Artifact(artifact.path, artifact.sha256, name, runtime.exporter, runtime.opset)
    assert [path.name for path in tmp_path.iterdir()] == [artifact.path.name]


class Stubborn(nn.Module):
    def forward(self, _: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("not for export")


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_what_cannot_be_exported_is_named_and_leaves_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"cannot export net\.bin for {name}: RuntimeError: not for export"):
        export_module(get_runtime(name), Stubborn(), (1, 2, 2), tmp_path / "net.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_a_network_with_branches_computes_what_torch_computes(name: str, tmp_path: Path) -> None:
    check_subject(name, CELL, tmp_path, batch=2)


@pytest.mark.slow
@no_tflite
def test_inputs_of_different_shapes_keep_their_order(tmp_path: Path) -> None:
    check_subject("tflite", make_op("concat", (2, 4, 5), (3, 4, 5), (1, 4, 5)), tmp_path, batch=1)


@pytest.mark.parametrize("name", EVERY)
def test_a_precision_without_an_exporter_is_named(name: str, tmp_path: Path) -> None:
    quantized = make_op("conv", (3, 12, 12), out_channels=8, precision="bf16")
    network = Network((make_op("conv", (3, 12, 12), out_channels=3), quantized))
    expected = rf"a precision that {name} exports \(fp32.*\), but found conv .* bf16 in bf16"
    for workload in (quantized, network):
        with pytest.raises(ExportError, match=expected):
            export_subject(get_runtime(name), workload, tmp_path / "model.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_check_against_another_shape_says_so(tmp_path: Path) -> None:
    artifact = export_module(get_runtime("torch"), nn.Flatten(), (2, 2, 2), tmp_path / "a.pt")
    with pytest.raises(ExportError, match=r"a\.pt: expected an output of \(1, 2, 2, 2\), but found \(1, 8\)"):
        check_export(artifact, nn.Identity(), (2, 2, 2))


@pytest.mark.parametrize("name", [*EVERY, "torch_cuda"])
def test_a_runtime_says_what_it_is(name: str) -> None:
    runtime = get_runtime(name)
    assert isinstance(runtime, Runtime)
    assert runtime.name == name
    assert runtime.suffix.startswith(".")
    assert runtime.wheels
    assert any(character.isdigit() for character in runtime.exporter)
    assert "+" not in runtime.exporter


def test_the_runtimes_are_those_a_target_may_name() -> None:
    for name in [runtime.name for runtime in list_runtimes()]:
        get_runtime(name)
    with pytest.raises(UsageError, match="unknown runtime 'tensorrt'; known runtimes: onnxruntime, tflite, torch, "):
        get_runtime("tensorrt")
