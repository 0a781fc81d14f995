import pytest

from latkit.devices import Local, PrecisionProbe, add_device
from latkit.errors import ExportError, UsageError
from latkit.ops import make_op
from latkit.profiling import precision_probes
from latkit.progress import SILENT
from latkit.spaces import ChainSpace, Layer
from latkit.targets import Target
from latkit.timing import Round
from latkit.workspace import Workspace
from latkit.workspace.requests import CollectRequest, FitRequest, ValidateRequest

SHAPE = (8, 6, 6)
CONVS = tuple(make_op("conv", SHAPE, out_channels=8, kernel=kernel) for kernel in (1, 3))
SPACE = ChainSpace(
    "pair",
    (
        Layer("first", CONVS),
        Layer("second", (*CONVS, make_op("skip", SHAPE))),
        Layer("third", CONVS),
        Layer("pool", (make_op("pool", SHAPE),)),
    ),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, python_without_torch):
    workspace = Workspace.init(tmp_path_factory.mktemp("workspace"))
    add_device(workspace.devices_dir, "here", Local(), python=python_without_torch)
    return workspace


@pytest.mark.device
@pytest.mark.parametrize("name", ["onnxruntime-int8", "onnxruntime", "tflite-int8"])
def test_a_space_is_collected_fitted_and_validated_in_int8_and_mixed(workspace, name):
    target = Target.parse(f"here/{name}")
    precisions = ("fp32", "int8") if target.precision == "fp32" else ("fp32",)
    from latkit.spaces.precisions import with_precisions

    space = with_precisions(SPACE, precisions)
    if target.runtime == "tflite":  # whose probes take seconds to export
        known = {"tflite": {"int8": PrecisionProbe(speedup=3.0)}}
        workspace.device("here").model_copy(update={"precisions": known}).write(workspace.devices_dir, replace=True)
    quick = {"rounds": 1, "round_s": 0.001, "extra_rounds": 0, "wait_s": 300}
    (outcome,) = workspace.collect(CollectRequest(targets=(target,), space=space, networks=2, **quick), SILENT)
    assert outcome.summary is not None
    assert not outcome.summary.failed
    device = workspace.device("here")
    assert device.precisions[target.runtime]["int8"].speedup > 0
    assert "int8" in device.shown_precisions(target.runtime)
    models = workspace.fit(FitRequest(target=target, space=space)).models
    pairs = {(link.producer, link.consumer) for link in models["lookup"].pairs_.measured}
    assert pairs == {(before, after) for before in precisions for after in precisions}
    request = ValidateRequest(target=target, space=space, networks=2, **quick)
    assert workspace.validate(request, SILENT).networks == 2
    loaded = workspace.model(target, "lookup", space)
    network = space.decode([0] * len(space.choices))
    assert loaded.predict(network).seconds == models["lookup"].predict(network).seconds
    assert sum(loaded.network_seconds(network)) + loaded.base_seconds() == pytest.approx(
        loaded.predict(network).seconds
    )


@pytest.mark.device
def test_a_precision_that_is_not_executed_is_refused_with_those_that_are(workspace):
    device = workspace.device("here")
    executed = {"fp32": PrecisionProbe(speedup=1.0), "int8": PrecisionProbe(speedup=2.0)}
    probes = {**executed, "fp16": PrecisionProbe(reason="no kernel")}
    device.model_copy(update={"precisions": {"onnxruntime": probes}}).write(workspace.devices_dir, replace=True)
    request = CollectRequest(targets=("here/onnxruntime-fp16",), space=SPACE, wait_s=300)
    expected = r"here executes with onnxruntime \(fp32, int8 2x\), but found fp16 \(no kernel\)"
    with pytest.raises(UsageError, match=expected):
        workspace.collect(request, SILENT)


def test_a_precision_that_cannot_be_exported_is_probed_as_not_executed():
    class Session:
        def environment(self, artifact, reference):
            raise AssertionError

        def measure_round(self, artifact, reference, plan):
            ns = (1000,) if artifact == "int8" else (3000,)
            return Round(0.0, ns, (0,), (0,), ns, (0,))

    def export(workload):
        if workload.precision == "fp16":
            raise ExportError("no exporter")
        return workload.precision

    found = precision_probes.probe_precisions(Session(), export, Target("here", "onnxruntime"))
    assert found["int8"] == PrecisionProbe(speedup=3.0)
    assert found["fp16"] == PrecisionProbe(reason="no exporter")
