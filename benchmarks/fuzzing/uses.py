"""What latkit does with a file that it has accepted: what the next command would do. All raise as latkit does."""

from __future__ import annotations

import itertools
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from benchmarks.fuzzing.corpus import FOUND, SERIES, TARGET, device
from benchmarks.fuzzing.terminal import Terminal
from latkit.devices import Ssh, holder_of, leased, list_devices, quarantine_of
from latkit.devices.bundle import read_bundle
from latkit.devices.toolchain import LOADERS
from latkit.devices.transports.ssh_config import resolve
from latkit.graphs import Graph, cut
from latkit.measurements import read_parquet
from latkit.models import load_model
from latkit.models.kernels import load_kernel_model
from latkit.models.kernels.fusion_file import FusionFile
from latkit.models.keys import KeyTable, imported_model
from latkit.ops import Network
from latkit.report.search import search_sections
from latkit.report.search_facts import read_search
from latkit.report.series import beside, series_sections
from latkit.report.target import target_sections
from latkit.report.target_facts import read_target
from latkit.runtimes.cache import ArtefactCache
from latkit.runtimes.onnx_graph import model_of_graph
from latkit.search import Recipe, load_data, load_network, run_search
from latkit.search.baselines import Baselines
from latkit.search.constraints import LIMITS_FILE, Limits, check_limits, load_limits
from latkit.search.folder import SearchFolder
from latkit.search.result import FILES, load_record
from latkit.spaces import Space, load_space_file
from latkit.tables import LatencyTable, PeakTable, macs_table, parameters_table
from latkit.workspace import Workspace
from latkit.workspace.series import searches_named, series_named

TARGET_NAME = str(TARGET)
MAX_OPS = 2000
"""A space of more ops is accepted, but its tables are not made: that takes as long as it is large."""
MAX_ELEMENTS = 10**7
"""A graph of larger tensors is accepted, but not written: so are its weights."""


