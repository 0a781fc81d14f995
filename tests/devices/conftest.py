"""Fixtures of the devices' tests: small ONNX files, and devices that need no probe."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.devices import Core, Device, Facts, Local, Ssh
from latkit.runtimes.artifact import Artifact

MakeModel = Callable[..., Artifact]


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Makes an ONNX file that multiplies by a square matrix a number of times."""

    def make(size: int = 16, layers: int = 1, batch: int | str = 1) -> Artifact:
        generator = np.random.default_rng(size + layers)
        weights = [generator.standard_normal((size, size)).astype(np.float32) / size for _ in range(layers)]
        names = ["input", *(f"hidden{index}" for index in range(layers))]
        nodes = [helper.make_node("MatMul", [names[i], f"weight{i}"], [names[i + 1]]) for i in range(layers)]
        graph = helper.make_graph(
            nodes,
            "chain",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, size])],
            [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, [batch, size])],
            [numpy_helper.from_array(weight, f"weight{index}") for index, weight in enumerate(weights)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / f"chain-{size}-{layers}-{batch}.onnx"
        onnx.save(model, path)
        return Artifact(path, hashlib.sha256(path.read_bytes()).hexdigest(), "onnxruntime", "tests 1", 17)

    return make


@pytest.fixture
def make_hungry(tmp_path: Path) -> MakeModel:
    """Makes an ONNX file of a few bytes whose output takes 8 GB."""

    def make() -> Artifact:
        sides = numpy_helper.from_array(np.array([40_000, 50_000], np.int64), "sides")
        weight = numpy_helper.from_array(np.ones((16, 1), np.float32), "weight")
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["input", "weight"], ["one"]),
                helper.make_node("Expand", ["one", "sides"], ["output"]),
            ],
            "hungry",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 16])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [40_000, 50_000])],
            [weight, sides],
        )
        path = tmp_path / "hungry.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return Artifact(path, hashlib.sha256(path.read_bytes()).hexdigest(), "onnxruntime", "tests 1", 17)

    return make


FACTS = Facts(
    model="A board",
    architecture="aarch64",
    instruction_set=["asimd", "fp"],
    cores=[Core(index=0, min_khz=600_000, max_khz=1_800_000, capacity=1024), Core(index=1)],
    memory_bytes=4 * 2**30,
    os="An OS",
    kernel="6.1",
    governor="ondemand",
)


@pytest.fixture
def board() -> Device:
    """A device that is only a record."""
    return Device(
        name="board",
        added_at="2026-01-01T00:00:00+00:00",
        python="/usr/bin/python3",
        folder="/home/pi/.cache/latkit",
        runtimes={"tflite": "ai-edge-litert 2.3.0"},
        transport=Ssh(host="board", user="pi", port=2222),
        facts=FACTS,
    )


@pytest.fixture(params=["local", "ssh"])
def here(request: pytest.FixtureRequest, tmp_path: Path, board: Device) -> Device:
    """This machine as a device with onnxruntime, by either transport. Written by hand: that saves a probe."""
    address: Local | Ssh = Local()
    if request.param == "ssh":
        address = Ssh(host="board", config=str(request.getfixturevalue("sshd").config))
    return this_machine(board, tmp_path, address)


def this_machine(board: Device, tmp_path: Path, address: Local | Ssh) -> Device:
    """This machine as a device, at that address."""
    cores = [Core(index=index) for index in range(os.cpu_count() or 1)]
    return board.model_copy(
        update={
            "transport": address,
            "python": sys.executable,
            "folder": str(tmp_path / "agent"),
            "runtimes": {"onnxruntime": "onnxruntime"},
            "facts": FACTS.model_copy(update={"cores": cores}),
        }
    )
