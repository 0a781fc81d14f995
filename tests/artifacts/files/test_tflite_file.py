"""TFLite files as users have them: signatures, inputs and operators; damaged ones are errors, not crashes."""

from __future__ import annotations

import random
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from latkit.artifacts.files import SourceRequest, read_source
from latkit.errors import BadFile

if find_spec("ai_edge_litert") is None:
    pytest.skip("ai-edge-litert is not installed", allow_module_level=True)

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def tensor(name: str, shape: list[int], kind: int, buffer: int = 0) -> object:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
    return made


def operator(code: int, inputs: list[int], outputs: list[int]) -> object:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
    return made


def signature(key: str, entries: dict[str, int]) -> object:
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex, made.outputs, made.inputs = key, 0, [], []
    for name, index in entries.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        made.inputs.append(entry)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows of a table of 20 by ids, and a dense layer."""
    kinds = schema.TensorType
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors = [
        tensor("ids_tensor", [1, 4], kinds.INT32),
        tensor("table", [20, 8], kinds.FLOAT32, 1),
        tensor("rows", [1, 4, 8], kinds.FLOAT32),
        tensor("weights", [16, 8], kinds.FLOAT32, 2),
        tensor("out", [1, 4, 16], kinds.FLOAT32),
        tensor("pixels", [1, 8], kinds.UINT8),
    ]
    graph.inputs, graph.outputs = [0, 5], [4]
    graph.operators = [operator(0, [1, 0], [2]), operator(1, [2, 3, -1], [4])]
    codes = []
    for number in (schema.BuiltinOperator.GATHER, schema.BuiltinOperator.FULLY_CONNECTED):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = number
        codes.append(code)
    buffers = [schema.BufferT() for _ in range(3)]
    buffers[1].data = np.ones(20 * 8, np.float32).view(np.uint8)
    buffers[2].data = np.ones(16 * 8, np.float32).view(np.uint8)
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], buffers
    model.signatureDefs = [signature("encode", {"ids": 0, "image": 5}), signature("other", {"ids": 0, "image": 5})]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    made = tmp_path / "net.tflite"
    made.write_bytes(builder.Output())
    return made


def test_inputs_have_the_names_of_the_signature_and_stay_in_the_vocabulary(path: Path) -> None:
    source = read_source(SourceRequest(path))
    assert source.model.signature == "encode"
    assert [(one.name, one.type, one.shape) for one in source.model.inputs] == [
        ("ids", "int32", (1, 4)),
        ("image", "uint8", (1, 8)),
    ]
    assert 1 <= source.values["ids"].min() <= source.values["ids"].max() < 20
    assert source.values["image"].all()
    assert len(np.unique(source.values["image"])) > 2
    assert source.model.parameters == 20 * 8 + 16 * 8


def test_another_signature_is_another_workload(path: Path) -> None:
    first, other = read_source(SourceRequest(path)), read_source(SourceRequest(path, signature="other"))
    assert first.model.sha256 == other.model.sha256
    assert first.model.key != other.model.key
    with pytest.raises(BadFile, match="a signature named 'none', but found encode, other"):
        read_source(SourceRequest(path, signature="none"))


def test_operators_carry_their_shapes(path: Path) -> None:
    gather, dense = read_source(SourceRequest(path)).operators
    assert (gather.kind, gather.name) == ("GATHER", "rows")
    assert dense.inputs == (("FLOAT32", (1, 4, 8)), ("FLOAT32", (16, 8)), ("", ()))
    assert dense.outputs == (("FLOAT32", (1, 4, 16)),)


def test_damaged_files_are_errors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latkit.artifacts.files.inputs.MAX_INPUT_BYTES", 2**20)
    content = path.read_bytes()
    rng = random.Random(0)
    damaged = [content[:length] for length in range(8, len(content), 61)]
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(8, len(changed))] = rng.randrange(256)
        damaged.append(bytes(changed))
    for one in damaged:
        path.write_bytes(one)
        with suppress(BadFile):  # anything else fails the test
            read_source(SourceRequest(path))


def test_an_empty_file(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(BadFile):
        read_source(SourceRequest(path))
