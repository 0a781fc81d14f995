"""The code of pages: Python with what its page takes for granted, and commands that measure nothing."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from latkit.devices import load_device
from latkit.spaces import load
from latkit.tables import LatencyTable
from tests.conftest import Run
from tests.forking import Forks
from tests.pages import DOCS, blocks
from tests.search.evaluators.test_tables import write201
from tests.test_docs import RUN
from tests.test_docs_commands import BLOCKS, commands

ROOT = Path(__file__).parents[1]
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

BY_TEST = {
    "concepts/search.md": "tests/search/test_run.py",
    "howto/own-space.md": "tests/test_readme.py",
    "howto/plugin.md": "tests/test_docs_commands.py",
    "howto/precision.md": "tests/artifacts/test_quantized.py",
    "howto/quantize.md": "tests/workspace/test_quantize.py",
    "once-for-all.md": "tests/search/once_for_all/test_specialize.py",
    "profile.md": "tests/workspace/profiling/test_modules.py",
    "reference/file-formats.md": "tests/ops/test_network.py",
}
"""Pages whose code is run, or read, by the tests of what it is about."""

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


def test_the_code_of_every_page_is_run() -> None:
    code = re.compile("^```(python|toml|json|yaml)$", re.MULTILINE)
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if code.search(path.read_text("utf-8"))}
    assert pages - {*RUN, *PYTHON, "spaces.md"} <= set(BY_TEST)
    for page, test in BY_TEST.items():
        assert page in pages
        assert Path(page).name.removesuffix(".md") in (ROOT / test).read_text("utf-8"), test


def test_the_files_on_pages_are_read(tmp_path: Path) -> None:
    (space,), (device,) = blocks("spaces.md", "toml"), blocks("reference/file-formats.md", "toml")
    (tmp_path / "mine.toml").write_text(space)
    assert load(str(tmp_path / "mine.toml")).name == "mine"
    (tmp_path / "pi4.toml").write_text(device)
    assert load_device(tmp_path, "pi4").runtimes == {"tflite": "ai-edge-litert 2.3.0"}
    (tmp_path / "table.json").write_text(blocks("reference/file-formats.md", "json")[1])
    assert LatencyTable.load(tmp_path / "table.json").min() == pytest.approx(0.004)


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON)
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, forked: Forks) -> None:
    number, before, after = PYTHON[page]
    block = blocks(page, "python")[number]
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


@pytest.mark.slow
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


@pytest.mark.slow
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
