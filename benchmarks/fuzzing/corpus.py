"""The start of mutations: a small workspace written by latkit itself, with every kind of file that it reads.

Nothing is measured: the numbers are round on purpose, so that they cannot be mistaken for a device's.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.fuzzing.corpus_measured import TARGET, branched, graphs, measurements, networks
from benchmarks.fuzzing.corpus_search import images, search, series
from latkit.artifacts.cache import ArtifactCache
from latkit.devices import Core, Device, Facts, Local, leased
from latkit.devices.leases.quarantine import quarantine
from latkit.devices.provisioning.bundle import Bundle
from latkit.devices.transports.base import sha256_of
from latkit.graphs import Graph
from latkit.latency_models.imported.proxyless_yaml import write_keys
from latkit.spaces import Space, load_space_file
from latkit.tables import LatencyTable
from latkit.workspace import Workspace

SPACE = """
name = "pocket"
input_shape = [1, 8, 8]

[[layers]]
name = "stem"
candidates = [{ kind = "conv", out_channels = 8, stride = 2 }]

[[layers]]
name = "body"
repeat = 2
candidates = [{ kind = "mbconv", out_channels = 8, kernel = [3, 5], expansion = [2, 4] }, { kind = "skip" }]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]

[[layers]]
name = "classifier"
candidates = [{ kind = "linear", out_features = 2 }]
"""
SSH_CONFIG = """
Host board
  HostName 127.0.0.1
  Port 22
  User me
  IdentityFile ~/.ssh/id
  ConnectTimeout 3
  UserKnownHostsFile /dev/null
Host behind
  ProxyJump board
Host *
  Compression no
Include more/*.conf
Match host board
  IdentitiesOnly yes
"""


def make(root: Path) -> Workspace:
    """Write the workspace, and the other input files, under `root`."""
    torch.set_num_threads(1)
    workspace = Workspace.init(root)
    for name in ("pocket.toml", "known.toml"):
        (root / name).write_text(SPACE)
    space = load_space_file(root / "pocket.toml")
    device().write(workspace.devices_dir)
    quarantine(workspace.devices_dir, "here", [("2026-01-01T00:00:00+00:00", "the agent died")])
    measurements(workspace, space)
    table = LatencyTable(space, workspace.model(TARGET))
    search(workspace, space, table)
    series(workspace)
    images(root)
    _singles(root, workspace, space, table)
    return workspace


def device() -> Device:
    """This machine, as a device."""
    facts = Facts(
        model="A board",
        architecture="aarch64",
        instruction_set=["asimd", "fp"],
        cores=[Core(index=0, min_khz=600_000, max_khz=1_800_000, capacity=1024), Core(index=1)],
        memory_bytes=4 * 2**30,
        os="An OS",
        kernel="6.1",
        governor="ondemand",
    )
    return Device(
        name="here",
        added_at="2026-01-01T00:00:00+00:00",
        python=sys.executable,
        folder="/nowhere/latkit",
        runtimes={"onnxruntime": "onnxruntime 1"},
        transport=Local(),
        facts=facts,
    )


def _singles(root: Path, workspace: Workspace, space: Space, table: LatencyTable) -> None:
    """Files that belong to no search and no target."""
    network = next(networks(space))
    network.save(root / "net.json")
    branched().save(root / "branches.json")
    graph = graphs()[0]
    assert isinstance(graph, Graph)
    graph.save(root / "graph.json")
    space.save(root / "space.json")
    table.save(root / "table.json")
    table.save(root / "table.safetensors")
    ops = space.ops()
    seconds = dict(zip(ops, workspace.model(TARGET).layer_seconds(ops), strict=True))
    write_keys(seconds, ops, root / "keys.yaml")
    (root / "ssh_config").write_text(SSH_CONFIG)
    key = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    (root / "known_hosts").write_text(f"# hosts\n127.0.0.1 ssh-ed25519 {key}\n@revoked *.bad,!a ssh-rsa {key} me\n")
    (root / "known_config").write_text(f"Host board\n  HostName 127.0.0.1\n  UserKnownHostsFile {root}/known_hosts\n")
    artifact = ArtifactCache(root / "cache").artifact(network, TARGET)
    (root / "sidecar_of").write_text(artifact.path.with_suffix(".json").name)
    with _leases(root / "leases"), leased(device(), "a purpose"):
        held = next((root / "leases").glob("*.json"))
        (root / "lease.json").write_bytes(held.read_bytes())
    (root / "held_as").write_text(held.name)
    _bundle(root / "bundle")


@contextmanager
def _leases(folder: Path) -> Iterator[None]:
    before = os.environ.get("LATKIT_LEASES")
    os.environ["LATKIT_LEASES"] = str(folder)
    try:
        yield
    finally:
        del os.environ["LATKIT_LEASES"]
        if before is not None:
            os.environ["LATKIT_LEASES"] = before


def _bundle(folder: Path) -> None:
    folder.mkdir()
    archive = folder / "x86_64-0123456789ab.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("latkit-agent"))
    record = Bundle(
        architecture="x86_64",
        runtimes={"onnxruntime": "onnxruntime 1"},
        file=archive.name,
        bytes=archive.stat().st_size,
        sha256=sha256_of(archive),
        files={"latkit-agent": "0" * 64},
    )
    (folder / "bundle.json").write_text(record.model_dump_json())
