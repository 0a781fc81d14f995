"""Torch modules are exported for the target's runtime, and profiled on the values of their example."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from latkit import ModelRequest, ProfileRequest, Target, Workspace
from latkit.artifacts.exported_program import load_exported_program
from latkit.errors import BadFile, ExportError, UsageError
from latkit.evaluation.ab import MIN_PASSES
from latkit.profiling.profile import Profile
from latkit.runtimes import get_runtime
from latkit.workspace.profiling.profiles import saved_profiles
from tests.conftest import Register
from tests.pages import run_python

ONNX, TFLITE = Target.parse("here/onnxruntime"), Target.parse("here/tflite")


class Embedded(nn.Module):
    """Rows of a table by ids, and a sum; the last argument is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 16)
        self.project = nn.Linear(16, 8)

    def forward(self, scale: Tensor, ids: Tensor, _unused: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.table(ids)
        return self.project(rows) * scale, rows


EXAMPLE = (torch.full((1, 1, 1), 2.0), torch.tensor([[3, 49, 1]]), torch.zeros(1, 2))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, register: Register) -> Workspace:
    folder = tmp_path_factory.mktemp("modules")
    made = Workspace.init(folder / "ws")
    register(made.devices_dir, folder / "agent")
    return made


def the_only(workspace: Workspace, target: Target) -> Profile:
    (found,) = saved_profiles(workspace, target)
    return found


@pytest.mark.slow
def test_a_module_of_several_inputs_and_outputs_is_profiled_on_its_example(workspace: Workspace) -> None:
    module = Embedded().train()
    (found,) = workspace.profile(ONNX, module, EXAMPLE).profiles
    assert found == the_only(workspace, ONNX)
    assert found.model == "Embedded.onnx"
    assert Path(found.path).is_file()
    inputs = {tensor.name: (tensor.type, tensor.shape) for tensor in found.model_file.inputs}
    assert inputs == {"input0": ("float32", (1, 1, 1)), "input1": ("int64", (1, 3))}
    assert found.macs == sum(op.macs or 0 for op in found.ops) == 3 * 16 * 8
    assert module.training, "the module is not changed"
    (again,) = workspace.profile(ONNX, module, EXAMPLE).profiles
    assert again.sha256 == found.sha256, "exported the same, and pushed once"
    (other,) = workspace.profile(ONNX, module, (*EXAMPLE[:1], torch.tensor([[3, 2, 1]]), EXAMPLE[2])).profiles
    assert other.model_file.key != found.model_file.key, "other values are another workload"


@pytest.mark.slow
def test_a_module_for_tflite_takes_images_channels_last(workspace: Workspace) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    (found,) = workspace.profile(TFLITE, module, torch.randn(1, 3, 10, 12)).profiles
    (taken,) = found.model_file.inputs
    assert (taken.type, taken.shape) == ("float32", (1, 10, 12, 3))
    assert found.macs == 8 * 8 * 10 * 27


def test_the_module_of_an_exported_program_is_profiled(workspace: Workspace) -> None:
    program = torch.export.export(nn.Linear(12, 5), (torch.randn(1, 12),))
    (found,) = workspace.profile(ONNX, program.module(), torch.randn(1, 12)).profiles
    assert found.macs == 60


