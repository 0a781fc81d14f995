"""Profile a torch module's ONNX file on this machine: python examples/profile_model.py FOLDER."""

import sys
from pathlib import Path

import torch
from torch import nn

import latkit
from latkit.devices import Local


def main(folder: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2)).eval()
    path = folder / "model.onnx"
    torch.onnx.export(module, (torch.zeros(1, 3, 64, 64),), path, dynamo=False)

    workspace = latkit.Workspace.init(folder)
    workspace.add_device(latkit.AddDeviceRequest(name="here", address=Local(), python=sys.executable))
    request = latkit.ProfileRequest(
        target=latkit.Target.parse("here/onnxruntime"),
        models=(latkit.ModelRequest(path),),
        plan=latkit.TimingPlan(rounds=3, round_s=0.05),
    )
    (profile,) = workspace.profile(request).profiles
    print(profile)
    for op in profile.ops:
        print(f"{op.share_percent:5.1f} %  {op.kind}  {op.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
