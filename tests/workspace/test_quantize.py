"""`latkit quantize` from measurements to files on this machine, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latkit.errors import TargetOutOfReach, UsageError
from latkit.nn import build_module
from latkit.ops import Network, make_op
from latkit.search import TrainedNetwork, load_data
from latkit.search.data import DataSplit
from latkit.search.quantization.records import QuantizeSettings
from latkit.targets import Target
from latkit.workspace import Workspace
from latkit.workspace.requests.quantize import QuantizeRequest

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
    first = request(target=Target(name, "onnxruntime"), size_mb=0.0009)
    run = workspace.quantize(first, trained=trained(digits), data=digits)
    result = run.result
    assert set(result.variants) == {"fp32", "int8", "exact", "haq"}
    assert len(result.layers) == 3
    assert result.variants[result.winner].size_mb <= 0.0009
    assert all((run.folder / one.file).is_file() for one in result.variants.values())
    assert workspace.quantize(first, trained=trained(digits), data=digits).result == result
    with pytest.raises(UsageError, match="give another --name"):
        workspace.quantize(request(target=first.target, size_mb=0.001), trained=trained(digits), data=digits)
    with pytest.raises(TargetOutOfReach, match="the least that its precisions allow"):
        workspace.quantize(
            request(target=first.target, size_mb=1e-6, name="small"), trained=trained(digits), data=digits
        )


def test_images_of_another_shape_and_two_bounds_are_refused(tmp_path: Path, digits: DataSplit) -> None:
    other = load_data("digits", 12, 1)
    with pytest.raises(UsageError, match=r"expected images of shape \(1, 8, 8\).*found \(1, 12, 12\)"):
        Workspace.init(tmp_path).quantize(request(), trained=trained(digits), data=other)
    with pytest.raises(UsageError, match="expected either a latency or a size"):
        request(latency_ms=1.0)
