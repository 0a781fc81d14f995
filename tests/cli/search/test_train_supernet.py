"""`latkit train-supernet`: a supernet's folder, its figures, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from latkit.cli.app import app
from latkit.layout import Folders
from tests.golden.fields import check_fields
from tests.search.conftest import save_stripes

SPACE = """
name = "mini"
resolutions = [6, 8]
channels = 1
classes = 2
stem = { channels = 8, stride = 2 }
head = { features = 8 }

[[stages]]
channels = 8
depths = [1, 2]
kernels = [3]
expansions = [2]
"""


@pytest.mark.slow
def test_a_supernet_is_trained_resumed_and_refused(tmp_path: Path) -> None:
    Folders.init(tmp_path)
    (tmp_path / "mini.toml").write_text(SPACE)
    (tmp_path / "other.toml").write_text(SPACE.replace("[6, 8]", "[6, 10]").replace("mini", "other"))
    save_stripes(tmp_path / "stripes.npz")
    given = ["-C", str(tmp_path), "train-supernet", "--space", str(tmp_path / "mini.toml"), "-o", "base", "--quick"]
    brief = ["--data", str(tmp_path / "stripes.npz"), "--epochs", "1", "--set", "random_subnets=1"]
    found = CliRunner().invoke(app, [*given, *brief, "--curriculum", "uniform", "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    check_fields(given, document)
    assert document["curriculum"] == "uniform"
    assert 0 <= document["smallest_accuracy"] <= 1
    assert all(Path(path).exists() for path in document["files"].values())
    again = CliRunner().invoke(app, [*given, *brief, "--curriculum", "uniform", "--resume", "--json"])
    assert json.loads(again.stdout) == document
    for arguments, message in (
        ([*given, *brief, "--curriculum", "sandwich", "--resume"], "expected curriculum to be 'uniform' as in the sup"),
        (
            [*given, *brief, "--curriculum", "none"],
            "unknown curriculum 'none'; known curricula: growing, ",
        ),
        (
            [*given, *brief, "--curriculum", "uniform", "--space", str(tmp_path / "other.toml"), "--resume"],
            "expected space to be 'mini' as in the supernet to be resumed, but found 'other'",
        ),
        ([*given, "--data", "digits"], "classification of the 10 classes of data digits needs (10,)"),
    ):
        refused = CliRunner().invoke(app, arguments)
        assert refused.exit_code == 1 or refused.exit_code == 2
        assert message in str(refused.exception)
