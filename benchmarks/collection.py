"""Cost of collecting, compared with the inference in it: every op of a space, and optionally networks for calibration.

    python benchmarks/collection.py [--space proxyless-mobile] [--runtime onnxruntime] [--networks 0]
                                    [--load quiet|loaded] [--json]

Artifacts are exported before the clock starts; with `--load loaded`, a busy process runs on each core. Prints the
seconds of the collection, the seconds of pure inference in it (warm-up runs included), where the rest went, and the
ratio of the two. `ops` counts the runtime's fixed cost as one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile

from benchmarks.repeatability import LOADS
from latkit.cli.console import show_facts
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, add_device
from latkit.evaluation.validation import fit_networks
from latkit.ops import Network
from latkit.progress import Callbacks
from latkit.spaces import load
from latkit.targets import Target
from latkit.workspace import Workspace, fit_workloads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-mobile")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--networks", type=int, default=0)
    parser.add_argument("--load", choices=LOADS, default="quiet")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    space, target = load(given.space), Target("here", given.runtime)
    workloads = [*fit_workloads(space), *fit_networks(space, given.networks)]
    with tempfile.TemporaryDirectory() as folder, ConsoleProgress() as progress:
        workspace = Workspace.init(folder)
        add_device(workspace.devices_dir, "here", Local(), python=sys.executable)
        export = workspace.exporter(target)
        for done, workload in enumerate(workloads, start=1):
            export(workload)
            progress.advance("exporting", done, len(workloads), workload.title)
        with LOADS[given.load](), workspace.collection(target, callbacks=Callbacks(progress)) as collection:
            summary = collection.run(workloads)
    figures: dict[str, str | int | float | None] = {
        "target": str(target),
        "space": space.name,
        "load": given.load,
        "ops": sum(not isinstance(workload, Network) for workload in workloads),
        "networks": given.networks,
        "visits": summary.rounds,
        "seconds": summary.seconds,
        "inference_seconds": summary.inference_seconds,
        "export_seconds": summary.export_seconds,
        "push_seconds": summary.push_seconds,
        "load_seconds": summary.load_seconds,
        "idle_seconds": summary.idle_seconds,
        "overhead_ratio": summary.seconds / summary.inference_seconds,
    }
    show_facts("collection beside inference", figures)
    if given.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