class Uses:
    """The uses, in one workspace; `terminal` keeps what is printed. What is written goes into the folder `out`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.out = root / "out"
        self.terminal = Terminal()
        self.workspace = Workspace(root)
        self.found = root / "search" / FOUND

    def _run(self, *words: object) -> None:
        self.terminal.run(self.root, *words)

    @property
    def space(self) -> Space:
        """The space of the corpus."""
        return known_space(str(self.root))

    def report_search(self) -> None:
        """The page about a search."""
        facts = read_search(self.workspace, FOUND)
        str(search_sections(facts))
        str(beside(self.workspace, facts))

    def report_target(self) -> None:
        """The page about a target."""
        str(target_sections(read_target(self.workspace, TARGET)))

    def baselines(self) -> None:
        """Its record, then the page of its search."""
        Baselines.load(self.found)
        self.report_search()

    def series(self) -> None:
        """Its page."""
        found = series_named(self.workspace, SERIES)
        if found is None:
            return
        str(series_sections(self.workspace, found)[0])
        searches_named(self.workspace, [SERIES])

    def cross(self) -> None:
        """The page of its series."""
        self.series()

    def bundle(self) -> None:
        """The bundle, and what starts it if it is for a processor that there is an agent for."""
        found, _ = read_bundle(self.root / "bundle" / "bundle.json")
        if found.architecture in LOADERS:
            str(found.loader)

    def checkpoint(self) -> None:
        """The search goes on."""
        begun = self.root / "search" / "begun"
        recipe = load_record(Recipe, begun / FILES["recipe"])
        SearchFolder(begun, fabric()).saved(recipe)
        shutil.copytree(begun, self.out / "begun", symlinks=True)
        self._search(self.out / "begun", recipe, resume=True)

    def warm_up(self) -> None:
        """Another search begins from it."""
        recipe = load_record(Recipe, self.found / FILES["recipe"])
        self._search(self.out / "warm", recipe, warm_up=self.found / "warmup.pt")

    def _search(self, folder: Path, recipe: Recipe, resume: bool = False, warm_up: Path | None = None) -> None:
        table = LatencyTable.load(self.found / FILES["table"])
        limits = [one for one in load_limits(self.found / LIMITS_FILE, self.space) if one.name == "macs"]
        data = load_data(str(self.root / "data.npz"), 8, 1)
        run_search(
            self.space,
            table,
            data,
            recipe.target_latency_s,
            recipe.settings,
            folder,
            limits=limits,
            resume=resume,
            warm_up=warm_up,
        )

    def device(self) -> None:
        """Shown, listed, and on the page of its target."""
        list_devices(self.root / "devices")
        self._run("device", "show", "here")
        self._run("device", "list")
        self._run("device", "list", "--json")
        self.report_target()

    def quarantine(self) -> None:
        """Shown with its device."""
        str(quarantine_of(self.root / "devices", "here"))
        self._run("device", "show", "here")
        self._run("device", "list")

    def fusion(self) -> None:
        """The rules, then a model of kernels by them."""
        found = FusionFile.load(self.workspace.fusion_path(TARGET))
        if len(found.holding) > 1 or len(found.decided) < 2:
            self.workspace.fit_kernels(TARGET)

    def graph(self) -> None:
        """Predicted, cut, and written."""
        self._use_graph(Graph.load(self.root / "graph.json"))

    def _use_graph(self, graph: Graph) -> None:
        rules = FusionFile.load(self.workspace.fusion_path(TARGET)).holding
        parts = cut(graph, rules)
        self.workspace.kernel_model(TARGET).predict(graph)
        for place in range(min(len(parts.kernels), 4)):
            kernel = parts.kernel_graph(place)
            if sum(tensor.elements for tensor in kernel.tensors()) < MAX_ELEMENTS:
                model_of_graph(kernel, 0)

    def onnx(self) -> None:
        """Predicted."""
        self._run("predict", TARGET_NAME, self.root / "net.onnx")

    def idx(self) -> None:
        """All images."""
        self._fetch(f"idx:{self.root / 'idx'}", 1)

    def idx_gz(self) -> None:
        """All images."""
        self._fetch(f"idx:{self.root / 'idx_gz'}", 1)

    def npz(self) -> None:
        """All images."""
        self._fetch(str(self.root / "data.npz"), 1)

    def images(self) -> None:
        """All images."""
        self._fetch(str(self.root / "images"), 3)

    def _fetch(self, source: str, channels: int) -> None:
        data = load_data(source, 8, channels)
        for images in (data.train, data.test):
            images.fetch(torch.arange(len(images.labels)))
        str(data.sha256)

    def lease(self) -> None:
        """Who holds the device is shown; then it is taken, if it is free."""
        os.environ["LATKIT_LEASES"] = str(self.root / "leases")
        self._run("device", "show", "here")
        str(holder_of(device()))
        with leased(device(), "fuzzing"):
            pass

    def limits(self) -> None:
        """Looked up for every path, and as a loss."""
        space = self.space
        found = load_limits(self.found / LIMITS_FILE, space)
        check_limits(found, space)
        limits = Limits(found, 0.1)
        shape = [len(layer.candidates) for layer in space.choices]
        uniform = torch.full((len(shape), max(shape)), 1 / max(shape), dtype=torch.float64)
        float(limits(uniform))
        limits.update(uniform)
        limits.figures(uniform)
        for limit in found:
            limit.admits([0] * len(shape))
            limit.worded(limit.amount([0] * len(shape)))

    def model(self) -> None:
        """Predicts a network, makes a table, and stands on the target's page."""
        self._model("lookup")

    def xgboost(self) -> None:
        """Likewise."""
        self._model("xgboost")

    def _model(self, kind: str) -> None:
        found = load_model(self.workspace.model_path(TARGET, kind))
        self._run("predict", TARGET_NAME, self.root / "net.json", "--model", kind)
        self._table(self.space, found)
        self.report_target()

    def kernels(self) -> None:
        """Predicts a graph."""
        load_kernel_model(self.workspace.kernel_model_path(TARGET)).predict(Graph.load(self.root / "graph.json"))

    def network(self) -> None:
        """Predicted by either kind of model."""
        str(Network.load(self.root / "net.json").key)
        for kind in ("lookup", "xgboost"):
            self._run("predict", TARGET_NAME, self.root / "net.json", "--model", kind)

    def parquet(self) -> None:
        """Imported into an empty workspace, fitted, exported and shown."""
        read_parquet(self.root / "dataset.parquet")
        Workspace.init(self.out)
        self.terminal.run(self.out, "measurements", "import", self.root / "dataset.parquet")
        self._use_store(self.out)

    def sqlite(self) -> None:
        """Fitted, exported and shown."""
        with self.workspace.store(TARGET) as store:
            setups = store.setups()
            store.latest_boot_id()
            for setup in setups:
                store.scale(setup)
        self.out.mkdir(exist_ok=True)
        self._use_store(self.root)

    def _use_store(self, root: Path) -> None:
        workspace = Workspace(root)
        for path in sorted((root / "measurements").glob("*/*/measurements.sqlite")):
            name = f"{path.parent.parent.name}/{path.parent.name}"
            target = type(TARGET).parse(name)
            str(target_sections(read_target(workspace, target)))
            self.terminal.run(root, "measurements", "export", name, "-o", self.out / "again.parquet")
            self.terminal.run(root, "fit", name)

    def validation(self) -> None:
        """On the target's page."""
        self.report_target()

    def space_json(self) -> None:
        """Tables of it."""
        self._use_space(Space.load(self.root / "space.json"))

    def space_toml(self) -> None:
        """Tables of it, by the command too."""
        self._use_space(load_space_file(self.root / "pocket.toml"))
        self.out.mkdir(exist_ok=True)
        self._run("table", "export", TARGET_NAME, "--space", self.root / "pocket.toml", "-o", self.out / "table.json")

    def _use_space(self, space: Space) -> None:
        if len(space.ops()) > MAX_OPS:
            return
        str(space.key)
        macs_table(space).least()
        parameters_table(space).most()
        float(PeakTable(space).most())
        for kind in ("lookup", "xgboost"):
            self._table(space, self.workspace.model(TARGET, kind))

    def _table(self, space: Space, model: Any) -> None:
        self._use_table(LatencyTable(space, model))

    def _use_table(self, table: LatencyTable) -> None:
        rows = table.rows()
        table.fastest()
        table.slowest()
        uniform = torch.full(table.mask.shape, 1 / table.mask.shape[-1], dtype=torch.float64)
        float(table(uniform))
        paths = itertools.islice(itertools.product(*(range(len(row)) for row in rows)), 64)
        table.lookup(torch.tensor(list(paths), dtype=torch.uint8))

    def table_json(self) -> None:
        """Looked up and written again."""
        self._table_file("table.json")

    def table_safetensors(self) -> None:
        """Likewise."""
        self._table_file("table.safetensors")

    def _table_file(self, name: str) -> None:
        table = LatencyTable.load(self.root / name)
        self._use_table(table)
        self.out.mkdir(exist_ok=True)
        table.save(self.out / name)

    def weights(self) -> None:
        """Classifies an image."""
        load_network(self.found)(torch.zeros(1, 1, 8, 8))

    def yaml(self) -> None:
        """Imported, and made a table of."""
        model = imported_model(KeyTable.read(self.root / "keys.yaml"), TARGET)
        Workspace.init(self.out)
        self.terminal.run(self.out, "table", "import", self.root / "keys.yaml", "--device", "phone")
        self._table(self.space, model)

    def ssh_config(self) -> None:
        """Two aliases resolved."""
        for name in ("board", "behind"):
            resolve(Ssh(host=name, config=str(self.root / "ssh_config")), 1.0)

    def known_hosts(self) -> None:
        """The keys of a host."""
        from latkit.devices.transports.known_hosts import known_keys

        known_keys(resolve(Ssh(host="board", config=str(self.root / "known_config")), 1.0))

    def sidecar(self) -> None:
        """An artefact from the cache."""
        network = Network.load(self.root / "net.json")
        ArtefactCache(self.root / "cache").artefact(network, TARGET)


@cache
def known_space(root: str) -> Space:
    """The space of the corpus, read before anything is mutated."""
    return load_space_file(Path(root) / "known.toml")


@cache
def fabric() -> Fabric:
    """One process, on the CPU."""
    return Fabric(accelerator="cpu", devices=1)
