"""An external network, collected and predicted on this machine."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import torch

from latkit.graphs import Graph, GraphBuilder
from latkit.latency_models.kernels.fusion_file import FusionFile
from latkit.runtimes.onnx.graph import model_of_graph
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.cli.conftest import call

TARGET = "here/onnxruntime"

QUICK = ["--rounds", "2", "--round-seconds", "0.005", "--extra-rounds", "0"]


def external_graph(size: int = 8, last: str = "relu") -> Graph:
    b = GraphBuilder()
    x = b.activation("relu", b.conv(b.input(1, 3, size, size), 16, 3))
    x = b.binary("Add", b.activation("relu", b.conv(x, 16, 3)), x)
    x = b.activation(last, b.conv(b.activation("relu", b.conv(x, 16)), 16))
    return b.graph([b.linear(b.reshape(b.global_pool(x), 1, 16), 10)], "foreign")


@pytest.fixture(scope="module")
def measured_workspace(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the workspace in which an external network's kernels were measured and a model fitted."""
    root = tmp_path_factory.mktemp("foreign") / "workspace"
    shutil.copytree(folder, root)
    onnx.save(model_of_graph(external_graph(), 0), root / "net.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATKIT_CACHE", str(root / "cache"))
        call("-C", root, "collect", "model", TARGET, root / "net.onnx", *QUICK)
        call("-C", root, "fit", TARGET)
        yield root


def test_predict_gives_an_interval_and_a_row_per_kernel(measured_workspace: Path, document) -> None:
    found = document("-C", measured_workspace, "predict", TARGET, measured_workspace / "net.onnx")
    assert found["network"] == "net"
    assert found["macs"] == external_graph().macs
    assert 0 < found["low_ms"] <= found["latency_ms"] <= found["high_ms"]
    assert {row["known"] for row in found["kernels"]} == {"measured"}
    assert {name for row in found["kernels"] for name in row["kernel"].split("+")} >= {"conv", "reduce", "linear"}
    assert sum(row["share_percent"] for row in found["kernels"]) <= 100
    assert all(row["adds_ms"] > 0 and row["bytes"] > 0 for row in found["kernels"])


def test_a_model_is_fitted_where_it_is_missing(measured_workspace: Path, document) -> None:
    path = Workspace(measured_workspace).kernel_model_path(Target.parse(TARGET))
    before = document("-C", measured_workspace, "predict", TARGET, measured_workspace / "net.onnx")
    path.unlink()
    found = document("-C", measured_workspace, "predict", TARGET, measured_workspace / "net.onnx")
    assert path.exists()
    assert found["kernels"] == before["kernels"]


def test_the_shape_that_was_predicted_is_shown(measured_workspace: Path, document, latkit) -> None:
    found = document("-C", measured_workspace, "predict", TARGET, measured_workspace / "net.onnx")
    assert list(found["inputs"].values()) == [[1, 3, 8, 8]]
    assert found["few_measured"] == []
    code, out, _ = latkit("-C", measured_workspace, "predict", TARGET, measured_workspace / "net.onnx")
    assert code == 0
    assert "=1x3x8x8" in out


def open_batch(path: Path) -> Path:
    """The same network with an open batch, as far as it can be distinguished."""
    b = GraphBuilder()
    graph = b.graph([b.activation("relu", b.conv(b.input(1, 3, 8, 8), 16, 3))])
    model = model_of_graph(graph, 0)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, path)
    return path


def test_the_measured_latency_comes_before_the_prediction(measured_workspace: Path, document, latkit) -> None:
    net = measured_workspace / "net.onnx"
    found = document("-C", measured_workspace, "predict", TARGET, net)
    assert found["measured"]["as"] == "workload"
    assert found["measured"]["latency_ms"] > 0
    names = list(found)
    assert names.index("measured") < names.index("latency_ms")
    nodes = [name for row in found["kernels"] for name in row["nodes"]]
    in_file = {node.name or node.output[0] for node in onnx.load(net).graph.node}
    assert set(nodes) <= in_file
    assert len(nodes) == len(set(nodes)) >= len(found["kernels"])
    assert found["kernels"][-1]["output"] == "1x10"
    code, out, _ = latkit("-C", measured_workspace, "predict", TARGET, net)
    assert code == 0
    assert out.index("measured as a workload on") < out.index("predicted: ")

    call("-C", measured_workspace, "profile", TARGET, net, *QUICK[:4], "--no-ops")
    assert document("-C", measured_workspace, "predict", TARGET, net)["measured"]["as"] == "profile"


