"""What collecting costs beside the inference it contains: every op of a space, and networks to calibrate on if asked.

    python benchmarks/collection.py [--space proxyless-mobile] [--runtime onnxruntime] [--networks 0]
                                    [--load quiet|loaded] [--json]

Artefacts are exported before the clock starts; with `--load loaded`, a busy process is kept on each core. Prints the
seconds of the collection, the seconds of pure inference in it (the runs that warm up among them), where the rest went,
and the ratio of the two. `ops` counts the runtime's fixed cost as one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile

from repeatability import LOADS

from latkit.cli.console import ConsoleProgress, show_facts
from latkit.devices import Local, add_device
from latkit.ops import Network
from latkit.spaces import load
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.validate import fit_networks
from latkit.workspace import Workspace, fit_subjects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-mobile")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--networks", type=int, default=0)
    parser.add_argument("--load", choices=LOADS, default="quiet")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    space, target = load(given.space), Target("here", given.runtime)
    subjects = [*fit_subjects(space), *fit_networks(space, given.networks)]
    with tempfile.TemporaryDirectory() as folder, ConsoleProgress() as progress:
        workspace = Workspace.init(folder)
        add_device(workspace.devices_dir, "here", Local(), python=sys.executable)
        export = workspace.exporter(target)
        for done, subject in enumerate(subjects, start=1):
            export(subject)
            progress.advance("exporting", done, len(subjects), subject.title)
        with LOADS[given.load](), workspace.collection(target, TimingPlan(), progress) as collection:
            collected = collection.run(subjects)
    figures: dict[str, str | int | float | None] = {
        "target": str(target),
        "space": space.name,
        "load": given.load,
        "ops": sum(not isinstance(subject, Network) for subject in subjects),
        "networks": given.networks,
        "visits": collected.visits,
        "seconds": collected.seconds,
        "inference_seconds": collected.inference_seconds,
        "export_seconds": collected.export_seconds,
        "push_seconds": collected.push_seconds,
        "load_seconds": collected.load_seconds,
        "idle_seconds": collected.idle_seconds,
        "overhead_ratio": collected.seconds / collected.inference_seconds,
    }
    show_facts("collection beside inference", figures)
    if given.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
