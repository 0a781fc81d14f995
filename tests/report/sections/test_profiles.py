"""Profiles in a target's report and in the overview."""

from __future__ import annotations

from pathlib import Path

from latkit.report import write_report
from latkit.report.sections.profiles.table import model_files, profiles_table
from latkit.report.sections.targets.target_facts import read_target
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.report.made_profiles import made_profile
from tests.report.test_browser import HOSTILE


def test_a_target_shows_the_latest_profile_of_every_model(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path)
    target = Target("made", "onnxruntime")
    with workspace.store(target):
        pass
    folder = workspace.target_dir(target) / "profiles"
    folder.mkdir(parents=True)
    old = made_profile("old.onnx", median=777_000.0)
    made_profile("old.onnx", median=888_000.0, created_at="2001-01-01T00:00:00+00:00").save(folder / "b-0.json")
    old.save(folder / "c-0.json")
    known = read_target(workspace, target)
    (latest,) = known.latest_profiles
    assert latest.latency_ms.p50 == 888_000.0
    write_report(workspace, None, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Model files" in page
    assert "888,000 ms" in page
    assert "777,000 ms" not in page


def test_text_of_a_file_is_escaped() -> None:
    shown = model_files([made_profile(HOSTILE, flags={HOSTILE: HOSTILE})])
    assert "<img" not in shown
    assert "<script" not in shown


def test_a_profile_without_ops_is_in_the_table() -> None:
    bare = made_profile("bare.onnx", ops=())
    assert "bare.onnx" in profiles_table([bare])
    assert "no times of ops" in model_files([bare])
