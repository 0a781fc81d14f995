"""`latkit space`, `latkit cache`, and the settings of a search from a file."""

import json
import os
from pathlib import Path

import pytest

from latkit.artifacts.cache_size import parse_size
from latkit.cli.parsing import read_settings
from latkit.errors import BadFile, UsageError
from latkit.spaces import SPACES
from tests.conftest import Run


def test_every_space_is_listed(latkit: Run) -> None:
    code, out, _ = latkit("space", "list", "--json")
    rows = json.loads(out)["spaces"]
    assert code == 0
    assert [row["name"] for row in rows] == list(SPACES.names())
    assert {row["name"]: row["networks"] for row in rows}["nasbench201"] == 5**6


def test_a_space_is_shown_with_its_ops_and_the_time_to_measure_them(latkit: Run) -> None:
    document = json.loads(latkit("space", "show", "proxyless-tiny", "--resolution", "8", "--json")[1])
    assert document["input_shape"] == [3, 8, 8]
    assert sum(document["ops"].values()) == len(SPACES.get("proxyless-tiny")(resolution=8).ops())
    assert document["collecting_seconds"] == pytest.approx((sum(document["ops"].values()) + 11) * 1.2)
    assert "at most about" in latkit("space", "show", "proxyless-tiny")[1]


def test_the_files_used_longest_ago_are_cleared_first(
    latkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATKIT_CACHE", str(tmp_path))
    folder = tmp_path / "artifacts"
    folder.mkdir()
    for age, name in enumerate(("newest", "older", "oldest")):
        (folder / name).write_bytes(bytes(1000))
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "of-the-agent").write_bytes(bytes(1000))
    assert json.loads(latkit("cache", "show", "--json")[1])["bytes"] == 3000
    code, out, _ = latkit("cache", "clear", "--limit", "2KB", "--json")
    assert (code, json.loads(out)["removed"]) == (0, 1)
    assert {path.name for path in folder.iterdir()} == {"newest", "older"}
    latkit("cache", "clear")
    assert list(folder.iterdir()) == []
    assert (tmp_path / "models" / "of-the-agent").exists()


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), ("7k", 7000)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "two", "1TB", "1e9", "9" * 40])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="expected a size such as 500MB"):
        parse_size(text)


def test_settings_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('epochs = 3\npenalty = "none"\n')
    assert read_settings(path) == {"epochs": 3, "penalty": "none"}
    assert read_settings(None) == {}
    path.write_text("[search]\nepochs = 3\n")
    with pytest.raises(UsageError, match="found a table or list 'search'"):
        read_settings(path)
    path.write_text("epochs: 3")
    with pytest.raises(BadFile, match="expected settings of a search in TOML"):
        read_settings(path)
