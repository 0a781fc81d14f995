from __future__ import annotations

from dataclasses import replace

import pytest

from latkit.errors import UsageError
from latkit.graphs import FileTensor, ModelFile

FILE = ModelFile(
    "a" * 64,
    "onnx",
    (FileTensor("ids", "int64", (1, 8), 0, 99), FileTensor("mask", "bool", (1, 8), 0, 1)),
    (FileTensor("logits", "float32", (1, -1)),),
    inputs_sha256="b" * 64,
    name="net.onnx",
    file_bytes=1000,
)


def test_a_record_survives_its_json() -> None:
    again = ModelFile.from_json(FILE.to_json())
    assert again == FILE
    assert again.outputs == FILE.outputs
    assert again.file_bytes == FILE.file_bytes


def test_the_key_is_of_the_content_and_not_of_the_name() -> None:
    assert replace(FILE, name="other.onnx", macs=5).key == FILE.key
    for other in (
        replace(FILE, sha256="c" * 64),
        replace(FILE, inputs_sha256="c" * 64),
        replace(FILE, signature="decode"),
        replace(FILE, inputs=(replace(FILE.inputs[0], shape=(2, 8)), FILE.inputs[1])),
    ):
        assert other.key != FILE.key


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "A" * 64},
        {"file_format": "exe"},
        {"inputs": [{"name": "x", "type": "float32", "shape": [-2]}]},
        {"inputs": [{"name": "x", "type": "float32", "shape": [2**40, 2**40]}]},
        {"macs": -1},
        {"format": "latkit-model-file-2"},
        {"inputs": "x"},
    ],
)
def test_a_damaged_document_is_a_usage_error(change: dict) -> None:
    with pytest.raises(UsageError, match="expected"):
        ModelFile.from_json({**FILE.to_json(), **change})
