"""No function of the package writes a file in place: it uses `atomic_write`, or a temporary folder of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "latkit"
ATOMIC = {"atomic_write", "atomic_move", "TemporaryDirectory", "TemporaryFile", "mkstemp"}
METHODS = {"write_text", "write_bytes", "savez", "write_parquet", "touch"}
"""Of a path, of numpy and polars. latkit has functions of these names, which are atomic."""
FUNCTION = "save_file"
"""Of safetensors."""
LIBRARIES = {"onnx", "torch", "jit", "numpy", "np", "json", "pickle"}
"""Whose `save` and `dump` take a path or an open file."""
ELSEWHERE = {
    "testing": "simulators for tests",
    "devices/agent/latkit_agent": "runs on the device",
    "_io/atomic.py": "is atomic_write",
    "search/history.py": "appends lines, each in one write",
    "runtimes": "write the file that they are given: the artifact's temporary one",
    "devices/provisioning/pip.py": "into the temporary folder of its caller",
    "workspace/profiling/exported.py": "an example's values, into the temporary folder of its caller",
}
"""Files and folders that may write in another way, and why."""


def writes(source: str) -> Iterator[str]:
    """The calls in a source that write a file, outside functions that use an atomic writer."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and not ATOMIC & _names(function):
            yield from (f"{call.lineno} {ast.unparse(call.func)}" for call in _calls(function) if _writes(call))


def _names(node: ast.AST) -> set[str]:
    parts = list(ast.walk(node))
    return {one.id for one in parts if isinstance(one, ast.Name)} | {
        one.attr for one in parts if isinstance(one, ast.Attribute)
    }


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Call))


def _writes(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = ast.unparse(function.value).rpartition(".")[2] if isinstance(function, ast.Attribute) else ""
    if name in ("open", "fdopen"):
        if any(keyword.arg == "fileobj" for keyword in call.keywords):
            return False
        modes = [str(one.value) for one in ast.walk(call) if isinstance(one, ast.Constant)]
        return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes if mode)
    if name in ("save", "dump"):
        return owner in LIBRARIES
    return name == FUNCTION or (name in METHODS and owner not in ("", "_io"))


def test_every_writer_is_atomic() -> None:
    found = list[str]()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        if not any(place == Path(one) or Path(one) in place.parents for one in ELSEWHERE):
            found += [f"{place}:{call}" for call in writes(path.read_text(encoding="utf-8"))]
    assert not found, "use latkit._io.atomic_write, or atomic_move for a library that writes by itself"


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_exception_is_out_of_date(place: str) -> None:
    paths = [PACKAGE / place] if place.endswith(".py") else list((PACKAGE / place).rglob("*.py"))
    sources = [path.read_text(encoding="utf-8") for path in paths]
    assert any(ATOMIC & _names(ast.parse(source)) or "os.write" in source or [*writes(source)] for source in sources)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("path.write_text('x')", ["2 path.write_text"]),
        ("open(path, 'w').write('x')", ["2 open"]),
        ("path.open('ab')", ["2 path.open"]),
        ("onnx.save(model, path)", ["2 onnx.save"]),
        ("save_file(tensors, path)", ["2 save_file"]),
        ("open(path, 'rb')", []),
        ("path.read_text()", []),
        ("record.save(path)", []),
        ("with atomic_write(path) as new: onnx.save(model, new)", []),
    ],
)
def test_writers_are_found(body: str, expected: list[str]) -> None:
    assert [*writes(f"def function(path):\n    {body}\n")] == expected


def test_an_atomic_function_of_the_same_name_is_no_writer() -> None:
    assert not [*writes("from latkit._io import write_text\ndef function(path):\n    write_text(path, 'x')\n")]
