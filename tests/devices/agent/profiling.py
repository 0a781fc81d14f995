"""What any agent must do with a model file: bind given inputs, time paced runs, and profile ops."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.artifacts.files.source import pack
from latkit.runtimes.artifact import Artifact, BoundInput
from tests.devices.agent.test_agent import Talk
from tests.devices.agent.test_native import no_litert, tflite_model

__all__ = ["tflite_model"]


def save_model(
    folder: Path, inputs: dict[str, tuple[int, list[int]]], nodes: list, outputs: dict, weights: dict
) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def put(talk: Talk, content: bytes) -> str:
    talk.models.mkdir(exist_ok=True)
    sha256 = hashlib.sha256(content).hexdigest()
    (talk.models / sha256).write_bytes(content)
    return sha256


def bindings(talk: Talk, values: dict[str, np.ndarray]) -> dict:
    packed, inputs = pack(values)
    return {"sha256": put(talk, packed), "inputs": [entry(one) for one in inputs]}


def entry(one: BoundInput) -> dict:
    return {"name": one.name, "dtype": one.dtype, "shape": list(one.shape), "offset": one.offset}


class ProfilingConformance:
    """Each kind of agent supplies the fixture `talk`: an agent started, no message sent yet."""

    @pytest.fixture
    def embedding(self, tmp_path: Path) -> Path:
        """Rows of a table by ids, where a mask is true, and a matrix product."""
        nodes = [
            helper.make_node("Gather", ["table", "ids"], ["rows"], "look"),
            helper.make_node("Where", ["mask", "rows", "none"], ["kept"], "keep"),
            helper.make_node("MatMul", ["kept", "weight"], ["output"], "multiply"),
        ]
        inputs = {"ids": (TensorProto.INT64, [1, 4]), "mask": (TensorProto.BOOL, [1, 4, 1])}
        rng = np.random.default_rng(0)
        weights = {
            "table": rng.standard_normal((10, 64)).astype(np.float32),
            "none": np.zeros((1,), np.float32),
            "weight": rng.standard_normal((64, 64)).astype(np.float32),
        }
        return save_model(tmp_path, inputs, nodes, {"output": (TensorProto.FLOAT, [1, 4, 64])}, weights)

    def load(self, talk: Talk, path: Path, values: dict[str, np.ndarray], **fields: object) -> dict:
        sha256 = put(talk, path.read_bytes())
        arguments = {"runtime": "onnxruntime", "threads": 1, "batch": 1, "bindings": bindings(talk, values), **fields}
        return talk.ask("load", sha256=sha256, **arguments)

    VALUES: ClassVar = {"ids": np.array([[1, 2, 3, 9]], np.int64), "mask": np.ones((1, 4, 1), bool)}

    def test_given_inputs_are_bound(self, talk: Talk, embedding: Path) -> None:
        loaded = self.load(talk, embedding, self.VALUES)
        assert loaded["bound_inputs"] == 2
        assert loaded["inputs"] == [
            {"name": "ids", "shape": [1, 4], "dtype": "int64"},
            {"name": "mask", "shape": [1, 4, 1], "dtype": "bool"},
        ]
        assert loaded["create_s"] > 0
        assert loaded["first_run_s"] > 0
        assert loaded["peak_memory_bytes"] > 2**20

    def test_values_are_those_given(self, talk: Talk, embedding: Path) -> None:
        """An id beyond the table fails in the runtime, so that the values have arrived there."""
        beyond = {**self.VALUES, "ids": np.array([[1, 2, 3, 10]], np.int64)}
        error = self.load(talk, embedding, beyond)["error"]
        assert error["kind"] == "bad-model"
        assert "10" in error["message"]

    @pytest.mark.parametrize(
        "change",
        [
            {"offset": 10**9},
            {"offset": -1},
            {"shape": [1, 2**30]},
            {"shape": [-1]},
            {"shape": ["4"]},
            {"dtype": "object"},
            {"name": 5},
            {"name": "others"},
        ],
    )
    def test_wrong_bindings_are_refused(self, talk: Talk, embedding: Path, change: dict) -> None:
        given = bindings(talk, self.VALUES)
        given["inputs"][0].update(change)
        sha256 = put(talk, embedding.read_bytes())
        assert talk.kind("load", sha256=sha256, runtime="onnxruntime", threads=1, bindings=given) == "bad-request"

    def test_paced_runs(self, talk: Talk, embedding: Path) -> None:
        handle = self.load(talk, embedding, self.VALUES)["handle"]
        answer = talk.ask("pace", handle=handle, interval_s=0.01, runs=5)
        assert len(answer["wall_ns"]) == len(answer["cpu_ns"]) == 5
        assert all(ns > 0 for ns in answer["wall_ns"])
        assert answer["missed"] >= 0
        assert talk.kind("pace", handle=handle, interval_s=-1, runs=5) == "bad-request"
        assert talk.kind("pace", handle=handle, interval_s=0, runs=0) == "bad-request"
        assert talk.kind("pace", handle=handle, interval_s=10**9, runs=1) == "bad-request"
        assert talk.kind("pace", handle=99, interval_s=0, runs=1) == "no-such-handle"

    def test_ops_are_profiled(self, talk: Talk, embedding: Path) -> None:
        handle = self.load(talk, embedding, self.VALUES, profile=True)["handle"]
        answer = talk.ask("profile", handle=handle, runs=7, seconds=60)
        assert answer["profiler"] == "onnxruntime"
        assert answer["exact"] is True
        assert answer["ops"] == 3
        assert 1 <= len(answer["wall_ns"]) <= 14
        ops = talk.ask("ops", handle=handle, first=0)["ops"]
        assert [op["kind"] for op in ops] == ["Gather", "Where", "MatMul"]
        assert [op["name"] for op in ops] == ["look", "keep", "multiply"]
        assert {op["placement"] for op in ops} == {"CPUExecutionProvider"}
        assert all(op["calls"] == len(answer["wall_ns"]) for op in ops)
        assert sum(op["total_ns"] for op in ops) <= sum(answer["wall_ns"])
        assert ops[2]["inputs"] == [["float", [1, 4, 64]]]  # its weights are packed: the runtime has no shape of them
        assert ops[2]["outputs"] == [["float", [1, 4, 64]]]
        assert talk.ask("ops", handle=handle, first=2)["ops"] == ops[2:]
        assert talk.ask("ops", handle=handle, first=3)["ops"] == []
        leftovers = [path.name for path in talk.models.iterdir() if len(path.name) != 64]
        assert leftovers == []

    def test_a_model_that_was_not_loaded_for_it_has_no_profile(self, talk: Talk, embedding: Path) -> None:
        handle = self.load(talk, embedding, self.VALUES)["handle"]
        assert talk.kind("profile", handle=handle, runs=1, seconds=1) == "no-profiler"
        assert talk.ask("ops", handle=handle, first=0)["ops"] == []

    def test_nothing_is_left_of_a_model_that_was_loaded_for_a_profile(self, talk: Talk, embedding: Path) -> None:
        beyond = {**self.VALUES, "ids": np.array([[1, 2, 3, 10]], np.int64)}
        assert self.load(talk, embedding, beyond, profile=True)["error"]["kind"] == "bad-model"
        loaded = self.load(talk, embedding, self.VALUES, profile=True)
        assert talk.ask("unload", handle=loaded["handle"]) == {}
        assert [path.name for path in talk.models.iterdir() if len(path.name) != 64] == []

    @no_litert
    def test_kernels_of_a_tflite_file_are_profiled(self, talk: Talk, tflite_model: Artifact) -> None:
        fields = {"runtime": "tflite", "signature": ""}
        values = {"input": np.ones((2, 3), np.float32)}
        loaded = self.load(talk, tflite_model.path, values, **fields)
        assert loaded["bound_inputs"] == 1
        assert loaded["create_s"] > 0
        handle = self.load(talk, tflite_model.path, values, profile=True, **fields)["handle"]
        answer = talk.ask("profile", handle=handle, runs=5, seconds=60)
        assert answer["profiler"] == "LiteRT"
        assert answer["exact"] is False
        (op,) = talk.ask("ops", handle=handle, first=0)["ops"]
        assert op["kind"].startswith("Add")
        assert op["placement"] == "xnnpack"
        assert op["calls"] == len(answer["wall_ns"])
        assert talk.ask("profile", handle=handle, runs=5, seconds=60)["ops"] == 1
        others = {"input": np.ones((2, 3), np.float64)}
        assert self.load(talk, tflite_model.path, others, **fields)["error"]["kind"] in ("bad-request", "bad-model")
        unknown = {**fields, "signature": "nothing"}
        assert self.load(talk, tflite_model.path, values, **unknown)["error"]["kind"] in ("bad-request", "bad-model")

    def test_a_loop_does_not_count_twice(self, talk: Talk, tmp_path: Path) -> None:
        body = helper.make_graph(
            [
                helper.make_node("MatMul", ["state", "weight"], ["next"], "inner"),
                helper.make_node("Identity", ["going"], ["goes"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("number", TensorProto.INT64, []),
                helper.make_tensor_value_info("going", TensorProto.BOOL, []),
                helper.make_tensor_value_info("state", TensorProto.FLOAT, [128, 128]),
            ],
            [
                helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
                helper.make_tensor_value_info("next", TensorProto.FLOAT, [128, 128]),
            ],
        )
        nodes = [helper.make_node("Loop", ["times", "on", "x"], ["y"], "loop", body=body)]
        weights = {
            "times": np.array(8, np.int64),
            "on": np.array(True),
            "weight": np.eye(128, dtype=np.float32),
        }
        shape = (TensorProto.FLOAT, [128, 128])
        path = save_model(tmp_path, {"x": shape}, nodes, {"y": shape}, weights)
        values = {"x": np.ones((128, 128), np.float32)}
        handle = self.load(talk, path, values, profile=True)["handle"]
        for _ in range(5):
            answer = talk.ask("profile", handle=handle, runs=5, seconds=60)
            ops = {op["kind"]: op for op in talk.ask("ops", handle=handle, first=0)["ops"]}
            if ops["Loop"]["total_ns"] < ops["MatMul"]["total_ns"]:
                break  # else a busy machine has interrupted the loop between two products
        assert ops["MatMul"]["calls"] == 8 * len(answer["wall_ns"])
        assert sum(op["total_ns"] for op in ops.values()) <= 1.05 * sum(answer["wall_ns"])
        assert ops["Loop"]["total_ns"] < ops["MatMul"]["total_ns"]

    def test_external_data_lies_beside_the_model(self, talk: Talk, tmp_path: Path) -> None:
        shape = (TensorProto.FLOAT, [1, 64])
        weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
        node = helper.make_node("MatMul", ["x", "weight"], ["y"])
        path = save_model(tmp_path, {"x": shape}, [node], {"y": shape}, {"weight": weight})
        onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
        values = {"x": np.ones((1, 64), np.float32)}
        external = [{"location": "net.data", "sha256": put(talk, (tmp_path / "net.data").read_bytes())}]
        assert self.load(talk, path, values, external=external)["bound_inputs"] == 1
        assert self.load(talk, path, values)["error"]["kind"] == "bad-model"
        for location in ("../net.data", "/tmp/net.data", "", "a/../../net.data"):
            wrong = [{**external[0], "location": location}]
            assert self.load(talk, path, values, external=wrong)["error"]["kind"] == "bad-request", location
        missing = [{"location": "net.data", "sha256": "0" * 64}]
        assert self.load(talk, path, values, external=missing)["error"]["kind"] == "missing-file"
        assert [path.name for path in talk.models.iterdir() if len(path.name) != 64] == []

    def test_a_long_list_of_ops_takes_several_answers(self, talk: Talk, tmp_path: Path) -> None:
        count = 700
        nodes = [helper.make_node("Tan", [f"v{n}"], [f"v{n + 1}"], f"n{n}") for n in range(count)]
        shape = (TensorProto.FLOAT, [1, 8])
        path = save_model(tmp_path, {"v0": shape}, nodes, {f"v{count}": shape}, {})
        handle = self.load(talk, path, {"v0": np.ones((1, 8), np.float32)}, profile=True)["handle"]
        answer = talk.ask("profile", handle=handle, runs=2, seconds=60)
        assert answer["ops"] == count
        ops: list[dict] = []
        while len(ops) < count:
            page = talk.ask("ops", handle=handle, first=len(ops))["ops"]
            assert 0 < len(page) < count
            assert len(json.dumps(page)) < 2**20
            ops += page
        assert [op["name"] for op in ops] == [f"n{n}" for n in range(count)]
