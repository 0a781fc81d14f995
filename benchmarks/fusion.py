"""How far a partition into kernels agrees with what the runtime reports: by rules from probes, and from its reports.

Of two neighbors, of which at least one is light (an activation, a sum, a padding), both partitions say whether they are
computed at once. On transformers' architectures with random weights (--architectures), or on model files.

    python benchmarks/fusion.py WORKSPACE [MODEL...] [--architectures] [--device NAME] [--no-probes] [--json]

What was measured is kept in the workspace: run it again to go on. `--quick` takes one small network.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.external_files import architectures, files_of
from latkit import Target, Workspace
from latkit.graphs import Graph, Rule
from latkit.graphs.reported import FusionReport, agreement, reported_rules
from latkit.latency_models.kernels.sampling_plan import drawn_networks
from latkit.profiling import Collection
from latkit.profiling.collector import TimingSession
from latkit.profiling.fusion_probes import MAX_PROBE_STEPS, Probing, learn_rules
from latkit.profiling.fusion_reports import fusion_reports
from latkit.runtimes import Artifact, get_runtime
from latkit.timing import Environment, Round, TimingPlan
from latkit.workspace import MeasureOptions

RUNTIMES = ("onnxruntime", "tflite")
PLAN = TimingPlan(3, 0.02, extra_rounds=0)
SUFFIXES = {"onnxruntime": ".onnx", "tflite": ".tflite"}


@dataclass(frozen=True, slots=True)
class SilentSession:
    """A session whose runtime reports nothing, so that rules come from probes."""

    session: TimingSession

    def environment(self, artifact: Artifact, reference: Artifact) -> Environment:
        """That of the session."""
        return self.session.environment(artifact, reference)

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        """One of the session's."""
        return self.session.measure_round(artifact, reference, plan)


def compare(workspace: Workspace, target: Target, graphs: dict[str, Graph], with_probes: bool) -> dict[str, Any]:
    """The agreement of both partitions with the reports, by network."""
    folder = workspace.root / "fusion" / str(target).replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    with workspace.collection(target, MeasureOptions(PLAN, wait_s=float("inf"))) as collection:
        reports = fusion_reports(collection, list(graphs.values()))
        by_report = holding(reported_rules(reports, {}, MAX_PROBE_STEPS))
        by_probes = probed_rules(collection, folder / "probed.json", list(graphs.values())) if with_probes else None
    found: dict[str, Any] = {"reported_networks": len(reports), "networks": len(graphs), "rows": []}
    for name, graph in graphs.items():
        report = next((one for known, one in reports if known is graph), None)
        if report is not None:
            found["rows"].append(row(name, graph, report, by_report, by_probes))
    if by_probes is not None:
        found["rules_fused"] = {"reported": len(by_report), "probed": len(by_probes)}
        found["rules_fused_by_one_alone"] = sorted("+".join(rule) for rule in by_probes ^ by_report)
    return found


def probed_rules(collection: Collection, path: Path, graphs: Sequence[Graph]) -> frozenset[Rule] | None:
    silent = replace(collection, session=SilentSession(collection.session))
    return learn_rules(Probing(silent, float("inf")), path, graphs)


def holding(decided: dict[Rule, bool]) -> frozenset[Rule]:
    return frozenset(rule for rule, fused in decided.items() if fused)


def row(
    name: str, graph: Graph, report: FusionReport, by_report: frozenset[Rule], by_probes: frozenset[Rule] | None
) -> dict[str, Any]:
    """One network: its neighbors, and the percentages on which each partition agrees with the report."""
    exact = agreement(graph, by_report, report)
    probed = {} if by_probes is None else {"probed_percent": agreement(graph, by_probes, report).percent}
    return {"network": name, **asdict(exact), "reported_percent": exact.percent, **probed}


def graphs_of(given: argparse.Namespace, runtime: str) -> dict[str, Graph]:
    """The networks to compare on, by name."""
    reader = get_runtime(runtime)
    if given.quick:
        drawn = drawn_networks(reader.graph_dialect)
        return {graph.title: graph for graph in drawn[:2]}
    files = {path.name: path for path in given.models if path.suffix == SUFFIXES[runtime]}
    if given.architectures:
        files |= files_of(given.workspace / "files", runtime, "fp32", architectures())
    return {name: reader.read_graph(path, {}, 1) for name, path in files.items()}


def show(runtime: str, found: dict[str, Any]) -> None:
    print(f"{runtime}: {found['reported_networks']} of {found['networks']} networks are reported")
    for one in found["rows"]:
        counted = ", ".join(
            f"{key.removesuffix('_percent')} {one[key]:.1f} %" for key in one if key.endswith("percent")
        )
        print(f"  {one['network']}: {one['neighbors']} neighbors, agreement by rules: {counted}")
    for rule in found.get("rules_fused_by_one_alone", ()):
        print(f"  fused by probes or by reports alone: {rule}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--architectures", action="store_true", help="ten architectures of transformers")
    parser.add_argument("--device", default="here")
    parser.add_argument("--no-probes", action="store_true", help="only what the runtimes report")
    parser.add_argument("--quick", action="store_true", help="two networks of latkit's own, to try the script")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    workspace, document = Workspace(given.workspace), {}
    for runtime in RUNTIMES:
        graphs = graphs_of(given, runtime)
        if graphs:
            target = Target.parse(f"{given.device}/{runtime}")
            document[runtime] = compare(workspace, target, graphs, not given.no_probes)
            if not given.json:
                show(runtime, document[runtime])
    if given.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
