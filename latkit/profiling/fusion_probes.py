"""Fusion probes for external networks: how a runtime fuses, what kernels take, what adjacent kernels
save; resumable.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latkit.artifacts import check_takes_graphs
from latkit.artifacts.quantized_graphs import quantized_graph
from latkit.errors import ExportError
from latkit.graphs import Candidate, Graph, Rule, candidates, partition_graph, stacks
from latkit.graphs.reported import reported_rules
from latkit.latency_models.kernels.features import kernel_specs
from latkit.latency_models.kernels.fusion import decide, probes
from latkit.latency_models.kernels.fusion_file import FusionFile, fusion_file
from latkit.latency_models.kernels.sampling_plan import choose_kernels, drawn_networks, plan
from latkit.measurements import select
from latkit.ops import OVERHEAD_PROBE
from latkit.profiling import Collection, CollectionSummary
from latkit.profiling.fusion_reports import fusion_reports
from latkit.runtimes import get_runtime
from latkit.timing import Workload, estimate, reference_seconds

MAX_PROBE_STEPS = 4
"""Maximum number of units by which a kernel grows: one per pass of probes."""

BATCH = 48
"""Number of kernels to measure before the model's errors are estimated again."""

QUANTIZED_NETWORKS = 96
"""Number of networks that are quantized to draw kernels from: each takes about a second."""

CALIBRATION_NETWORKS = 24
"""Number of whole networks to measure, for the calibration."""

EMPTY_SUMMARY = CollectionSummary(0, 0, 0, {}, finished=True, seconds=0.0, inference_seconds=0.0)


@dataclass(slots=True)
class Probing:
    """One run of the probes: its results so far, and its deadline."""

    collection: Collection
    deadline: float
    done: CollectionSummary = EMPTY_SUMMARY

    def measure(self, workloads: Sequence[Workload]) -> bool:
        """Measure what is missing of these workloads; whether all of them are measured now."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            self.done = replace(self.done, finished=False)
        else:
            limit_s = None if left_s == float("inf") else left_s
            self.done = self.done.plus(self.collection.run(workloads, max_seconds=limit_s, seed=self.done.rounds))
        return self.done.finished

    def seconds(self) -> dict[Workload, float]:
        """Seconds of the usable measurements so far, without the runtime overhead."""
        used = select(self.collection.store.measurements("fit")).used
        reference_s = reference_seconds(used)
        found = {m.workload: estimate(m, reference_s).seconds for m in used}
        fixed_s = found.get(OVERHEAD_PROBE, 0.0)
        return {workload: max(s - fixed_s, s / 1000) for workload, s in found.items()}


def collect_kernels(
    collection: Collection,
    path: Path,
    count: int,
    max_seconds: float | None = None,
    networks: Sequence[Graph] | None = None,
) -> CollectionSummary:
    """Learn the target's rules, saved at `path`, and measure `count` kernels, adjacent pairs and whole networks.

    By default, kernels come from latkit's own networks, which are deterministic. Earlier measurements count.
    `max_seconds` bounds the timing. Raises UsageError if the target's runtime does not run graphs, else as
    `Collection.run` does.
    """
    check_takes_graphs(collection.store.target)
    probing = Probing(collection, time.monotonic() + max_seconds if max_seconds else float("inf"))
    if not probing.measure([OVERHEAD_PROBE]):
        return probing.done
    runtime = get_runtime(collection.store.target.runtime)
    drawn = list(networks) if networks is not None else _drawn(collection)
    stacked = _in_precision(collection, stacks(runtime.graph_dialect)) if networks is None else []
    rules = learn_rules(probing, path, [*drawn, *stacked])
    if rules is None:
        return probing.done
    sampling_plan = plan(drawn, rules)
    calibration = [*drawn[:CALIBRATION_NETWORKS], *stacked, *_kernels(stacked, rules)]
    neighbors = [*sampling_plan.needed, *sampling_plan.pairs] if runtime.converts_layouts else []
    if probing.measure(calibration) and probing.measure(neighbors):
        while probing.done.finished:
            measured = {s.key: seconds for s, seconds in probing.seconds().items() if isinstance(s, Graph)}
            free = [p for p in sampling_plan.kernels if p.timed.title not in probing.done.failed]
            known = {p.key: measured[p.timed.key] for p in free if p.timed.key in measured}
            n_known = sum(spec.key in known for spec in free)
            batch = choose_kernels(free, sampling_plan.fractions, known, min(BATCH, count - n_known))
            if not batch or not probing.measure(batch):
                break
    return probing.done


def _drawn(collection: Collection) -> list[Graph]:
    """The networks that kernels are drawn from, in the target's precision. Raises ExportError if none can be made."""
    return _in_precision(collection, drawn_networks(get_runtime(collection.store.target.runtime).graph_dialect))


