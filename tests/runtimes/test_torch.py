"""TorchScript: loaded in one line, moved whole, and harmless when forged."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from latkit.artifacts.export import check_export, export_subject
from latkit.artifacts.weights import seeded_module
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.runtimes import get_runtime
from latkit.timing import REFERENCE

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.load.*:DeprecationWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return export_subject(get_runtime("torch"), REFERENCE, tmp_path / "a.pt").path


def test_a_device_loads_it_in_one_line(path: Path) -> None:
    module = torch.jit.load(path, map_location="cpu")
    with torch.inference_mode():
        output = module(torch.randn(1, *REFERENCE.input_shape))
    assert output.shape == (1, *REFERENCE.output_shape)
    assert not module.training


def test_all_of_it_moves_to_another_device(path: Path) -> None:
    module = torch.jit.load(path, map_location="meta")
    output = module(torch.empty(1, *REFERENCE.input_shape, device="meta"))
    assert output.device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")
@pytest.mark.parametrize("workload", [OVERHEAD_PROBE, REFERENCE], ids=lambda workload: workload.title)
def test_a_gpu_computes_what_the_cpu_computes(workload: Op | Network, tmp_path: Path) -> None:
    artifact = export_subject(get_runtime("torch_cuda"), workload, tmp_path / "a.pt", batch=2)
    # convolutions run in TF32 by default there, which keeps 10 bits of the mantissa
    assert check_export(artifact, seeded_module(workload), workload.input_shape, batch=2) < 0.05


class _Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code from the file was run')",)


def test_a_forged_file_runs_no_code(path: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.pt"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(forged, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, pickle.dumps(_Attack(), 2) if name.endswith("data.pkl") else good.read(name))
    with pytest.raises(RuntimeError):
        torch.jit.load(forged)
