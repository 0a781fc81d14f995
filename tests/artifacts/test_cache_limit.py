"""The limit of the cache: the oldest files go, but none that a living process has used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latkit.artifacts import cache_limit
from latkit.artifacts.cache import ArtifactCache
from latkit.artifacts.cache_limit import CacheTrimmer, register, used_since
from latkit.errors import UsageError
from latkit.ops import OVERHEAD_PROBE
from latkit.targets import Target
from latkit.workspace import TargetVerbs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of three files, the last one used an hour ago."""
    monkeypatch.setenv("LATKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(cache_limit, "_registered", {})
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "bundles").mkdir()
    for part, age_h in (("artifacts/a", 3), ("artifacts/b", 2), ("artifacts/c", 1), ("bundles/agent", 9)):
        (tmp_path / part).write_bytes(bytes(1000))
        os.utime(tmp_path / part, (time.time() - 3600 * age_h,) * 2)
    yield tmp_path
    for handle in cache_limit._registered.values():
        os.close(handle)


def names(cache: Path) -> set[str]:
    return {path.name for part in ("artifacts", "bundles") for path in (cache / part).iterdir()}


def test_what_was_not_used_for_longest_is_removed_and_reported(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATKIT_CACHE_LIMIT", "2KB")
    messages: list[str] = []
    trimmer = CacheTrimmer.of(cache, messages.append)
    assert [file.path.name for file in trimmer.check()] == ["a"]
    assert names(cache) == {"b", "c", "agent"}
    assert messages == [
        "cache: removed what was not used for longest (0.0 MB, files: 1) to stay within 0.0 MB; another limit: "
        "LATKIT_CACHE_LIMIT=20GB"
    ]
    (cache / "artifacts" / "b").rename(cache / "artifacts" / "more")
    (cache / "artifacts" / "more2").write_bytes(bytes(1000))
    assert trimmer.check() == []  # not twice in a minute


def test_what_a_living_process_has_used_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATKIT_CACHE_LIMIT", "0")
    code = "import sys; from pathlib import Path; from latkit.artifacts.cache_limit import register\n"
    code += "register(Path(sys.argv[1])); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, str(cache)]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        os.utime(cache / "artifacts" / "a")  # used by that process, which began before
        assert {file.path.name for file in CacheTrimmer.of(cache).check()} == {"b", "c"}
        assert names(cache) == {"a", "agent"}
        other.kill()


def test_a_killed_user_is_forgotten(cache: Path) -> None:
    (cache / "users").mkdir()
    (cache / "users" / "1-dead").touch()
    assert used_since(cache) == float("inf")
    assert not (cache / "users" / "1-dead").exists()
    register(cache)
    assert used_since(cache) == pytest.approx(time.time(), abs=60)


def test_a_file_that_is_found_in_the_cache_counts_as_used(tmp_path: Path) -> None:
    found = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, Target("pi4", "onnxruntime"))
    os.utime(found.path, (1e9, 1e9))
    assert ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, Target("pi4", "onnxruntime")) == found
    assert found.path.stat().st_mtime > 1e9 + 1


@pytest.mark.parametrize("text", ["much", "-1", "5TB"])
def test_a_limit_that_is_none_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LATKIT_CACHE_LIMIT", text)
    with pytest.raises(UsageError, match="expected a size such as 500MB or 2GB as LATKIT_CACHE_LIMIT"):
        TargetVerbs.init(cache / "workspace").exporter(Target("pi4", "onnxruntime"))


def test_without_a_limit_nothing_is_removed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATKIT_CACHE_LIMIT", "none")
    assert CacheTrimmer.of(cache).check() == []
    assert names(cache) == {"a", "b", "c", "agent"}


def test_the_exporter_of_a_workspace_keeps_the_limit(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATKIT_CACHE_LIMIT", "1KB")
    messages: list[str] = []
    export = TargetVerbs.init(cache / "workspace").exporter(Target("pi4", "onnxruntime"), messages.append)
    artifact = export(OVERHEAD_PROBE)
    assert names(cache) == {"c", "agent", artifact.path.name, f"{artifact.path.stem}.json"}
    assert messages[0].startswith("cache: removed what was not used for longest (0.0 MB, files: 2)")
