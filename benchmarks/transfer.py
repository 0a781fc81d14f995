"""A new device from few measurements: NAS-Bench-201 and FBNet, each known device held out in turn as the new one.

    python benchmarks/transfer.py [--data DIR] [--devices FILE.npz] [--samples 10 20] [--json]

For each device, ten or twenty networks are chosen by the other devices and the architectures, "measured" (read from the
data), and all others predicted. A device that the data holds at several batch sizes is held out completely.
`--devices FILE.npz`: the devices of this file are the new ones, and all of those in DIR the known ones. DIR
holds `nasbench201_latency_ms.npz` and `fbnet_latency_ms.npz`: the array `arch` (and `op_names`), and one of
milliseconds for each device.

Columns: Spearman's correlation and the mean absolute error over the networks that were not measured; `ceiling`: the
correlation of a sum of ops fitted to every network's answer; `in 90 %`: how many latencies lie in their 90 % interval;
seconds: learning from the known devices, choosing, inferring and predicting, in total.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import norm, spearmanr

from benchmarks.published_features import fbnet, nasbench201
from latkit.latency_models.transfer import Prior, choose_rows, infer
from latkit.latency_models.transfer.prior import fitted_latencies

Floats = NDArray[np.float64]
FILES = {"nasbench201": "nasbench201_latency_ms.npz", "fbnet": "fbnet_latency_ms.npz"}
DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
BATCHES = ("1", "32", "64", "256")
COVERED = 0.9


@dataclass(frozen=True)
class Row:
    """How well one device was predicted from a number of measurements."""

    device: str
    samples: int
    spearman: float
    ceiling: float
    mape_percent: float
    in_interval_percent: float
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Family:
    """Networks of one space, and their latencies on some devices."""

    name: str
    counts: Floats
    make_prior: Callable[[list[Floats]], Prior]
    latencies_ms: dict[str, Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--devices", type=Path)
    parser.add_argument("--samples", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    requested = read(given.devices) if given.devices else None
    results: dict[str, list[Row]] = {}
    for name, file in FILES.items():
        if requested is None or requested.name == name:
            known = read(given.data / file)
            results[name] = judge(known, requested, given.samples)
            show(name, results[name], given.samples)
    if given.json:
        print(json.dumps(document(results, given.samples)))


def read(path: Path) -> Family:
    """A data file; its architectures show which family it is of."""
    if not path.is_file():
        sys.exit(f"expected latencies of known devices in {path}, but there is no such file; name its folder by --data")
    data = np.load(path, allow_pickle=False)
    latencies = {name: data[name].astype(float) for name in data.files if name not in ("arch", "op_names")}
    architectures = data["arch"]
    if "op_names" in data.files or architectures.dtype.kind in "iu":
        op_names = [str(name) for name in data["op_names"]]
        counts = fbnet.count_ops(architectures, len(op_names))
        return Family("fbnet", counts, lambda known: fbnet.prior(architectures, op_names, known), latencies)
    cells = nasbench201.parse_cells(architectures)
    counts = np.eye(len(nasbench201.OPS))[cells].reshape(len(cells), -1)
    return Family("nasbench201", counts, lambda known: nasbench201.prior(cells, known), latencies)


def device_of(entry: str) -> str:
    """The device of an entry: 1080ti_32 and 1080ti_256 are one GPU, titan_rtx_1 another."""
    start, _, end = entry.rpartition("_")
    return start if end in BATCHES and start else entry


def judge(known: Family, requested: Family | None, samples: list[int]) -> list[Row]:
    """Predict each entry of `requested`, or else of `known`, from all of `known` except its own device's entries."""
    new = known if requested is None else requested
    if len(new.counts) != len(known.counts) or not np.array_equal(new.counts, known.counts):
        sys.exit(
            f"expected the {len(known.counts)} architectures of the known devices in their order, but found others"
        )
    rows = []
    for name, latencies in new.latencies_ms.items():
        held_out = device_of(name) if requested is None else None
        others = {entry: ms for entry, ms in known.latencies_ms.items() if device_of(entry) != held_out}
        ceiling = correlation(fitted_latencies(known.counts, latencies[:, None])[:, 0], latencies)
        for count in samples:
            rows.append(predict(known, others, name, latencies, count, ceiling))
            print(f"{known.name}: {name} from {count}: {rows[-1].spearman:.3f}", file=sys.stderr)
    return rows


