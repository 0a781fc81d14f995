"""The native agent's JSON reader parses what Python's writes, and survives all other input."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from latkit.devices.agent import NATIVE_SOURCES
from latkit.devices.provisioning.toolchain import WARNINGS
from tests.devices.agent.test_native import SANITIZERS, toolchain
from tests.waiting import PATIENCE_S

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | TEXTS,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(TEXTS, inside, max_size=5),
    max_leaves=30,
)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """The reader with sanitizers: a misstep ends it."""
    program = tmp_path_factory.mktemp("echo") / "echo"
    sources = [str(Path(__file__).with_name("json_echo.c")), str(NATIVE_SOURCES / "protocol" / "json.c")]
    compiler = toolchain(platform.machine()).compiler
    command = [compiler, "-std=c11", *WARNINGS, *SANITIZERS, f"-I{NATIVE_SOURCES}", "-o", str(program), *sources]
    subprocess.run(command, check=True)
    with subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def output(echo: subprocess.Popen[bytes], line: bytes) -> bytes:
    assert echo.stdin
    assert echo.stdout
    echo.stdin.write(line + b"\n")
    echo.stdin.flush()
    return echo.stdout.readline().rstrip(b"\n")


many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(value=VALUES, ascii_only=st.booleans(), indent=st.booleans())
@many
def test_it_reads_what_python_writes(echo, value: object, ascii_only: bool, indent: bool) -> None:
    line = json.dumps(value, ensure_ascii=ascii_only, separators=(" , ", " : ") if indent else None)
    assert json.loads(output(echo, line.encode())) == value


@given(line=st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"").replace(b"\0", b"")))
@example(b'"\\ud800"')
@example(b'"\\u12')
@example(b'"\xf4\x90\x80\x80"')
@example(b"01")
@example(b"1.")
@example(b"-")
@example(b'{"a"}')
@example(b"[1,]")
@many
def test_it_reads_nothing_else(echo, line: bytes) -> None:
    answer = output(echo, line)
    try:
        expected = json.loads(line)
    except (ValueError, RecursionError):
        assert answer.startswith(b"!")
    else:
        assert answer.startswith(b"!") or json.loads(answer) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[" * 50_000, b"!values too deep"),
        (b"[" + b"0," * 5000 + b"0]", b"!too many values"),
        (b"", b"!the end where"),
    ],
)
def test_its_bounds(echo, line: bytes, problem: bytes) -> None:
    assert output(echo, line).startswith(problem)
    assert output(echo, b'{"a": [1]}') == b'{"a":[1]}'


@pytest.mark.parametrize("number", [2**63, -(2**70), 10**400])
def test_integers_out_of_range_are_clamped(echo, number: int) -> None:
    assert int(output(echo, str(number).encode())) == (2**63 - 1 if number > 0 else -(2**63))