def test_a_profile_stands_where_a_file_cannot_be_predicted(measured_workspace: Path, latkit, document) -> None:
    path = measured_workspace / "branch.onnx"
    shape = ("x", onnx.TensorProto.FLOAT, [1, 4])
    branches = {
        name: onnx.helper.make_graph(
            [onnx.helper.make_node(op, ["x"], [name])],
            name,
            [],
            [onnx.helper.make_tensor_value_info(name, *shape[1:])],
        )
        for name, op in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    yes = onnx.helper.make_tensor_value_info("yes", onnx.TensorProto.BOOL, [])
    node = onnx.helper.make_node("If", ["yes"], ["y"], **branches)
    y = onnx.helper.make_tensor_value_info("y", *shape[1:])
    graph = onnx.helper.make_graph([node], "branch", [onnx.helper.make_tensor_value_info(*shape), yes], [y])
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    code, _, err = latkit("-C", measured_workspace, "predict", TARGET, path)
    assert code == 2
    assert "expected a network without branches and loops" in err
    call("-C", measured_workspace, "profile", TARGET, path, *QUICK[:4], "--no-ops")
    found = document("-C", measured_workspace, "predict", TARGET, path)
    assert (found["measured"]["as"], found["latency_ms"], found["kernels"]) == ("profile", None, [])
    code, out, err = latkit("-C", measured_workspace, "predict", TARGET, path)
    assert code == 0
    assert out.startswith("measured as a profile on")
    assert "not predicted: " in err


def test_collecting_a_model_shows_its_measured_latency_before_the_prediction(
    measured_workspace: Path, document, latkit
) -> None:
    command = ["-C", measured_workspace, "collect", "model", TARGET, measured_workspace / "net.onnx", *QUICK]
    found = document(*command)
    (model,) = found["models"]
    assert model["model"] == "net.onnx"
    assert found["measured"]["latency_ms"] == model["measured"]["latency_ms"] > 0
    assert list(model).index("measured") < list(model).index("latency_ms")
    assert model["kernels"] == document("-C", measured_workspace, "predict", TARGET, command[5])["kernels"]
    code, out, _ = latkit(*command)
    assert code == 0
    assert out.index("net.onnx: measured as a ") < out.index("net.onnx: predicted: ") < out.index("kernels")


def test_external_models_have_their_place_in_the_report(measured_workspace: Path, latkit, tmp_path: Path) -> None:
    code, _, err = latkit("-C", measured_workspace, "report", TARGET, "-o", tmp_path / "page.html")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    part = page[page.index("External models") :]
    assert part.index(">measured<") < part.index(">predicted<") < part.index("net.onnx")
    names = {node.name or node.output[0] for node in onnx.load(measured_workspace / "net.onnx").graph.node}
    assert any(name in part for name in names)
    assert "1×10" in part


def test_several_models_are_collected_and_an_old_flag_has_a_hint(measured_workspace: Path, latkit) -> None:
    open_batch(measured_workspace / "open.onnx")
    command = ["-C", measured_workspace, "collect", "model", TARGET, "--onnx", measured_workspace / "net.onnx"]
    code, out, err = latkit(*command, measured_workspace / "open.onnx", *QUICK, "--json")
    assert code == 0, err
    assert "hint: --onnx MODEL is now MODEL" in err
    assert [model["model"] for model in json.loads(out)["models"]] == ["net.onnx", "open.onnx"]


def test_a_network_that_was_not_measured_has_a_prediction_alone(measured_workspace: Path, document, tmp_path) -> None:
    onnx.save(model_of_graph(external_graph(12), 0), tmp_path / "larger.onnx")
    assert "measured" not in document("-C", measured_workspace, "predict", TARGET, tmp_path / "larger.onnx")


def test_an_open_batch_is_the_targets(measured_workspace: Path, document, latkit) -> None:
    path, target = open_batch(measured_workspace / "open.onnx"), f"{TARGET}-b4"
    document("-C", measured_workspace, "collect", "model", target, path, *QUICK)
    latkit("-C", measured_workspace, "fit", target)
    found = document("-C", measured_workspace, "predict", target, path)
    assert list(found["inputs"].values()) == [[4, 3, 8, 8]]
    assert {row["known"] for row in found["kernels"]} == {"measured"}
    code, out, err = latkit("-C", measured_workspace, "predict", target, measured_workspace / "net.onnx")
    assert (code, out) == (2, "")
    assert "expected an input of the target's batch, 4, but found" in err


def test_a_batch_size_other_than_the_targets_is_reported(measured_workspace: Path, latkit) -> None:
    path = open_batch(measured_workspace / "open.onnx")
    code, _, err = latkit("-C", measured_workspace, "predict", TARGET, path, "--shape", "v0=2,3,8,8")
    assert code == 0
    assert "takes v0=2x3x8x8: no batch of 1" in err


@pytest.mark.parametrize("what", [["kernels", "--count", "30"], ["model", "net.onnx"]])
def test_a_runtime_that_takes_no_graphs_says_so_once(what: list[str], measured_workspace: Path, latkit) -> None:
    code, out, err = latkit("-C", measured_workspace, "collect", what[0], "here/torch", *what[1:])
    assert (code, out) == (2, "")
    expected = "expected a target whose runtime takes external networks (onnxruntime, tflite), but found here/torch"
    assert expected in err
    assert len(err.strip().splitlines()) == 1


def test_a_file_of_another_runtimes_format_names_the_runtimes_that_take_it(measured_workspace: Path, latkit) -> None:
    for command in (["predict", "here/tflite", "net.onnx"], ["collect", "model", "here/tflite", "net.onnx"]):
        code, out, err = latkit("-C", measured_workspace, *command[:-1], measured_workspace / command[-1])
        assert (code, out) == (2, "")
        assert "expected a target whose runtime loads ONNX files (here/onnxruntime) for net.onnx" in err
        assert len(err.strip().splitlines()) == 1


def test_a_broken_file_leaves_stdout_clean(measured_workspace: Path, latkit) -> None:
    model = model_of_graph(external_graph(), 0)
    model.graph.node[0].op_type = "Nonsense"
    onnx.save(model, measured_workspace / "broken.onnx")
    code, out, err = latkit("-C", measured_workspace, "predict", TARGET, measured_workspace / "broken.onnx", "--json")
    assert (code, out) == (2, "")
    assert "expected a network that onnxruntime can read, but found Nonsense" in err
    assert "[ONNXRuntimeError]" not in err


def test_other_shapes_are_predicted_and_marked(measured_workspace: Path, document, latkit) -> None:
    onnx.save(model_of_graph(external_graph(32), 0), measured_workspace / "large.onnx")
    found = document("-C", measured_workspace, "predict", TARGET, measured_workspace / "large.onnx")
    assert {row["known"] for row in found["kernels"]} > {"extrapolated"}
    code, out, _ = latkit("-C", measured_workspace, "predict", TARGET, measured_workspace / "large.onnx")
    assert code == 0
    assert "90 % interval" in out


def test_a_kind_never_measured_is_named_with_the_command(measured_workspace: Path, latkit) -> None:
    b = GraphBuilder()
    onnx.save(
        model_of_graph(b.graph([b.softmax(b.conv(b.input(1, 3, 8, 8), 16, 3))]), 0), measured_workspace / "odd.onnx"
    )
    code, out, err = latkit("-C", measured_workspace, "predict", TARGET, measured_workspace / "odd.onnx")
    assert (code, out) == (1, "")
    assert "no kernel 'softmax' was measured yet" in err
    assert f"latkit collect model {TARGET}-t1-fp32-b1 MODEL.onnx" in err


def test_a_torch_module_is_predicted_by_the_same_model(measured_workspace: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU())
    predicted = Workspace(measured_workspace).predict_module(Target.parse(TARGET), module, torch.randn(1, 3, 8, 8))
    assert sum(row.macs for row in predicted.kernels) == 16 * 64 * 27
    assert predicted.low_s <= predicted.seconds <= predicted.high_s


def test_fitted_models_are_saved_with_the_target(measured_workspace: Path, document) -> None:
    workspace, target = Workspace(measured_workspace), Target.parse(TARGET)
    fusion = FusionFile.load(workspace.fusion_path(target))
    assert fusion.runtime.startswith("onnxruntime ")
    assert fusion.decided["conv", "relu"], "as onnxruntime reports it"
    again = document("-C", measured_workspace, "collect", "model", TARGET, measured_workspace / "net.onnx", *QUICK)
    assert (again["visits"], again["failed"], again["finished"]) == (0, {}, True)
    kinds = {row["model"] for row in document("-C", measured_workspace, "fit", TARGET)["models"]}
    assert kinds >= {"lookup", "kernels"}


def test_a_target_without_kernels_says_how_to_measure_some(folder: Path, tmp_path: Path, latkit) -> None:
    onnx.save(model_of_graph(external_graph(), 0), tmp_path / "net.onnx")
    code, out, err = latkit("-C", folder, "predict", TARGET, tmp_path / "net.onnx")
    assert (code, out) == (1, "")
    assert "latkit collect kernels" in err


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["model", TARGET], "no model file"),
        (["kernels", TARGET, "--space", "proxyless-tiny"], "--space"),
        (["model", TARGET, "net.onnx", "--shape", "input"], "a shape such as input=1,3,224,224"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], phrase: str, folder: Path, latkit) -> None:
    code, out, err = latkit("-C", folder, "collect", *arguments)
    assert (code, out) == (2, "")
    assert phrase in err
