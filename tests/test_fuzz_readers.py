"""The small readers against arbitrary files: accepted and usable, or refused in one line.

`benchmarks/fuzz.py` does the same with a hundred thousand inputs, and with the slower readers.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzzing import corpus
from benchmarks.fuzzing.bombs import bombs
from benchmarks.fuzzing.inputs import SPECIALS, Input, Inputs
from benchmarks.fuzzing.worker import Bench
from latkit.artifacts.files import SourceRequest, read_source
from latkit.errors import UsageError
from latkit.runtimes import get_runtime
from tests.conftest import made_once

SMALL = (
    "bundle",
    "fusion",
    "graph_json",
    "idx",
    "idx_gz",
    "kernels",
    "known_hosts",
    "lease",
    "limits",
    "network_json",
    "npz",
    "quarantine",
    "series",
    "space_json",
    "space_toml",
    "ssh_config",
    "table_json",
    "table_safetensors",
    "weights",
    "yaml",
)
NETWORK = Path(__file__).parent / "golden" / "workspace-0.1" / "search" / "found" / "network"
RUNTIMES = {".onnx": "onnxruntime", ".tflite": "tflite"}

QUICK = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
"""The same examples in every run: random search belongs in the benchmark."""

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
CONTENTS = st.binary(max_size=50) | DOCUMENTS.map(lambda document: json.dumps(document).encode())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A workspace in which one file after the other is mutated."""
    root = tmp_path_factory.mktemp("fuzzing")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LATKIT_LEASES", "LATKIT_CACHE", "COLUMNS"):
            patch.setenv(name, str(root / name))
        patch.chdir(root)
        yield Bench(made_once(tmp_path_factory, "fuzzing", make) / "corpus", root / "workspace", 0)


def make(folder: Path) -> None:
    corpus.make(folder / "corpus")
    bombs(folder / "corpus" / "bombs")


def check(bench: Bench, name: str, content: Input) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a program that reads a file does not make errors of them
        outcome = bench.outcome(bench.readers[name], content)
    assert not outcome.failed, f"{outcome.kind} {outcome.where}: {outcome.message}\n{outcome.trace}"


@pytest.mark.parametrize("name", [name for name in SMALL if name != "lease"])  # which is held by this very process
def test_what_latkit_writes_is_accepted(bench: Bench, name: str) -> None:
    reader = bench.readers[name]
    for content in Inputs(reader, bench.corpus, 0).seeds:
        assert bench.outcome(reader, Input(content=content)).kind == "accepted"


@pytest.mark.parametrize("name", SMALL)
@QUICK
@given(content=CONTENTS)
def test_any_content(bench: Bench, name: str, content: bytes) -> None:
    check(bench, name, Input(content=content))


@pytest.mark.parametrize("name", SMALL)
@QUICK
@given(rng=st.randoms(use_true_random=False))
def test_files_that_differ_in_some_places(bench: Bench, name: str, rng: Random) -> None:
    reader = bench.readers[name]
    seeds = Inputs(reader, bench.corpus, 0).seeds
    check(bench, name, Input(content=reader.mutate(rng, rng.choice(seeds))))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("special", [name for name in SPECIALS if "nothing" not in name])
def test_what_is_no_file(bench: Bench, name: str, special: str) -> None:
    check(bench, name, Input(special=special))


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_cut_and_changed_model_files(tmp_path: Path, suffix: str) -> None:
    """A real file, cut at forty places and with a bit changed at forty: read as `profile` and `predict` do."""
    content = (NETWORK.with_suffix(suffix)).read_bytes()
    path, rng = tmp_path / f"net{suffix}", Random(0)
    refused: list[str] = []
    step = max(len(content) // 40, 1)
    for place in range(0, len(content), step):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        for damaged in (content[:place], bytes(changed)):
            path.write_bytes(damaged)
            try:
                source = read_source(SourceRequest(path))
                get_runtime(RUNTIMES[suffix]).read_graph(path, {one.name: one.shape for one in source.model.inputs}, 1)
            except UsageError as error:
                refused.append(str(error))
    assert len(refused) >= 40, "no cut file is complete"
    assert all(str(path) in message and "\n" not in message for message in refused)


@pytest.mark.parametrize("name", SMALL)
def test_documents_that_grow(bench: Bench, name: str) -> None:
    """Deep, or of many digits, or unpacking to gigabytes."""
    for bomb in bench.readers[name].bombs:
        check(bench, name, Input(content=Path(bench.corpus, "bombs", bomb).read_bytes()))
