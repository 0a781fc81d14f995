"""Measure a small search space on this machine, fit a model, and write its table.

    python examples/collect_and_fit.py FOLDER

FOLDER becomes a workspace, and table.json is written into it. The rounds are few and short, to finish in a minute: a
measurement that counts uses the defaults.
"""

import sys
from pathlib import Path

import latkit
from latkit.devices import Local


def main(folder: Path) -> None:
    workspace = latkit.Workspace.init(folder)
    workspace.add_device(latkit.AddDeviceRequest(name="here", address=Local(), python=sys.executable))
    target, space = latkit.Target.parse("here/onnxruntime"), latkit.spaces.proxyless_tiny(resolution=8)
    print(space)
    workspace.collect(
        latkit.CollectRequest(targets=(target,), space=space, networks=4, rounds=2, round_s=0.01, extra_rounds=0)
    )
    model = workspace.fit(latkit.FitRequest(target=target, space=space)).models["lookup"]
    print(model)
    table = latkit.LatencyTable(space, workspace.model(target))
    table.save(folder / "table.json")
    print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
