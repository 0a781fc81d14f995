"""Every reader of latkit: its file, how that is mutated, and how an accepted file is used."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.fuzzing import octets, onnx_files, onnx_seeds, tables, trees
from benchmarks.fuzzing.corpus_search import FOUND as FOUND_NAME
from benchmarks.fuzzing.corpus_search import IDX_NAMES, image_seeds
from benchmarks.fuzzing.uses import TARGET_NAME, Uses
from latkit.graphs import networks
from latkit.runtimes.litert.write import write_tflite

Mutate = Callable[[random.Random, bytes], bytes]
Use = Callable[[Uses], None]

FOUND = f"search/{FOUND_NAME}"
TFLITE_SEEDS = 14
MAX_SEED_WEIGHTS = 200_000
MEASURED = f"measurements/{TARGET_NAME}"
JSON_BOMBS = ("deep.json", "deep_object.json", "digits.json")
TOML_BOMBS = ("digits.toml", "dotted.toml")
BROKEN = (
    b"\xff\xfe{\0",
    b"\xef\xbb\xbf{}",
    b"\0",
    b"{} {}",
    b"\x80",
    b"[1,]",
    b"nul",
    b'"\\ud800"',
    b'{"a":"\xed\xa0\x80"}',
)


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader."""

    name: str
    path: str
    """Path of the file in the corpus."""
    mutate: Mutate
    use: Use
    """Reads it and continues as the next command would. Raises as latkit does."""
    bombs: tuple[str, ...] = ()
    """Files of the corpus's folder of bombs that are used unchanged."""
    share: float = 1.0
    """How many inputs it gets relative to others: slow readers get fewer."""
    seeds: Callable[[Path], list[bytes]] | None = None
    """What to mutate, given the corpus; by default the file itself."""
    special: bool = True
    """Whether its path may be no file at all: a folder, a FIFO, a link."""


def _document(rng: random.Random, tree: trees.Node, write: Callable[[trees.Node], str]) -> bytes:
    text = write(tree).encode("utf-8", "surrogatepass")
    return octets.mutated(rng, text) if rng.random() < 0.1 else text


def json_mutated(rng: random.Random, content: bytes) -> bytes:
    """A JSON document with other values, or broken."""
    if rng.random() < 0.08:
        return rng.choice((octets.mutated(rng, content), rng.choice(BROKEN)))
    return _document(rng, trees.mutated(rng, trees.parse(json.loads(content))), trees.to_json)


def toml_mutated(rng: random.Random, content: bytes) -> bytes:
    """The same for a TOML document."""
    if rng.random() < 0.15:
        return octets.mutated(rng, content)
    return _document(rng, trees.mutated(rng, trees.parse(tomllib.loads(content.decode()))), trees.to_toml)


def yaml_mutated(rng: random.Random, content: bytes) -> bytes:
    """The same for a YAML document."""
    if rng.random() < 0.15:
        return octets.mutated(rng, content)
    tree = trees.mutated(rng, trees.parse(yaml.safe_load(content)), (*trees.RAWS, *trees.YAML_RAWS))
    return _document(rng, tree, trees.to_json)


LINES = (
    "Port 99999",
    "Port " + "9" * 5000,
    "Port ٣",
    "ConnectTimeout 1e400",
    "IdentityFile ~nobody/x",
    "IdentityFile %q%",
    "Include ~nobody/*",
    "Include **/*",
    "Include /dev/zero",
    "Include ssh_config",
    'Match exec "touch never"',
    "Match host",
    "Match canonical all",
    "ProxyJump a,b,c,board",
    "ProxyJump @:",
    "ProxyCommand nc",
    "HostName %h%h%h",
    "HostName \x1b[31m",
    "Host",
    'Host !board "',
    "UserKnownHostsFile ~nobody/k /dev/zero",
    "User \ud800",
    "=",
    "x" * 100_000,
)


def lines_mutated(rng: random.Random, content: bytes) -> bytes:
    """A configuration with lines dropped, duplicated, exchanged and added, or its bytes changed."""
    if rng.random() < 0.3:
        return octets.mutated(rng, content)
    lines = content.decode().splitlines()
    for _ in range(rng.choice((1, 2, 3))):
        at = rng.randint(0, len(lines))
        mutation = rng.randrange(4)
        if mutation == 0:
            lines.insert(at, "  " + rng.choice(LINES))
        elif mutation == 1 and lines:
            del lines[min(at, len(lines) - 1)]
        elif mutation == 2 and lines:
            lines.insert(at, rng.choice(lines))
        elif lines:
            fields = rng.choice(lines).split() or [""]
            fields[rng.randrange(len(fields))] = rng.choice(trees.TEXTS)
            lines.insert(at, " ".join(fields))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _npz(rng: random.Random, content: bytes) -> bytes:
    return octets.zip_mutated(rng, content, octets.npy_mutated)


def _gz(rng: random.Random, content: bytes) -> bytes:
    """Changed before compression, or after it."""
    if rng.random() < 0.5:
        return octets.mutated(rng, content)
    return gzip.compress(octets.mutated(rng, gzip.decompress(content)), mtime=0)


def _onnx_seeds(root: Path) -> list[bytes]:
    return [*onnx_seeds.seeds(), (root / FOUND / "network.onnx").read_bytes()]


def _tflite_seeds(_root: Path) -> list[bytes]:
    families = itertools.islice(networks(0, "tflite"), TFLITE_SEEDS)
    return [write_tflite(graph, 0) for graph in families if graph.parameters < MAX_SEED_WEIGHTS]


