"""The simulation computes what a quantized file does, and lets gradients through."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latkit.artifacts.quantized import calibration_batches, export_quantized, precisions_of
from latkit.artifacts.weights import for_inference, seeded_module
from latkit.errors import UsageError
from latkit.ops import Network, make_op
from latkit.runtimes import get_runtime
from latkit.runtimes.quantization import Quantization
from latkit.search.quantization.simulation import SimulatedNetwork

SHAPE = (3, 12, 12)
NETWORK = Network(
    (
        make_op("conv", SHAPE, out_channels=8, kernel=3),
        make_op("mbconv", (8, 12, 12), out_channels=8, expansion=2),
        make_op("pool", (8, 12, 12)),
        make_op("linear", (8,), out_features=5),
    ),
    "small",
)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(16, *SHAPE, generator=torch.Generator().manual_seed(1))


def test_the_file_of_a_policy_computes_what_was_simulated(images: torch.Tensor, tmp_path: Path) -> None:
    module = seeded_module(NETWORK)
    simulated = SimulatedNetwork(NETWORK, module)
    simulated.calibrate(images)
    names = ("int8", "int8", "fp32", "int8")
    simulated.set_policy(names)
    policy = Network(tuple(op.in_precision(name) for op, name in zip(NETWORK.ops, names, strict=True)))
    plan = Quantization(precisions_of(policy), calibration_batches(images))
    file = export_quantized(get_runtime("onnxruntime"), simulated.plain(), SHAPE, plan, tmp_path / "q.onnx")
    run = get_runtime("onnxruntime").load(file.path)
    found = torch.cat([run(one[None]) for one in images])
    with torch.no_grad():
        expected, exact = simulated(images), for_inference(module)(images)
    assert (found - expected).norm() < 0.3 * (found - exact).norm()


def test_precisions_can_be_switched_off_and_trained_through(images: torch.Tensor) -> None:
    module = seeded_module(NETWORK)
    simulated = SimulatedNetwork(NETWORK, module)
    simulated.calibrate(images)
    exact = for_inference(module)(images)
    for name in ("int8", "int8-dynamic", "fp16", "fp32"):
        simulated.set_policy([name] * 4)
        difference = float((simulated(images) - exact).detach().norm() / exact.norm())
        assert (difference < 1e-5) if name == "fp32" else (0 < difference < 0.1)
    simulated.set_policy(["int8"] * 4)
    simulated(images).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in simulated.parameters())


def test_calibration_images_of_another_shape_are_refused() -> None:
    simulated = SimulatedNetwork(NETWORK, seeded_module(NETWORK))
    with pytest.raises(UsageError, match=r"calibration images of shape \(N, 3, 12, 12\), but found \(4, 1, 12, 12\)"):
        simulated.calibrate(torch.zeros(4, 1, 12, 12))
