"""The code of pages: Python with what its page takes for granted, and commands that measure nothing."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from latkit.spaces import load
from tests.conftest import Run
from tests.forking import Forks
from tests.search.evaluators.test_tables import write201
from tests.test_docs_commands import BLOCKS, commands

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "tests" / "golden" / "workspace-0.1"
SEARCH = ROOT / "search" / "cifar10-zen3-vm-onnxruntime-t1"

PYTHON = {
    "once-for-all.md": (
        1,
        "import torch; torch.manual_seed(0)",
        "assert plain(torch.zeros(2, 3, 24, 24)).shape == (2, 10)",
    ),
    "howto/after-search.md": (
        0,
        f"import shutil, torch; shutil.copytree({str(SEARCH)!r}, 'net')\n"
        "images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)",
        "assert len(names) == 2 and all(isinstance(name, str) for name in names)",
    ),
    "reference/python/index.md": (0, "", ""),
    "strategies.md": (0, "", "assert len(outcome.entries) == 150"),
}
"""By page: which of its blocks, what stands before it, and what holds afterwards."""

NAMES = {
    "pi4/tflite-t4": "here/onnxruntime",
    "pi4/tflite": "here/onnxruntime",
    "pixel/tflite": "here/tflite",
    "pixel1/tflite": "here/tflite",
    "network.json": "search/found/architecture.json",
    "pixel1.yaml": "imported.yaml",
}
"""What stands for the names of a page in the golden workspace."""

COMMANDS = ("howto/exchange.md", "howto/collect.md", "howto/unattended-night.md", "tutorials/phone.md")
MEASURES_NOTHING = (
    *("measurements export", "measurements import", "table export", "table import"),
    *("device list", "fit", "predict", "report"),
)
"""Commands that are run; the others need a device, or minutes."""


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, forked: Forks) -> None:
    number, before, after = PYTHON[page]
    text = (DOCS / page).read_text(encoding="utf-8")
    block = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[number]
    if page == "strategies.md":
        (tmp_path / "DIR").mkdir()
        write201(tmp_path / "DIR", latency={"pixel3": np.linspace(1e-3, 4e-2, 5**6)})
    ended = forked.run("-c", f"{before}\n{block}\n{after}", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout or "print(" not in block


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the golden workspace, with a space under the names that pages use."""
    return shutil.copytree(GOLDEN, tmp_path_factory.mktemp("pages") / "workspace")


def in_blocks(page: Path) -> list[str]:
    """The commands of a page that are not only named in its text."""
    text = "".join(BLOCKS.findall(page.read_text(encoding="utf-8")))
    return [line for line in commands(page) if " ".join(line.split()[:3]) in text]


def in_the_golden_workspace(line: str) -> list[str]:
    """A command with the names of the golden workspace."""
    argv = shlex.split(re.split(r" +[#>;&] ", f"{line} ")[0])[1:]
    argv = [NAMES.get(word, word) for word in argv]
    if "--space" in argv:
        argv[argv.index("--space") + 1] = "small.toml"
    return argv


@pytest.mark.parametrize("page", COMMANDS)
def test_the_commands_of_a_page_run(page: str, golden: Path, latkit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(golden)
    lines = [line for line in in_blocks(DOCS / page) if line.startswith(tuple(f"latkit {c}" for c in MEASURES_NOTHING))]
    assert lines
    for line in lines:
        argv = in_the_golden_workspace(line)
        code, out, err = latkit(*argv)
        assert code == 0, f"{line}: {shlex.join(argv)}: {err}"
        assert out


def test_a_search_on_a_table_runs(golden: Path, latkit: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(golden)
    write201(tmp_path, latency={"pixel3": np.linspace(1e-3, 4e-2, 5**6)})
    (line,) = [line for line in commands(DOCS / "strategies.md") if "--benchmark nasbench201" in line]
    argv = shlex.split(line.replace("DIR", str(tmp_path)))[1:]
    code, out, err = latkit(*argv)
    assert code == 0, err
    assert "accuracy" in out
    assert (golden / "search" / "nb" / "report.html").is_file()


def test_the_spaces_of_pages_exist() -> None:
    for page in DOCS.rglob("*.md"):
        for name in re.findall(r"--space ([a-z][\w-]+)(?![\w./-])", page.read_text(encoding="utf-8")):
            if name != "ghost-tiny":  # of the plug-in that a page writes
                load(name)
