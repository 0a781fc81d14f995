"""Absent parts are reported, unknown subjects are refused, and nothing is left half-written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from latkit.cli.workspace.report import COMMANDS
from latkit.errors import BadFile, UsageError
from latkit.report import write_report
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.conftest import Register
from tests.report.conftest import TARGET


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_unknown_names_list_those_that_exist(workspace: Workspace, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with pytest.raises(UsageError, match=r"unknown search 'nothing'.*digits, unfinished"):
        write_report(workspace, "nothing", page)
    with pytest.raises(UsageError, match=f"unknown target elsewhere/.*{TARGET}"):
        write_report(workspace, Target("elsewhere", "onnxruntime"), page)
    with pytest.raises(UsageError, match="expected a search's name"):
        write_report(workspace, "../search/digits", page)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a folder to write page\.html into, but found none"):
        write_report(workspace, None, tmp_path / "missing" / "page.html")
    with pytest.raises(UsageError, match="found the folder"):
        write_report(workspace, None, tmp_path)


def test_a_failure_keeps_the_page_that_was_there(workspace: Workspace, tmp_path: Path) -> None:
    copy, page = tmp_path / "copy", tmp_path / "page.html"
    shutil.copytree(workspace.root, copy)
    page.write_text("yesterday's")
    (copy / "search" / "digits" / "history.json").write_text('{"format": "something else"}')
    with pytest.raises(BadFile, match=r"history\.json"):
        write_report(Workspace(copy), "digits", page)
    assert text_of(page) == "yesterday's"
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "page.html"}
    write_report(Workspace(copy), None, page)
    assert "Cannot be read" in text_of(page)
    assert str(TARGET) in text_of(page)


@pytest.mark.slow
def test_nothing_there_yet(empty: Workspace, tmp_path: Path, register: Register) -> None:
    page = tmp_path / "page.html"
    write_report(empty, None, page)
    for phrase in ("latkit device add", "latkit collect", "latkit search"):
        assert phrase in text_of(page)
    register(empty.devices_dir, tmp_path / "agent")
    write_report(empty, Target("here", "onnxruntime"), page)
    assert "Nothing measured yet" in text_of(page)
    assert "latkit collect space here/onnxruntime-t1-fp32-b1" in text_of(page)


def test_not_fitted_and_not_validated(workspace: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(workspace.root, copy)
    for path in Workspace(copy).target_dir(TARGET).rglob("*.json"):
        path.unlink()
    write_report(Workspace(copy), TARGET, tmp_path / "page.html")
    assert f"latkit fit {TARGET}" in text_of(tmp_path / "page.html")
    assert f"latkit validate {TARGET}" in text_of(tmp_path / "page.html")


def test_unfinished_search(workspace: Workspace, tmp_path: Path) -> None:
    write_report(workspace, "unfinished", tmp_path / "page.html")
    assert "The search is not finished" in text_of(tmp_path / "page.html")
    assert "No network was derived yet" in text_of(tmp_path / "page.html")


def test_command(workspace: Workspace, tmp_path: Path) -> None:
    app, page = typer.Typer(), tmp_path / "page.html"
    app.command()(COMMANDS[0])
    done = CliRunner().invoke(app, ["here/onnxruntime", "-o", str(page), "--json"], obj=workspace.root)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"file": str(page), "subject": str(TARGET)}
    assert text_of(page).startswith("<!DOCTYPE html>")
    failed = CliRunner().invoke(app, ["here/abacus", "-o", str(page)], obj=workspace.root)
    assert isinstance(failed.exception, UsageError)