def _in_precision(collection: Collection, networks: Sequence[Graph]) -> list[Graph]:
    """Networks in the target's precision, the first `QUANTIZED_NETWORKS` of them if they are quantized for it.

    Raises ExportError if none can be made.
    """
    target = collection.store.target
    runtime = get_runtime(target.runtime)
    if target.precision == runtime.precisions[0]:
        return list(networks)
    chosen = networks[:QUANTIZED_NETWORKS]
    found, reason = [], ExportError(f"no network to quantize for {target}")
    for done, network in enumerate(chosen, start=1):
        try:
            found.append(quantized_graph(runtime, network, target.precision))
        except ExportError as error:
            reason = error
        collection.progress.advance("quantizing", done, len(chosen), network.title)
    if not found:
        raise reason
    return found


def _kernels(networks: Iterable[Graph], rules: frozenset[Rule]) -> dict[Graph, str]:
    """The kernels of networks as they are measured, and their keys."""
    return {spec.timed: spec.key for network in networks for spec in kernel_specs(partition_graph(network, rules))}


def learn_rules(probing: Probing, path: Path, drawn: Sequence[Graph]) -> frozenset[Rule] | None:
    """The rules saved at `path` for this runtime, completed for the drawn networks; None if the time ran out.

    By the runtime's own report where it has one; probes decide what is left.
    """
    collection = probing.collection
    runtime = collection.environment().runtime_version
    decided = _decided(path, runtime)
    undecided = [graph for graph in drawn if any(one.rule not in decided for one in _candidates(graph, decided))]
    if undecided:
        decided = reported_rules(fusion_reports(collection, undecided), decided, MAX_PROBE_STEPS)
        _save_rules(collection, path, decided)
    for _ in range(MAX_PROBE_STEPS):
        made = probes(drawn, [rule for rule, fused in decided.items() if fused], decided)
        if not made:
            break
        if not probing.measure(list(dict.fromkeys(graph for probe in made for graph in probe.graphs()))):
            return None
        seconds = probing.seconds()
        measured = [probe for probe in made if all(graph in seconds for graph in probe.graphs())]
        decided |= {probe.rule: False for probe in made} | decide(measured, seconds.__getitem__)
        _save_rules(collection, path, decided)
    if not path.exists():  # there was nothing to decide
        _save_rules(collection, path, decided)
    return frozenset(rule for rule, fused in decided.items() if fused)


def _candidates(graph: Graph, decided: dict[Rule, bool]) -> list[Candidate]:
    return candidates(graph, [rule for rule, fused in decided.items() if fused])


def _save_rules(
    collection: Collection, path: Path, decided: dict[Rule, bool], unmeasurable: Iterable[str] = ()
) -> None:
    """Write the decisions; what is known of kernels that cannot be measured stays, for one release of a runtime."""
    target, runtime = str(collection.store.target), collection.environment().runtime_version
    known = FusionFile.load(path) if path.exists() else None
    same = known is not None and known.runtime == runtime
    before = known.unmeasurable if known is not None and same else ()
    fusion_file(target, runtime, decided, {*before, *unmeasurable}).save(path)


def _decided(path: Path, runtime: str) -> dict[Rule, bool]:
    """The decisions about this release of the runtime."""
    if not path.exists():
        return {}
    known = FusionFile.load(path)
    return known.decided if known.runtime == runtime else {}


def collect_models(
    collection: Collection, path: Path, graphs: Sequence[Graph], max_seconds: float | None = None
) -> CollectionSummary:
    """Learn the rules that some networks need, and measure their own kernels and the networks as a whole.

    Adjacent pairs of kinds that were never measured are measured too. Raises UsageError if the target's runtime does
    not run graphs, else as `Collection.run` does.
    """
    check_takes_graphs(collection.store.target)
    probing = Probing(collection, time.monotonic() + max_seconds if max_seconds else float("inf"))
    if not probing.measure([OVERHEAD_PROBE]):
        return probing.done
    rules = learn_rules(probing, path, graphs)
    if rules is None:
        return probing.done
    sampling_plan = plan(graphs, rules)
    kernels = _kernels(graphs, rules)
    pairs = sampling_plan.pairs if get_runtime(collection.store.target.runtime).converts_layouts else ()
    probing.measure([*kernels, *pairs, *graphs])
    failed = {key for kernel, key in kernels.items() if kernel.title in probing.done.failed}
    if failed:
        _save_rules(collection, path, _decided(path, collection.environment().runtime_version), failed)
    return probing.done
