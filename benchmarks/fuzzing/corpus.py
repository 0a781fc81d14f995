"""What mutations start from: a small workspace written by latkit itself, with every kind of file that it reads.

Nothing is measured: the numbers are round on purpose, and nobody can take them for a device's.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.fuzzing import onnx_files
from latkit.devices import Core, Device, Facts, Local, leased
from latkit.devices.bundle import Bundle
from latkit.devices.quarantine import quarantine
from latkit.devices.transports.base import sha256_of
from latkit.graphs import GraphBuilder, cut
from latkit.measurements import Store, write_parquet
from latkit.models.kernels.fusion_file import fusion_file
from latkit.models.keys import write_keys
from latkit.ops import FIXED_COST, Network
from latkit.runtimes.cache import ArtefactCache
from latkit.runtimes.onnx_graph import read_graph
from latkit.search import Limit, SearchSettings, load_data, run_search
from latkit.search.baselines import BASELINES_FILE, BaselineRecord, Baselines
from latkit.search.constraints import LIMITS_FILE, save_limits
from latkit.spaces import Space, load_space_file, variations
from latkit.tables import LatencyTable, PeakTable, macs_table
from latkit.targets import Target
from latkit.timing import REFERENCE, Measurement, Setup, Subject, TimingPlan, Visit
from latkit.validate import MeasuredNetwork, NetworkResult, Validation
from latkit.workspace import Workspace
from latkit.workspace.cross_table import Cell, CrossTable, Row
from latkit.workspace.series import Member, Series

TARGET = Target("here", "onnxruntime")
FOUND = "found"
SERIES = "both"
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
SETUP = Setup("device", "runtime 1", "cpu", "exporter 1", 17, "unpinned", REFERENCE.key, 1)
PLAN = TimingPlan(visits=2, visit_s=0.01, visit_runs=3)
RULES = {("conv", "relu")}
"""Which neighbours the made-up runtime computes at once."""
ROUND_NS = 1_000_000
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
    """Write the workspace, and what else is read, under `root`."""
    torch.set_num_threads(1)
    workspace = Workspace.init(root)
    for name in ("pocket.toml", "known.toml"):
        (root / name).write_text(SPACE)
    space = load_space_file(root / "pocket.toml")
    device().write(workspace.devices_dir)
    quarantine(workspace.devices_dir, "here", [("2026-01-01T00:00:00+00:00", "the agent died")])
    _measurements(workspace, space)
    table = LatencyTable(space, workspace.model(TARGET))
    _search(workspace, space, table)
    _series(workspace)
    _images(root)
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


def _visit(nanoseconds: int, started_at: float) -> Visit:
    runs, references = (nanoseconds,) * 3, (ROUND_NS,) * 3
    conditions = {
        "before": {"load1": 0.0, "temperatures_c": {"zone": 40.0}, "frequencies_khz": [1_000_000]},
        "after": {"load1": 0.0},
        "turn": {"subject_runs": 3, "reference_runs": 3},
        "inference_ns": 9_000_000,
        "boot_id": "a boot",
    }
    return Visit(started_at, runs, runs, (0, 0, 0), references, references, conditions)


def _measurement(subject: Subject, nanoseconds: int) -> Measurement:
    visits = tuple(_visit(nanoseconds, 1.7e9 + number) for number in range(PLAN.visits))
    return Measurement(subject, TARGET, SETUP, PLAN, visits)


def _networks(space: Space) -> Iterator[Network]:
    shape = [range(len(layer.candidates)) for layer in space.choices]
    return (space.decode(architecture) for architecture in itertools.islice(itertools.product(*shape), 0, None, 5))


def _graphs() -> list[Subject]:
    found: list[Subject] = []
    for channels in range(4, 20):  # of so many kernels trees are learned
        builder = GraphBuilder()
        entry = builder.input(1, channels, 8, 8)
        found.append(builder.graph([builder.activation("relu", builder.conv(entry, channels, 3))], f"conv{channels}"))
    return found


def _kernels(root: Path) -> list[Subject]:
    """The kernels of the ONNX files that are mutated, so that most of what becomes of these can be predicted."""
    found: list[Subject] = []
    for number, content in enumerate(onnx_files.seeds()):
        path = root / f"seed-{number}.onnx"
        path.write_bytes(content)
        parts = cut(read_graph(path), RULES)
        with suppress(TypeError):
            kernels = [parts.kernel_graph(place) for place in range(len(parts.kernels))]
            found += {kernel.key: kernel for kernel in kernels}.values()
    return list(dict.fromkeys(found))


def _measurements(workspace: Workspace, space: Space) -> None:
    further = itertools.islice(variations(space), 40)  # of so many ops trees are learned
    subjects: list[Subject] = [FIXED_COST, *space.ops(), *further, *_networks(space), *_graphs()]
    subjects += _kernels(workspace.root)
    measured = [_measurement(subject, 1000 + 1000 * index) for index, subject in enumerate(subjects)]
    with workspace.store(TARGET) as store:
        _fill(store, measured)
    decided = dict.fromkeys(RULES, True) | {("conv", "add"): False}
    fusion_file(str(TARGET), "onnxruntime 1", decided).save(workspace.fusion_path(TARGET))
    for kind in ("lookup", "xgboost"):
        workspace.fit(TARGET, None, kind)
    workspace.fit_kernels(TARGET)
    _validation().save(workspace.validation_path(TARGET, space, "lookup"))
    with Store(workspace.root / "few.sqlite", TARGET) as few:
        _fill(few, [*measured[:6], measured[-1]])
    write_parquet(measured[:6], workspace.root / "dataset.parquet", "# card\n")


def _fill(store: Store, measured: list[Measurement]) -> None:
    for one in measured:
        for visit in one.visits:
            store.add_visit(one.subject, one.setup, one.plan, visit)


def _network_result(name: str, key: str = "key") -> NetworkResult:
    return NetworkResult(
        name=name,
        key=key,
        architecture=(0, 0),
        predicted_ms=1.0,
        low_ms=0.5,
        high_ms=2.0,
        first_ms=1.0,
        second_ms=1.25,
    )


def _validation() -> Validation:
    figures = dict.fromkeys(("mape_percent", "rmse_ms", "mean_latency_ms", "spearman", "kendall"), 1.0)
    shares = ("within_5_percent", "within_10_percent", "interval_coverage_percent", "repeatability_mape_percent")
    return Validation(
        target=str(TARGET),
        space="pocket",
        model="lookup",
        networks=2,
        calibration_networks=2,
        left_out=["one: a reason"],
        results=[_network_result("one"), _network_result("other")],
        **figures,
        **dict.fromkeys(shares, 50.0),
    )


def _arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes across (class 0) or along (class 1)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    wave = np.where(np.arange(8) % 2, 200, 50)
    pictures = np.where(labels[:, None, None] == 0, wave[None, :, None], wave[None, None, :])
    return (pictures + rng.integers(-20, 20, (count, 8, 8))).astype(np.uint8), labels


def _search(workspace: Workspace, space: Space, table: LatencyTable) -> None:
    (train, train_labels), (test, test_labels) = _arrays(48, 0), _arrays(16, 1)
    path = workspace.root / "data.npz"
    np.savez(path, train_images=train, train_labels=train_labels, test_images=test, test_labels=test_labels)
    settings = SearchSettings.quick(
        warmup_epochs=1,
        epochs=1,
        batch_size=8,
        training_epochs=1,
        training_batch_size=16,
        crop_padding=0,
        flip=False,
        export_tflite=False,
        checkpoint_seconds=1e-9,
    )
    target_s = (table.fastest() + table.slowest()) / 2
    paths = itertools.product(*(range(len(row)) for row in table.rows()))
    target_s = min(map(table.total, paths), key=lambda seconds: abs(seconds - target_s))
    folder, limits = workspace.search_dir(FOUND), [Limit("macs", macs_table(space), 1e9)]
    data = load_data(str(path), 8, 1)
    run_search(space, table, data, target_s, settings, folder, limits=limits)
    save_limits([*limits, Limit("peak_bytes", PeakTable(space), 1e9)], folder / LIMITS_FILE)
    measured = MeasuredNetwork(target=str(TARGET), model="lookup", network=_network_result(FOUND))
    measured.save(folder / "measured.json")
    records = [_baseline("random-1", "random", (0, 0)), _baseline("mobilenetv2-0.35", "mobilenetv2", None)]
    Baselines(records=tuple(records)).save(folder / BASELINES_FILE)
    begun = workspace.search_dir("begun")
    with suppress(KeyboardInterrupt):
        run_search(space, table, data, target_s, settings, begun, progress=_Interrupting(), limits=limits)


class _Interrupting:
    """Ends a search in its first epoch, when it has left a checkpoint."""

    def advance(self, phase: str, done: int, total: int, text: str) -> None:  # noqa: ARG002
        if done > 0:
            raise KeyboardInterrupt


def _baseline(name: str, kind: str, architecture: tuple[int, ...] | None) -> BaselineRecord:
    return BaselineRecord.model_validate(
        {
            "name": name,
            "kind": kind,
            "accuracy": 0.5,
            "predicted_latency_s": 1e-3,
            "macs": 1000,
            "parameters": 100,
            "architecture": architecture,
            "seconds": {"search": 0.0, "training": 1.0},
        }
    )


def _series(workspace: Workspace) -> None:
    there = "there/tflite-t1-fp32-b1"
    names = ((FOUND, str(TARGET)), ("begun", there))
    members = tuple(Member(name=name, target=target, target_latency_s=1e-3) for name, target in names)
    Series(name=SERIES, members=members).save(workspace.search_dir(SERIES))
    cells = {str(TARGET): Cell(predicted_ms=1.0, first_ms=1.0, second_ms=1.25), there: Cell(reason="it is gone")}
    rows = tuple(
        Row(
            name=name,
            kind="derived",
            target=target,
            target_latency_ms=1.0,
            accuracy=0.5,
            input_shape=(1, 8, 8),
            macs=1000,
            parameters=100,
            key=name,
            cells=cells,
        )
        for name, target in names
    )
    CrossTable(name=SERIES, targets=(str(TARGET), there), rows=rows).save(workspace.search_dir(SERIES))


IDX_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _images(root: Path) -> None:
    """An image folder of two classes, and MNIST's four files."""
    arrays = (*_arrays(4, 0), *_arrays(4, 1))
    (root / "idx").mkdir()
    (root / "idx_gz").mkdir()
    for name, array in zip(IDX_NAMES, arrays, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = header + array.astype(np.uint8).tobytes()
        (root / "idx" / name).write_bytes(content)
        (root / "idx_gz" / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    for part, (pictures, labels) in (("train", arrays[:2]), ("test", arrays[2:])):
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            folder = root / "images" / part / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{index}.png")


def image_seeds() -> dict[str, bytes]:
    """The same picture in every format, by its suffix."""
    picture, found = Image.fromarray(_arrays(1, 2)[0][0]), {}
    for suffix, kind in (
        ("png", "PNG"),
        ("jpg", "JPEG"),
        ("bmp", "BMP"),
        ("gif", "GIF"),
        ("tif", "TIFF"),
        ("webp", "WEBP"),
    ):
        out = io.BytesIO()
        picture.save(out, kind)
        found[suffix] = out.getvalue()
    return found


def _singles(root: Path, workspace: Workspace, space: Space, table: LatencyTable) -> None:
    """Files that belong to no search and no target."""
    network = next(_networks(space))
    network.save(root / "net.json")
    graph = _graphs()[0]
    graph.save(root / "graph.json")  # type: ignore[union-attr]
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
    artefact = ArtefactCache(root / "cache").artefact(network, TARGET)
    (root / "sidecar_of").write_text(artefact.path.with_suffix(".json").name)
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


def bombs(folder: Path) -> None:
    """Small files that claim or unpack to gigabytes, and documents that a careless reader takes for ever with."""
    folder.mkdir(parents=True)
    merges = "\n".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 11))
    (folder / "merges.yaml").write_text("a0: &a0 {k: {mean: 1}}\n" + merges + "\n")
    aliases = "\n".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]" for n in range(1, 11))
    (folder / "aliases.yaml").write_text("b0: &b0 [x]\n" + aliases + "\n")
    values = ", ".join(str(number) for number in range(1, 1001))
    candidate = f'{{ kind = "mbconv", out_channels = [{values}], kernel = [{values}], expansion = [{values}] }}'
    (folder / "products.toml").write_text(SPACE.replace('{ kind = "pool" }', candidate))
    (folder / "digits.toml").write_text(f"value = {'9' * 100_000}\n")
    (folder / "dotted.toml").write_text("a." * 20_000 + "b = 1\n")
    (folder / "deep.json").write_text("[" * 200_000 + "]" * 200_000)
    (folder / "deep_object.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    (folder / "digits.json").write_text(json.dumps({"format": 0}).replace("0", "9" * 200_000))
    header = bytes([0, 0, 8, 1]) + (2**32 - 1).to_bytes(4, "big")
    (folder / "zeros.gz").write_bytes(gzip.compress(header, mtime=0) + 64 * gzip.compress(bytes(2**26), mtime=0))
    Image.new("1", (30_000, 30_000)).save(folder / "huge.png")
