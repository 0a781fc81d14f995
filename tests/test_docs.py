"""The documentation site: every page is in it, every public name has an entry, and the code of its tutorials runs."""

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import latkit as package
from tests.conftest import Run
from tests.forking import Forks
from tests.test_readme import quickened

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
LOADED_FROM_ELSEWHERE = re.compile(r"<(?:script|link|img|iframe|source)[^>]+(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
"""What a browser would fetch from another server to show a page."""

RUN = ["tutorials/profile.md", "tutorials/search.md", "howto/training-loop.md"]
"""Pages whose code is run: blocks marked `sh` and `python`, in order, in one folder."""


def pages(entries: list[object]) -> list[str]:
    """The files of a navigation."""
    found = []
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            found += pages(value) if isinstance(value, list) else [value]
    return found


def test_every_page_is_in_the_navigation() -> None:
    found = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]
    assert sorted(pages(SITE["nav"])) == sorted(str(path.relative_to(DOCS)) for path in found)


def documented(pattern: str) -> list[str]:
    """What the pages of the Python reference name."""
    folder = DOCS / "reference" / "python"
    return [
        name for path in sorted(folder.glob("*.md")) for name in re.findall(pattern, path.read_text(), re.MULTILINE)
    ]


def test_every_public_name_has_an_entry_in_the_reference() -> None:
    described = documented(r"^::: (latkit\.[\w.]+)$")
    at_the_door = documented(r"^\| \[`latkit\.\w+`\]\[(latkit\.[\w.]+)\]")
    assert sorted(at_the_door) == sorted(f"{home}.{name}" for name, home in package._HOMES.items())
    modules = {*(f"latkit.{name}" for name in package._MODULES), *package._HOMES.values()}
    public = {f"{module}.{name}" for module in modules for name in getattr(import_module(module), "__all__", ())}
    assert public | set(at_the_door) <= set(described)
    assert len(described) == len(set(described))


@pytest.mark.slow
@pytest.mark.device
@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_page_runs(
    page: str, tmp_path: Path, latkit: Run, forked: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for language, text in blocks:
        if language == "python":
            ended = forked.run("-c", text, cwd=folder, env={"PYTHONPATH": str(ROOT)})
            assert ended.returncode == 0, ended.stderr
            assert ended.stdout or "print(" not in text
        for line in text.splitlines() if language == "sh" else ():
            code, _, err = latkit(*quickened(shlex.split(line))[1:])
            assert code == 0, f"{line}\n{err}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    own = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(argv, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for path in (tmp_path / "site").rglob("*.html"):
        assert LOADED_FROM_ELSEWHERE.findall(path.read_text(encoding="utf-8")) == [], path
    shown = (tmp_path / "site" / "reference" / "command-line.html").read_text(encoding="utf-8")
    assert "latkit profile here/onnxruntime model.onnx" in shown or "Profile model files" in shown
