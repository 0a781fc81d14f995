"""Uses of measurements, models, spaces, tables, networks and graphs."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing.corpus_measured import TARGET
from benchmarks.fuzzing.uses_base import TARGET_NAME, UsesBase
from latkit.graphs import Graph, partition_graph
from latkit.latency_models import AdditiveModel, KernelModel, load_model
from latkit.latency_models.imported.proxyless_yaml import KeyTable, imported_model
from latkit.latency_models.kernels.features import features, kernel_specs
from latkit.latency_models.kernels.fusion_file import FusionFile
from latkit.measurements import read_parquet
from latkit.ops import Network
from latkit.report.sections.targets.target import target_sections
from latkit.report.sections.targets.target_facts import read_target
from latkit.runtimes.litert.graph import read_tflite_graph
from latkit.runtimes.litert.write import write_tflite
from latkit.runtimes.onnx.graph import model_of_graph
from latkit.spaces import Space, load_saved, load_space_file
from latkit.tables import LatencyTable, PeakTable, macs_table, parameters_table
from latkit.workspace import Workspace

MAX_OPS = 2000
"""A space of more ops is accepted, but its tables are not made: their cost grows with its size."""
MAX_ELEMENTS = 10**7
"""A graph of larger tensors is accepted, but not written: its weights are as large."""


class ModelUses(UsesBase):
    """Of models and of the measurements they are fitted on."""

    def fusion(self) -> None:
        """The rules, then a model of kernels by them."""
        found = FusionFile.load(self.workspace.fusion_path(TARGET))
        if len(found.holding) > 1 or len(found.decided) < 2:
            self.workspace.fit_kernels(TARGET)

    def graph(self) -> None:
        """Predicted, partitioned, and written."""
        self._use_graph(Graph.load(self.root / "graph.json"))

    def _use_graph(self, graph: Graph) -> None:
        rules = FusionFile.load(self.workspace.fusion_path(TARGET)).holding
        parts = partition_graph(graph, rules)
        self.workspace.kernel_model(TARGET).predict(graph)
        for place in range(min(len(parts.kernels), 4)):
            kernel = parts.kernel_graph(place)
            if sum(tensor.elements for tensor in kernel.tensors()) < MAX_ELEMENTS:
                model_of_graph(kernel, 0)

    def tflite(self) -> None:
        """Read, partitioned, and its kernels described and written."""
        parts = partition_graph(read_tflite_graph(self.root / "net.tflite"), ())
        for spec in kernel_specs(parts)[:4]:
            features(spec, ())
            if sum(tensor.elements for tensor in spec.graph.tensors()) < MAX_ELEMENTS:
                write_tflite(spec.graph, 0)

    def onnx(self) -> None:
        """Predicted."""
        self._run("predict", TARGET_NAME, self.root / "net.onnx")

    def model(self) -> None:
        """Predicts a network, makes a table, and is shown on the target's page."""
        self._model("lookup")

    def xgboost(self) -> None:
        """The same."""
        self._model("xgboost")

    def _model(self, kind: str) -> None:
        found = load_model(self.workspace.model_path(TARGET, kind), AdditiveModel)
        self._run("predict", TARGET_NAME, self.root / "net.json", "--model", kind)
        self._table(self.space, found)
        self.report_target()

    def kernels(self) -> None:
        """Predicts a graph."""
        KernelModel.load(self.workspace.kernel_model_path(TARGET)).predict(Graph.load(self.root / "graph.json"))

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
            environments = store.environments()
            store.latest_boot_id()
            for environment in environments:
                store.baseline(environment)
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
        self._use_space(load_saved(self.root / "space.json"))

    def space_toml(self) -> None:
        """Tables of it, by the command too."""
        self._use_space(load_space_file(self.root / "pocket.toml"))
        self.out.mkdir(exist_ok=True)
        self._run("table", "export", TARGET_NAME, "--space", self.root / "pocket.toml", "-o", self.out / "table.json")

    def _use_space(self, space: Space) -> None:
        if len(space.ops()) > MAX_OPS:
            return
        str(space.key)
        macs_table(space).min()
        parameters_table(space).max()
        float(PeakTable(space).max())
        for kind in ("lookup", "xgboost"):
            self._table(space, self.workspace.model(TARGET, kind))

    def table_json(self) -> None:
        """Looked up and written again."""
        self._table_file("table.json")

    def table_safetensors(self) -> None:
        """The same."""
        self._table_file("table.safetensors")

    def _table_file(self, name: str) -> None:
        table = LatencyTable.load(self.root / name)
        self._use_table(table)
        self.out.mkdir(exist_ok=True)
        table.save(self.out / name)

    def yaml(self) -> None:
        """Imported, and a table made of it."""
        model = imported_model(KeyTable.read(self.root / "keys.yaml"), TARGET)
        Workspace.init(self.out)
        self.terminal.run(self.out, "table", "import", self.root / "keys.yaml", "--device", "phone")
        self._table(self.space, model)
