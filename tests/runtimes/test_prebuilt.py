"""Files that are used where torch is not installed: they are what torch exports."""

import sys
from pathlib import Path

import pytest

from latkit.artifacts.cache import ArtifactCache
from latkit.artifacts.export import export_subject
from latkit.errors import MissingExtra
from latkit.ops import Network
from latkit.runtimes import list_runtimes
from latkit.runtimes.onnxruntime import ONNXRUNTIME, PREBUILT_BY
from latkit.targets import Target
from latkit.timing import REFERENCE
from tests.builders import conv, network_of

TARGET = Target("here", "onnxruntime")
FILES = [(runtime, path) for runtime in list_runtimes() if runtime.prebuilt for path in runtime.prebuilt.iterdir()]


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of what needs torch fails as without it."""

    class Blocked:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "latkit.artifacts.export":
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.delitem(sys.modules, "latkit.artifacts.export", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Blocked(), *sys.meta_path])


def test_the_reference_is_the_file_that_torch_exports(tmp_path: Path) -> None:
    assert [path.name for _, path in FILES] == [f"{REFERENCE.key}-b1.onnx"]
    if ONNXRUNTIME.exporter != PREBUILT_BY:
        pytest.skip(f"the prebuilt file is of {PREBUILT_BY}, here is {ONNXRUNTIME.exporter}")
    exported = export_subject(ONNXRUNTIME, REFERENCE, tmp_path / "reference.onnx")
    assert exported.path.read_bytes() == FILES[0][1].read_bytes()
    assert ArtifactCache(tmp_path).artifact(REFERENCE, TARGET).sha256 == exported.sha256


def test_without_torch_the_reference_is_copied(tmp_path: Path, no_torch: None) -> None:
    copied = ArtifactCache(tmp_path).artifact(REFERENCE, TARGET)
    assert copied.path.read_bytes() == FILES[0][1].read_bytes()
    assert ArtifactCache(tmp_path).artifact(REFERENCE, TARGET) == copied


@pytest.mark.parametrize(("subject", "batch"), [(REFERENCE, 2), (network_of(conv(4)), 1)])
def test_without_torch_anything_else_names_the_extra(
    tmp_path: Path, no_torch: None, subject: Network, batch: int
) -> None:
    with pytest.raises(MissingExtra, match=r"latkit\[collect\]"):
        ArtifactCache(tmp_path).artifact(subject, Target("here", "onnxruntime", batch=batch))
    assert list(tmp_path.iterdir()) == []
