"""Every example is run."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from latkit.tables import LatencyTable
from tests.forking import Forks

ROOT = Path(__file__).parents[1]
SCRIPTS = {"profile_model", "collect_and_fit", "training_loop", "lightning_module"}
KERNEL = "forked"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


Run = Callable[[str, Path], str]
"""Runs an example with one argument; returns its output."""


@pytest.fixture
def run(forked: Forks) -> Run:
    def output(name: str, argument: Path) -> str:
        program = ROOT / "examples" / f"{name}.py"
        ended = forked.run(program, argument, cwd=argument.parent, env={"PYTHONPATH": str(ROOT)})
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return output


def test_every_example_is_listed() -> None:
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py")}
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert scripts == SCRIPTS
    assert all(f"`{name}.py`" in listed for name in scripts)


@pytest.mark.slow
@pytest.mark.device
def test_a_profile_from_python(tmp_path: Path, run: Run) -> None:
    assert run("profile_model", tmp_path).count("Conv") == 2


@pytest.mark.slow
@pytest.mark.device
def test_a_space_is_collected_and_fitted(tmp_path: Path, run: Run) -> None:
    assert "LookupModel of here/onnxruntime" in run("collect_and_fit", tmp_path)
    assert LatencyTable.load(tmp_path / "table.json").min() > 0


@pytest.mark.slow
@pytest.mark.parametrize("script", ["training_loop", "lightning_module"])
def test_a_training_loop_with_the_latency_in_its_loss_finds_a_fast_network(
    script: str, tmp_path: Path, run: Run
) -> None:
    rows = [[1e-3, 9e-3, 9e-3], [9e-3, 1e-3], [9e-3, 9e-3, 1e-3]]
    LatencyTable.from_seconds("made-up", "0" * 8, rows, 1e-3).save(tmp_path / "table.json")
    assert "candidates (0, 1, 2): 4 ms" in run(script, tmp_path / "table.json")


def test_there_are_three_notebooks_with_pictures_in_them() -> None:
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        cells = nbformat.read(path, 4).cells
        outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
        assert any("image/png" in output.get("data", {}) for output in outputs), path.name
        assert all(output.output_type != "error" for output in outputs)
        assert f"notebooks/{path.name}" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")


def write_kernel(folder: Path, forked: Forks) -> Path:
    """Write what Jupyter starts for a notebook: IPython in a process that need not import torch."""
    argv = [str(forked.python(folder)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    argv.append("--matplotlib=inline")  # else decided by a variable, when matplotlib is imported
    (folder / "kernels" / KERNEL).mkdir(parents=True)
    description = {"argv": argv, "display_name": KERNEL, "language": "python"}
    (folder / "kernels" / KERNEL / "kernel.json").write_text(json.dumps(description))
    return folder


@pytest.mark.slow
@pytest.mark.device
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, forked: Forks, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("LATKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PATH", str(write_kernel(tmp_path, forked)))
    notebook = nbformat.read(path, 4)
    search_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", search_path)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=120, kernel_name=KERNEL, resources=where).execute()
    drawn = [cell for cell in notebook.cells if "plt.show" in cell.source]
    assert all("image/png" in str(cell.outputs) for cell in drawn)
