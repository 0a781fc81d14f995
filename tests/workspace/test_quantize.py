"""`latkit quantize` from measurements to files on this machine, and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from latkit.errors import TargetOutOfReach, UsageError
from latkit.nn import build_module
from latkit.ops import Network, make_op
from latkit.progress import Silent
from latkit.report.write import page_about
from latkit.search import TrainedNetwork, load_data
from latkit.search.data import DataSplit
from latkit.search.quantization.evaluator import JudgedImages
from latkit.search.quantization.finetune import Finetuning, finetune
from latkit.search.quantization.folder import begin
from latkit.search.quantization.problem import PolicyProblem
from latkit.search.quantization.records import QUANTIZED_FILE, QuantizeInputs, QuantizeResult, QuantizeSettings
from latkit.search.quantization.run import Quantizer
from latkit.search.quantization.simulation import SimulatedNetwork
from latkit.search.quantization.user_network import network_of_file, network_of_module
from latkit.search.records.base import load_record
from latkit.search.tasks import TASKS, Metric, Task
from latkit.search.tasks.classification import Classification
from latkit.spaces.precisions import network_precisions, uniform_policy
from latkit.targets import Target
from latkit.workspace import Workspace
from latkit.workspace.quantize import size_table
from latkit.workspace.requests.quantize import QuantizeRequest
from tests.golden.fields import check_fields
from tests.pages import run_python

CONV = make_op("conv", (1, 8, 8), out_channels=8, kernel=3)
POOL = make_op("pool", CONV.output_shape)
NETWORK = Network((CONV, POOL, make_op("linear", (8,), out_features=10)), "tiny")
SETTINGS = QuantizeSettings(calibration_images=16, judged_images=64, episodes=3, epochs=0, test_images=20)


@pytest.fixture(scope="module")
def digits() -> DataSplit:
    return load_data("digits", 8, 1)


def trained(data: DataSplit) -> TrainedNetwork:
    torch.manual_seed(0)
    return TrainedNetwork(NETWORK, build_module(NETWORK).state_dict(), data.mean, data.std, data.class_names)


def request(**changes: object) -> QuantizeRequest:
    quick = {"rounds": 1, "round_s": 0.005, "extra_rounds": 0, "networks": 2, "settings": SETTINGS}
    return QuantizeRequest(**{"target": "here/onnxruntime", "model": "tiny", "size_mb": 1.0, **quick, **changes})


def test_a_policy_is_chosen_exported_and_measured_once(tmp_path: Path, register, digits: DataSplit) -> None:  # type: ignore[no-untyped-def]
    workspace = Workspace.init(tmp_path)
    register(workspace.devices_dir, tmp_path / "agent")
    name = next(workspace.devices_dir.glob("*.toml")).stem
    settings = SETTINGS.model_copy(update={"epochs": 1})
    first = request(target=Target(name, "onnxruntime"), size_mb=0.0009, settings=settings)
    given = {"first": first, "module": torch.nn.Sequential(*trained(digits).layers)}
    replaced = {
        'Workspace(".")': f"Workspace({str(tmp_path)!r})",
        '"cifar10", 32, 3': '"digits", 8, 1',
        'QuantizeRequest(target="pi4/tflite-t4", model="mine", size_mb=0.5)': "first",
    }
    run = run_python("howto/quantize.md", given, replaced)["run"]
    check_fields(["quantize"], run.document())
    result = run.result
    assert set(result.variants) == {"fp32", "int8", "exact", "haq", "fastest"}
    assert len(result.layers) == 3
    assert result.variants[result.winner].size_mb <= 0.0009
    assert all((run.folder / one.file).is_file() for one in result.variants.values())
    files = {(run.folder / one.file).read_bytes() for one in result.variants.values()}
    trainings = list(run.folder.glob("training-*.pt"))
    assert len(trainings) == len(files) - 1  # equal policies are trained once, and fp32 not at all
    again = network_of_module(given["module"], digits)  # type: ignore[arg-type]
    assert workspace.quantize(first, trained=again, data=digits).result == result
    with pytest.raises(UsageError, match="give another --name"):
        workspace.quantize(request(target=first.target, size_mb=0.001), trained=trained(digits), data=digits)
    with pytest.raises(TargetOutOfReach, match="the least that its precisions allow"):
        workspace.quantize(
            request(target=first.target, size_mb=1e-6, name="small"), trained=trained(digits), data=digits
        )


def test_equal_policies_are_decided_by_their_cost(digits: DataSplit) -> None:
    space = network_precisions(NETWORK, ("fp32", "int8"))
    table = size_table(space)
    given = PolicyProblem(space, table, table.max())
    quantizer = Quantizer(trained(digits), digits, SETTINGS, Silent())
    policies = {name: uniform_policy(space, name) for name in ("fp32", "int8")}
    assert quantizer.winner(given, policies, {"fp32": 0.9, "int8": 0.896}) == "int8"
    assert quantizer.winner(given, policies, {"fp32": 0.9, "int8": 0.89}) == "fp32"


@pytest.fixture
def loss_of_rank(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task whose metric is the mean rank of the label among the scores, 0 to 9: less is better."""

    class MeanRank(Metric):
        name, title, larger_is_better, scale, unit, highest, shape = "mean_rank", "mean rank", False, 1.0, "", 9.0, (1,)

        def counts(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            own = outputs.gather(1, targets[:, None])
            return (outputs > own).sum().reshape(1)

        def value(self, counts: torch.Tensor, images: int) -> float:
            return float(counts.sum()) / images

    class Ranked(Classification):
        name, metric = "ranked", MeanRank()

    monkeypatch.setitem(TASKS._loaded, "ranked", Ranked())
    return TASKS.get("ranked")


def test_a_network_of_another_task_is_judged_by_its_metric(
    tmp_path: Path, register, digits: DataSplit, loss_of_rank: Task
) -> None:  # type: ignore[no-untyped-def]
    workspace = Workspace.init(tmp_path)
    register(workspace.devices_dir, tmp_path / "agent")
    target = Target(next(workspace.devices_dir.glob("*.toml")).stem, "onnxruntime")
    state = build_module(NETWORK).state_dict()
    network = TrainedNetwork(NETWORK, state, digits.mean, digits.std, digits.class_names, loss_of_rank.name)
    run = workspace.quantize(request(target=target), trained=network, data=digits)
    assert load_record(QuantizeResult, run.folder / QUANTIZED_FILE) == run.result
    variants = run.document()["variants"]
    assert all(0 < one["mean_rank"] <= 9 and one["simulated_mean_rank"] for one in variants.values())
    judged = run.document()["judged_mean_rank"]
    assert judged[run.result.winner] <= min(judged.values()) + SETTINGS.tolerance, "less is better"
    assert "mean rank of the file" in page_about(workspace, "tiny-quantized", tmp_path)
    settings = QuantizeSettings(task="classification")
    with pytest.raises(UsageError, match="expected the task ranked, that tiny was trained for"):
        workspace.quantize(request(target=target, settings=settings, name="x"), trained=network, data=digits)


def test_training_goes_on_from_its_checkpoint(tmp_path: Path, digits: DataSplit) -> None:
    settings, path = SETTINGS.model_copy(update={"epochs": 1}), tmp_path / "training.pt"
    network = trained(digits)

    def train() -> dict[str, torch.Tensor]:
        simulated = SimulatedNetwork(NETWORK, network.layers)
        simulated.calibrate(JudgedImages.of(digits, 16, 16).calibration)
        finetune(simulated, digits, network, Finetuning(settings, path, Silent()))
        return simulated.state_dict()

    first, written = train(), path.stat().st_mtime_ns
    second = train()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert path.stat().st_mtime_ns == written  # nothing was trained again


def test_a_bound_on_energy_and_another_task_are_refused(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path)
    with pytest.raises(UsageError, match="whose ops have a measured energy, but here/onnxruntime"):
        workspace.quantize(request(size_mb=None, energy_mj=1.0))


def test_a_users_module_is_read_and_its_file_needs_data(tmp_path: Path, digits: DataSplit) -> None:
    given = trained(digits)
    module = torch.nn.Sequential(*given.layers)
    found = network_of_module(module, digits, "mine")
    images = digits.test.fetch(torch.arange(4))
    torch.testing.assert_close(found(images), given(images), atol=1e-4, rtol=1e-4)
    with pytest.raises(UsageError, match=r"expected --data, the images that lenet\.onnx was trained on"):
        Workspace.init(tmp_path).quantize(request(model="lenet.onnx"))


def test_images_of_another_shape_and_two_bounds_are_refused(tmp_path: Path, digits: DataSplit) -> None:
    other = load_data("digits", 12, 1)
    with pytest.raises(UsageError, match=r"expected images of shape \(1, 8, 8\).*found \(1, 12, 12\)"):
        Workspace.init(tmp_path).quantize(request(), trained=trained(digits), data=other)
    with pytest.raises(UsageError, match="expected either a latency or a size"):
        request(latency_ms=1.0)


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"an ONNX file of a chain, but found shoes\.tflite"):
        request(model="shoes.tflite")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "weights_sha256"),
        ({"latency_ms": 0.001, "size_mb": None}, "quantity"),
        ({"precisions": ("fp32", "int8-dynamic")}, "precisions"),
        ({"size_mb": 0.002}, "bound"),
    ],
)
def test_a_folder_of_other_weights_or_another_request_is_refused(
    tmp_path: Path, digits: DataSplit, changes: dict[str, object], field: str
) -> None:
    workspace = Workspace.init(tmp_path)
    inputs = QuantizeInputs(
        target="here/onnxruntime-t1-fp32-b1",
        network_key=NETWORK.key,
        weights_sha256=trained(digits).facts.weights_sha256 if changes else "0" * 64,
        data_sha256=digits.sha256,
        precisions=("fp32", "int8"),
        quantity="size_mb",
        bound=0.001,
        settings=SETTINGS,
    )
    begin(workspace.search_dir("tiny-quantized"), inputs)
    with pytest.raises(UsageError, match=f"expected {field} to be .* give another --name"):
        workspace.quantize(request(**{"size_mb": 0.001, **changes}), trained=trained(digits), data=digits)