@pytest.mark.slow
def test_the_python_of_the_page_about_profiles(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison ends after the fewest passes, however wide its interval is."""
    monkeypatch.setattr("latkit.workspace.profiling.comparisons.MAX_PASSES", MIN_PASSES)
    for number, name in enumerate(("model.onnx", "old.onnx", "new.onnx")):
        get_runtime("onnxruntime").export(nn.Linear(8, 4 + number), (torch.rand(1, 8),), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    left = run_python("profile.md", {}, {'Workspace(".")': f"Workspace({str(workspace.root)!r})"})
    assert left["profile"].model == "model.onnx"
    assert len(left["comparison"].passes) == MIN_PASSES


class Dictionary(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"y": x}


class Sorting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x).real


@pytest.mark.parametrize(
    ("target", "module", "example", "message"),
    [
        ("here/onnxruntime", "net", torch.randn(1), "expected a torch module to profile, but found str"),
        ("here/onnxruntime", nn.ReLU(), None, "expected a tensor, or a tuple of tensors, as the module's example"),
        ("here/onnxruntime", nn.Linear(3, 4), torch.randn(1, 5), "Linear fails on its example: RuntimeError"),
        ("here/onnxruntime", Dictionary(), torch.randn(1), "expected Dictionary to return a tensor"),
        ("here/onnxruntime", Sorting(), torch.randn(3, 3), "cannot export Sorting for onnxruntime"),
        ("here/torch", nn.ReLU(), torch.randn(1, 2), "expected a target with onnxruntime or tflite"),
        ("here/onnxruntime-b4", nn.ReLU(), torch.randn(1, 2), "expected an input of the target's batch, 4"),
    ],
)
def test_what_cannot_be_exported_is_named_in_one_line(
    workspace: Workspace, target: str, module: object, example: object, message: str
) -> None:
    before = sorted(workspace.target_dir(ONNX).rglob("*.json"))
    with pytest.raises((UsageError, ExportError)) as caught:
        workspace.profile(Target.parse(target), module, example)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(workspace.target_dir(ONNX).rglob("*.json")) == before


def saved_program(path: Path) -> Path:
    """A program with an open size: its file contains an expression."""
    sizes = ({1: torch.export.Dim("length", max=64)},)
    program = torch.export.export(nn.Linear(12, 5), (torch.ones(1, 3, 12),), dynamic_shapes=sizes)
    torch.export.save(program, path)
    return path


def test_an_exported_program_is_profiled_on_its_example(workspace: Workspace, tmp_path: Path) -> None:
    path = saved_program(tmp_path / "dense.pt2")
    (found,) = workspace.profile(ONNX, path).profiles
    assert (found.model, found.macs) == ("dense.onnx", 180)
    assert found.model_file.inputs_sha256
    request = ProfileRequest(target=ONNX, models=(ModelRequest(path), ModelRequest(path)))
    with pytest.raises(UsageError, match="expected different models"):
        workspace.compare_models(request)


def rewritten(source: Path, path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of an archive with a changed part; a part that is not there is added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name.endswith(part) else old.read(name))
        if not any(name.endswith(part) for name in old.namelist()):
            new.writestr(f"{source.stem}/{part}", change(b""))
    return path


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("models/model.json", "torch.ops.aten.linear.default", "torch.hub.load", "a call of 'torch.hub.load'"),
        ("models/model.json", '"guards_code": []', '"guards_code": ["exit()"]', "code of guards"),
        ("models/model.json", '{"as_int": 12}', '{"as_expr": {"expr_str": "f(x).y"}}', "the expression 'f(x).y'"),
        ("weights_config.json", '"use_pickle": false', '"use_pickle": true', "a pickled object"),
        ("data/aotinductor/model.so", "", "", "found 'data/aotinductor/model.so'"),
        ("models/other.json", "", "", "2 programs"),
        ("data/sample_inputs/model.pt", None, "", "none; load it in Python, and profile its module"),
    ],
)
def test_a_program_that_would_run_code_or_lacks_an_example_is_refused(
    tmp_path: Path, part: str, old: str | None, new: str, message: str
) -> None:
    def change(raw: bytes) -> bytes:
        if old is None:
            return b""
        changed = raw.replace(old.encode(), new.encode()) if old else b"{}"
        assert changed != raw
        return changed

    path = rewritten(saved_program(tmp_path / "dense.pt2"), tmp_path / "bad.pt2", part, change)
    with pytest.raises(BadFile) as caught:
        load_exported_program(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_of_torch_are_not_loaded(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(b"PK\x03\x04")
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "weights.pt2")
    for name, message in (("net.pt2", "BadZipFile"), ("weights.pt2", "an archive of pickled objects")):
        with pytest.raises(BadFile, match=message):
            workspace.profile(ONNX, tmp_path / name)
    with pytest.raises(UsageError, match="load it in Python and profile its module"):
        workspace.profile(ONNX, tmp_path / "net.pt")
