"""Mutations of ONNX files by their fields: nodes, names, sizes, attributes and all others."""

from __future__ import annotations

import random
from typing import Any

import onnx
from onnx import TensorProto, helper

from benchmarks.fuzzing import octets, trees

INTEGERS = (0, 1, 2, 3, 7, -1, -2, 64, 2**31 - 1, 2**31, 2**33, 2**40, 2**62, -(2**63), 2**63 - 1)
FLOATS = (0.0, -1.0, 1.5, 1e38, -1e38, float("nan"), float("inf"), 1e-45)
OPS = (
    "",
    "Relu",
    "Conv",
    "MatMul",
    "LSTM",
    "If",
    "Loop",
    "Resize",
    "Constant",
    "Einsum",
    "Dropout",
    "NoSuchOp",
    "Split",
)
DOMAINS = ("", "ai.onnx", "com.microsoft", "ai.onnx.ml", "x" * 1000)
MAX_DEPTH = 6


def mutated(rng: random.Random, content: bytes) -> bytes:
    """A model with one to three fields changed, or its bytes."""
    if rng.random() < 0.15:
        return octets.mutated(rng, content)
    model = onnx.load_from_string(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice((_any_field, _any_field, _graph_part))(rng, model)
    try:
        return bytes(model.SerializeToString())
    except ValueError:  # a text that is no UTF-8
        return content


def _any_field(rng: random.Random, model: Any) -> None:
    """A field of any message below the model, found by a random descent."""
    message = model.graph if rng.random() < 0.8 else model
    for _ in range(rng.randint(0, MAX_DEPTH)):
        inside = [child for field, value in message.ListFields() for child in _messages(field, value)]
        if not inside:
            break
        message = rng.choice(inside)
    fields = [field for field in message.DESCRIPTOR.fields if field.name != "doc_string"]
    present = [field for field, _ in message.ListFields()]
    field = rng.choice(present if present and rng.random() < 0.8 else fields)
    _change(rng, message, field)


def _messages(field: Any, value: Any) -> list[Any]:
    if field.message_type is None:
        return []
    return list(value) if field.is_repeated else [value]


def _change(rng: random.Random, message: Any, field: Any) -> None:
    if field.is_repeated:
        _change_items(rng, getattr(message, field.name), field)
    elif field.message_type is not None or rng.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(rng, field, getattr(message, field.name)))


def _change_items(rng: random.Random, items: Any, field: Any) -> None:
    mutation = rng.randrange(4)
    if mutation == 0 and len(items):
        del items[rng.randrange(len(items))]
    elif mutation == 1 and len(items):
        items.extend([rng.choice(list(items))] * rng.choice((1, 1, 50)))
    elif mutation == 2 and len(items) > 1:
        values = list(items)
        rng.shuffle(values)
        del items[:]
        items.extend(values)
    elif field.message_type is not None:
        items.add()
    elif len(items) and rng.random() < 0.7:
        index = rng.randrange(len(items))
        items[index] = _scalar(rng, field, items[index])
    else:
        items.append(_scalar(rng, field, None))


def _scalar(rng: random.Random, field: Any, value: Any) -> Any:
    """A value of the field's type; of a size that fits its width."""
    kinds = type(field)
    if field.type == kinds.TYPE_STRING:
        names = (value or "x", (value or "x") + "_", *trees.TEXTS, *OPS, *DOMAINS)
        return rng.choice(names).encode("utf-8", "replace").decode()
    if field.type == kinds.TYPE_BYTES:
        return rng.choice((b"", b"\xff\xfe", b"x" * 17, bytes(value or b"")[: rng.randint(0, 40)]))
    if field.type in (kinds.TYPE_FLOAT, kinds.TYPE_DOUBLE):
        return rng.choice(FLOATS)
    if field.type == kinds.TYPE_BOOL:
        return not value
    wide = field.type in (kinds.TYPE_INT64, kinds.TYPE_UINT64)
    number = rng.choice((*INTEGERS, (value or 0) + 1, (value or 0) - 1, (value or 0) * 2))
    low, high = (-(2**63), 2**63 - 1) if wide else (-(2**31), 2**31 - 1)
    number = min(max(number, low), high)
    if field.type == kinds.TYPE_UINT64:
        number = abs(number)
    if field.type == kinds.TYPE_ENUM:
        return rng.choice([one.number for one in field.enum_type.values])
    return number