def test_the_folder_of_a_search_is_not_written_into(tmp_path: Path, digits: DataSplit) -> None:
    workspace = Workspace.init(tmp_path)
    folder = workspace.search_dir("first")
    folder.mkdir()
    (folder / "recipe.json").write_text("{}")
    with pytest.raises(UsageError, match=r"first holds a search; give another --name"):
        workspace.quantize(request(name="first"), trained=trained(digits), data=digits)


def test_an_infinite_bound_is_refused() -> None:
    with pytest.raises(UsageError, match="finite"):
        request(size_mb=float("inf"))


@pytest.mark.parametrize(
    ("axes", "weight", "message"),
    [
        ([1, 2], "weight", "outputs differ by up to"),  # a mean of rows, not of the image
        ([2, 3], "computed", r"node 'scores' \(Gemm\): expected weights in the file"),
    ],
)
def test_a_file_that_the_ops_do_not_repeat_is_refused(
    tmp_path: Path, digits: DataSplit, axes: list[int], weight: str, message: str
) -> None:
    nodes = [
        *([helper.make_node("Neg", ["weight"], ["computed"])] if weight == "computed" else []),
        helper.make_node("ReduceMean", ["images"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Gemm", ["means", weight], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 8, 8, 8))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 10))],
        [numpy_helper.from_array(np.eye(10, 8, dtype=np.float32), "weight")],
    )
    path = tmp_path / "means.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]), path)
    images = dataclasses.replace(digits, channels=8, mean=(0.5,) * 8, std=(0.5,) * 8)
    with pytest.raises(UsageError, match=message):
        network_of_file(path, images)
