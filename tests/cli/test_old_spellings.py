"""Old spellings of commands and flags: they work for one more release, and print one line that names the new ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latkit.cli.old_spellings import FLAGS, SearchCommand, renamed
from tests.cli.conftest import QUICK

TARGET = "here/onnxruntime"


@pytest.mark.parametrize("old", [*FLAGS, "--limit", "-o"])
def test_an_old_flag_stands_for_the_new_one_and_prints_one_hint(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    new = SearchCommand.flags[old]
    assert renamed([old, "1", f"{old}=2", "--", old], SearchCommand.flags) == [new, "1", f"{new}=2", "--", old]
    assert capsys.readouterr().err == f"hint: {old} is now {new}; the old spelling works until the next release\n"


def test_the_old_collect_measures_as_the_new_one(folder: Path, latkit, document) -> None:
    space = ["--space", folder / "small.toml", "--networks", 4]
    old = ["--visits", 3, "--visit-seconds", 0.02, "--extra-visits", 0]
    code, out, err = latkit("-C", folder, "collect", TARGET, *space, *old, "--json")
    assert code == 0, err
    assert json.loads(out)["visits"] == 0, "everything is there"
    assert "hint: latkit collect TARGET --space is now latkit collect space" in err
    assert "hint: --visits is now --rounds" in err
    assert document("-C", folder, "collect", "space", TARGET, *space, *QUICK)["visits"] == 0


@pytest.mark.parametrize(
    ("old", "phrase"),
    [(["--kernels", 5], "latkit collect kernels"), (["--model", "net.onnx"], "latkit collect model")],
)
def test_the_old_flags_choose_what_is_collected(old: list[object], phrase: str, folder: Path, latkit) -> None:
    code, _, err = latkit("-C", folder, "collect", "nowhere/onnxruntime", *old)
    assert code == 2
    assert phrase in err
    assert "unknown device 'nowhere'" in err


def test_repeat_is_reproduce(folder: Path, latkit) -> None:
    code, _, err = latkit("-C", folder, "search", "--repeat", "nothing")
    assert code == 2
    assert "hint: latkit search --repeat NAME is now latkit reproduce NAME" in err
    assert "nothing" in err.splitlines()[-1]