def _networks(root: Path) -> list[bytes]:
    return [(root / name).read_bytes() for name in ("net.json", "branches.json")]


def _few(root: Path) -> list[bytes]:
    return [(root / "few.sqlite").read_bytes()]


def _image_seeds(_root: Path) -> list[bytes]:
    return list(image_seeds().values())


def _held(root: Path) -> str:
    return "leases/" + (root / "held_as").read_text()


def _sidecar(root: Path) -> str:
    return "cache/" + (root / "sidecar_of").read_text()


def _only(root: Path, pattern: str) -> str:
    """The one file of the corpus that the pattern fits."""
    (path,) = root.glob(pattern)
    return path.relative_to(root).as_posix()


def readers(root: Path) -> dict[str, Reader]:
    """All of them, by name, for the corpus under `root`."""
    lease = (root / "lease.json").read_bytes()
    every = (
        Reader("baselines", f"{FOUND}/baselines.json", json_mutated, Uses.baselines, JSON_BOMBS),
        Reader("bundle", "bundle/bundle.json", json_mutated, Uses.bundle, JSON_BOMBS),
        Reader("checkpoint", "search/begun/checkpoint.pt", octets.zip_mutated, Uses.checkpoint, share=0.5),
        Reader("cross", "search/both/cross.json", json_mutated, Uses.cross, JSON_BOMBS),
        Reader("device_toml", "devices/here.toml", toml_mutated, Uses.device, TOML_BOMBS),
        Reader("fusion", f"{MEASURED}/fusion.json", json_mutated, Uses.fusion, JSON_BOMBS),
        Reader("graph_json", "graph.json", json_mutated, Uses.graph, JSON_BOMBS),
        Reader("history", f"{FOUND}/history.json", json_mutated, Uses.report_search, JSON_BOMBS),
        Reader("idx", f"idx/{IDX_NAMES[0]}", octets.mutated, Uses.idx),
        Reader("idx_gz", f"idx_gz/{IDX_NAMES[0]}.gz", _gz, Uses.idx_gz, ("zeros.gz",)),
        Reader("images", "images/train/class0/0.png", octets.mutated, Uses.images, ("huge.png",), seeds=_image_seeds),
        Reader("kernels", f"{MEASURED}/model-kernels.json", json_mutated, Uses.kernels, JSON_BOMBS),
        Reader("known_hosts", "known_hosts", lines_mutated, Uses.known_hosts),
        Reader("lease", _held(root), json_mutated, Uses.lease, JSON_BOMBS, seeds=lambda _root: [lease]),
        Reader("limits", f"{FOUND}/limits.json", json_mutated, Uses.constraints, JSON_BOMBS),
        Reader("measured", f"{FOUND}/measured.json", json_mutated, Uses.report_search, JSON_BOMBS),
        Reader("model_json", f"{MEASURED}/model-lookup.json", json_mutated, Uses.model, JSON_BOMBS),
        Reader("model_xgb", f"{MEASURED}/model-xgboost.json", json_mutated, Uses.xgboost, JSON_BOMBS, share=0.5),
        Reader("network_json", "net.json", json_mutated, Uses.network, JSON_BOMBS, seeds=_networks),
        Reader("npz", "data.npz", _npz, Uses.npz),
        Reader("onnx", "net.onnx", onnx_files.mutated, Uses.onnx, share=2.0, seeds=_onnx_seeds),
        Reader("parquet", "dataset.parquet", tables.parquet_mutated, Uses.parquet, share=0.3),
        Reader("quarantine", "devices/here.quarantine", toml_mutated, Uses.quarantine, TOML_BOMBS),
        Reader("recipe", f"{FOUND}/recipe.json", json_mutated, Uses.report_search, JSON_BOMBS),
        Reader("result", f"{FOUND}/result.json", json_mutated, Uses.report_search, JSON_BOMBS),
        Reader("series", "search/both/series.json", json_mutated, Uses.series, JSON_BOMBS),
        Reader("sidecar", _sidecar(root), json_mutated, Uses.sidecar, JSON_BOMBS, share=0.1),
        Reader("space_json", "space.json", json_mutated, Uses.space_json, JSON_BOMBS),
        Reader("space_toml", "pocket.toml", toml_mutated, Uses.space_toml, (*TOML_BOMBS, "products.toml")),
        Reader("sqlite", f"{MEASURED}/measurements.sqlite", tables.sqlite_mutated, Uses.sqlite, share=0.3, seeds=_few),
        Reader("ssh_config", "ssh_config", lines_mutated, Uses.ssh_config),
        Reader("table_json", "table.json", json_mutated, Uses.table_json, JSON_BOMBS),
        Reader("table_safetensors", "table.safetensors", octets.safetensors_mutated, Uses.table_safetensors),
        Reader("tflite", "net.tflite", octets.mutated, Uses.tflite, seeds=_tflite_seeds),
        Reader("validation", _only(root, f"{MEASURED}/validation-*.json"), json_mutated, Uses.validation, JSON_BOMBS),
        Reader("warmup", f"{FOUND}/warmup.pt", octets.zip_mutated, Uses.warm_up, share=0.3),
        Reader("weights", f"{FOUND}/weights.safetensors", octets.safetensors_mutated, Uses.weights),
        Reader("yaml", "keys.yaml", yaml_mutated, Uses.yaml, (*JSON_BOMBS, "merges.yaml", "aliases.yaml")),
    )
    return {reader.name: reader for reader in every}