def predict(
    known: Family, others: Mapping[str, Floats], name: str, latencies: Floats, count: int, ceiling: float
) -> Row:
    """Choose networks, look up their latencies, predict the rest."""
    started, started_cpu = time.perf_counter(), time.process_time()
    by_device: dict[str, list[Floats]] = {}
    for entry, other in others.items():
        by_device.setdefault(device_of(entry), []).append(other)
    prior = known.make_prior([np.column_stack(entries) for entries in by_device.values()])
    measured = choose_rows(prior, count)
    answers = latencies[measured]
    quantum_ms = 1.0 if np.array_equal(answers, np.round(answers)) else 0.0
    inferred = infer(prior, measured, answers, quantum_ms)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    unseen = np.setdiff1d(np.arange(len(latencies)), measured)
    mean, truth = inferred.mean[unseen], latencies[unseen]
    deviation = np.sqrt(inferred.deviation**2 + (inferred.noise * inferred.mean) ** 2 + quantum_ms**2 / 12)[unseen]
    inside = np.abs(mean - truth) <= norm.ppf((1 + COVERED) / 2) * deviation
    error = 100 * float(np.mean(np.abs(mean / truth - 1)))
    covered = 100 * float(inside.mean())
    return Row(name, count, correlation(mean, truth), ceiling, error, covered, seconds, cpu_seconds)


def correlation(predicted: Floats, truth: Floats) -> float:
    return float(spearmanr(predicted, truth).statistic)


def document(results: dict[str, list[Row]], samples: list[int]) -> dict[str, object]:
    """What --json prints: means over devices, `seconds` of the slowest device, and every row."""
    every = [row for rows in results.values() for row in rows]
    means: dict[str, object] = {}
    errors: dict[str, object] = {}
    worst: dict[str, object] = {}
    for name in FILES:
        groups = {str(count): [row for row in results.get(name, []) if row.samples == count] for count in samples}
        there = bool(results.get(name))
        means[name] = {n: float(np.mean([r.spearman for r in rows])) for n, rows in groups.items()} if there else None
        errors[name] = (
            {n: float(np.mean([r.mape_percent for r in rows])) for n, rows in groups.items()} if there else None
        )
        worst[name] = {n: min(r.spearman for r in rows) for n, rows in groups.items()} if there else None
    return {
        **means,
        "seconds": max(row.seconds for row in every),
        "cpu_seconds": max(row.cpu_seconds for row in every),
        "mape_percent": errors,
        "worst_spearman": worst,
        "devices": {name: [asdict(row) for row in rows] for name, rows in results.items()},
    }


def show(name: str, rows: list[Row], samples: list[int]) -> None:
    table = Table(title=f"{name}: each device predicted from a few measurements")
    titles = ("Spearman", "error %", "in 90 %", "seconds")
    for column in ["device", "ceiling", *(f"{title}, {count}" for count in samples for title in titles)]:
        table.add_column(column, justify="left" if column == "device" else "right")
    for device in dict.fromkeys(row.device for row in rows):
        mine = [row for row in rows if row.device == device]
        table.add_row(device, f"{mine[0].ceiling:.3f}", *(cell for row in mine for cell in cells(row)))
    for title, pick in (("mean", np.mean), ("worst", np.min)):
        groups = [[row for row in rows if row.samples == count] for count in samples]
        spearmans = [f"{pick([row.spearman for row in group]):.3f}" for group in groups]
        rest = [
            [
                f"{np.mean([row.mape_percent for row in g]):.2f}",
                f"{np.mean([row.in_interval_percent for row in g]):.0f}",
                f"{max(row.seconds for row in g):.2f}",
            ]
            for g in groups
        ]
        filled = [
            cell for s, r in zip(spearmans, rest, strict=True) for cell in (s, *(r if title == "mean" else [""] * 3))
        ]
        table.add_row(title, f"{pick([row.ceiling for row in rows]):.3f}", *filled)
    Console(width=150).print(table)


def cells(row: Row) -> list[str]:
    return [f"{row.spearman:.3f}", f"{row.mape_percent:.2f}", f"{row.in_interval_percent:.0f}", f"{row.seconds:.2f}"]


if __name__ == "__main__":
    main()