def _graph_part(rng: random.Random, model: Any) -> None:
    """Typical mistakes of exporters."""
    if model.graph.node:
        rng.choice(_MISTAKES)(rng, model.graph)
    if rng.random() < 0.1 and model.opset_import:
        model.opset_import[0].version = rng.choice((0, 1, 7, 13, 21, 99, -1, 2**40))


def _input_of_nobody(rng: random.Random, graph: Any) -> None:
    """Or of the node itself, or skipped."""
    node = rng.choice(list(graph.node))
    if node.input:
        given = node.output[0] if node.output else "x"
        node.input[rng.randrange(len(node.input))] = rng.choice(("", "nobody", given))


def _output_skipped(rng: random.Random, graph: Any) -> None:
    node = rng.choice(list(graph.node))
    if node.output:
        taken = node.input[0] if node.input else "x"
        node.output[rng.randrange(len(node.output))] = rng.choice(("", "other", taken))


def _other_operator(rng: random.Random, graph: Any) -> None:
    node = rng.choice(list(graph.node))
    node.op_type = rng.choice((*OPS, *(other.op_type for other in graph.node)))
    if rng.random() < 0.3:
        node.domain = rng.choice(DOMAINS)


def _another_attribute(rng: random.Random, graph: Any) -> None:
    rng.choice(list(graph.node)).attribute.append(_attribute(rng))


def _weights_elsewhere(rng: random.Random, graph: Any) -> None:
    if graph.initializer:
        tensor = rng.choice(list(graph.initializer))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=rng.choice(("w.data", "../../etc/passwd", "/dev/zero")))
        tensor.external_data.add(key="length", value=rng.choice(("8", "-1", "x", str(2**62))))


def _weights_of_another_shape(rng: random.Random, graph: Any) -> None:
    if graph.initializer:
        tensor = rng.choice(list(graph.initializer))
        if rng.random() < 0.3:
            tensor.data_type = rng.randrange(0, 24)
        else:
            tensor.dims[:] = [rng.choice(INTEGERS) for _ in range(rng.randint(0, 6))]


def _input_of_another_shape(rng: random.Random, graph: Any) -> None:
    if graph.input:
        shape = rng.choice(list(graph.input)).type.tensor_type.shape
        sizes = [dim.dim_value for dim in shape.dim]
        if sizes and rng.random() < 0.6:
            sizes[rng.randrange(len(sizes))] = rng.choice((1, 2, 5, 16, 64, *INTEGERS))
        else:
            sizes = [rng.choice(INTEGERS) for _ in range(rng.randint(0, 6))]
        del shape.dim[:]
        for size in sizes:
            dim = shape.dim.add()
            if size:
                dim.dim_value = size
            else:
                dim.dim_param = "N"


_MISTAKES = (
    _input_of_nobody,
    _output_skipped,
    _other_operator,
    _another_attribute,
    _weights_elsewhere,
    _weights_of_another_shape,
    _input_of_another_shape,
    _input_of_another_shape,
)


def _attribute(rng: random.Random) -> Any:
    name = rng.choice(
        ("axis", "axes", "pads", "strides", "kernel_shape", "group", "activations", "equation", "perm", "x")
    )
    values: tuple[Any, ...] = ([1, 2], [], -1, 2**40, 1.5, "text", b"\xff", [1.5], ["a", "b"], [-(2**63)], [2**40] * 8)
    value = rng.choice(values)
    kind = onnx.AttributeProto.INTS if value == [] else None
    return helper.make_attribute(name, value, attr_type=kind)
