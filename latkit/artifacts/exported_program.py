"""Files that `torch.export.save` wrote (`.pt2`), loaded only where nothing of the file is run as code.

`torch.export.load` unpickles objects, evaluates expressions, and calls whatever a program names. A plain program needs
none of that: its weights are raw bytes, its expressions are arithmetic, its nodes are operators of torch. Others are
refused before torch reads them.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latkit._io import one_line
from latkit.errors import BadFile, MissingExtra

EXPECTED = "a program that torch.export.save wrote"
MAX_ENTRIES = 1_000_000
MAX_EXPRESSION_CHARS = 1000

OPERATORS = re.compile(
    r"torch\.ops\.(?:aten|prims|quantized_decomposed|torchvision)\.\w+(?:\.\w+)?"
    r"|torch\.ops\.higher_order\.(?:cond|while_loop|map_impl|scan|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|_operator\.(?:getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|torch\.sym_(?:int|float|max|min|not|ite|sum)|math\.(?:floor|ceil|trunc|sqrt)"
)
"""What a node may call: operators on tensors, and arithmetic on sizes."""
CALLS = frozenset(
    (
        *(
            "Symbol",
            "Integer",
            "Rational",
            "Add",
            "Mul",
            "Pow",
            "Max",
            "Min",
            "Mod",
            "PythonMod",
            "FloorDiv",
            "Eq",
            "Ne",
        ),
        *("Eq", "Ne", "CleanDiv", "CeilToInt", "FloorToInt", "TruncToInt", "IntTrueDiv", "FloatTrueDiv", "ToFloat"),
    )
)
"""Functions that an expression of sizes may call."""
SYMBOL = re.compile(r"[a-z]{1,8}\d{1,9}")
_PARTS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/\w+|\.format_version|\.storage_alignment|version"
    r"|data/weights/(?:weight_\d+|[\w.-]+_weights_config\.json)|data/constants/(?:tensor_\d+|[\w.-]+_constants_config\.json)"
    r"|data/sample_inputs/[\w.-]+\.pt|models/[\w.-]+\.json|extra/.*"
)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A program as a module, with the inputs that it was exported for."""

    module: nn.Module
    example: tuple[torch.Tensor, ...]


def load_exported_program(path: Path) -> ExportedFile:
    """The program of a `.pt2` file with its example inputs.

    Raises BadFile for another file, for one that holds code or pickled objects, and for one without example inputs.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadFile(path, EXPECTED, error.strerror or "no such file") from error
    try:
        example = _checked_example(path, raw)
        program = torch.export.load(io.BytesIO(raw))
        module = program.module()
    except (BadFile, MissingExtra):
        raise
    except Exception as error:  # torch raises anything for a damaged file
        raise BadFile(path, EXPECTED, one_line(f"{type(error).__name__}: {error}", 200)) from error
    return ExportedFile(module, example)


def _checked_example(path: Path, raw: bytes) -> tuple[torch.Tensor, ...]:
    """The example inputs, after a check of all parts. Raises BadFile, and whatever reading a damaged file raises."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = _parts(path, archive)
        (program,) = [name for name in parts if name.startswith("models/")]
        for name, full in parts.items():
            if name.endswith(".json"):
                for reason in _reasons(json.loads(archive.read(full))):
                    raise BadFile(path, "a program without code of its own", one_line(reason, 160))
        sample = f"data/sample_inputs/{Path(program).stem}.pt"
        held = archive.read(parts[sample]) if sample in parts else b""
    found = torch.load(io.BytesIO(held), weights_only=True) if held else None
    if not found:
        raise BadFile(
            path,
            "example inputs in it",
            "none; load it in Python, and profile its module: workspace.profile(target, module, example)",
        )
    args, named = found
    if named or not args or not all(isinstance(one, torch.Tensor) for one in args):
        raise BadFile(path, "example inputs that are tensors without names", one_line(f"{args!r} {named!r}", 120))
    return tuple(args)


def _parts(path: Path, archive: zipfile.ZipFile) -> dict[str, str]:
    """The archive's entries by name within its only folder. Raises BadFile for one that holds more than a program."""
    names = archive.namelist()
    if len(set(names)) != len(names) or len(names) > MAX_ENTRIES:
        raise BadFile(path, EXPECTED, "several entries of one name")
    found = {name.partition("/")[2]: name for name in names}
    programs = sum(name.startswith("models/") for name in found)
    if programs != 1:
        is_pickled = any(name.endswith(".pkl") for name in names)
        raise BadFile(path, EXPECTED, "an archive of pickled objects" if is_pickled else f"{programs} programs")
    for name in found:
        if not _PARTS.fullmatch(name):
            raise BadFile(path, "a program without code and pickled objects", one_line(repr(name), 120))
    return found


def _reasons(document: object) -> Iterator[str]:
    """What in a document torch would unpickle, evaluate or call."""
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            yield from _reasons_of(value)


def _reasons_of(table: dict[str, Any]) -> Iterator[str]:
    if table.get("use_pickle"):
        yield f"a pickled object, {table.get('path_name')!r}"
    if table.get("guards_code"):
        yield "code of guards; export it without dynamic shapes"
    for name in ("target", "as_operator"):
        called = table.get(name)
        if isinstance(called, str) and not OPERATORS.fullmatch(called):
            yield f"a call of {called!r}"
    expression = table.get("expr_str")
    if isinstance(expression, str) and not _is_arithmetic(expression):
        yield f"the expression {expression!r}"


_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.keyword, ast.Load),
    *(ast.operator, ast.unaryop, ast.cmpop, ast.boolop),
)


def _is_arithmetic(expression: str) -> bool:
    """Whether an expression is arithmetic on numbers and symbols such as `s0`."""
    if len(expression) > MAX_EXPRESSION_CHARS:
        return False
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return all(_is_allowed(node, id(node) in called) for node in nodes)


def _is_allowed(node: ast.AST, is_called: bool) -> bool:
    """Whether a part of an expression is a number, a symbol, an operator, or a call of `CALLS`."""
    if isinstance(node, ast.Constant):
        is_symbol = isinstance(node.value, str) and SYMBOL.fullmatch(node.value)
        return bool(is_symbol) or isinstance(node.value, int | float)
    if isinstance(node, ast.Name):
        return node.id in CALLS if is_called else bool(SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and all(isinstance(one.value, ast.Constant) for one in node.keywords)
    return isinstance(node, _ARITHMETIC)
