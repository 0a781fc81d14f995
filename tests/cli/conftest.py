"""A workspace in which every command really ran once, on this machine, with a space of a few small ops."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from latkit.cli import main
from latkit.devices import load_device, trust
from tests.builders import SMALL_SPACE
from tests.conftest import Run, made_once

QUICK = ["--rounds", "3", "--round-seconds", "0.02", "--extra-rounds", "0"]
FEW_STEPS = [
    *("--set", "warmup_epochs=1", "--set", "epochs=1", "--set", "training_epochs=1", "--set", "export_tflite=false"),
    *("--set", "batch_size=256", "--set", "training_batch_size=256"),
]
"""Settings of a search beside `--quick`: a batch of the digits takes hardly longer than one of a quarter of them."""


def write_digits(path: Path) -> None:
    """Write a third of scikit-learn's digits, for searches in processes of their own whose accuracy no test judges."""
    digits = load_digits()
    images, labels = (16 * digits.images).clip(0, 255).astype(np.uint8), digits.target
    parts = {"train": slice(480), "test": slice(480, 600)}
    named = {"images": images, "labels": labels}
    np.savez(path, **{f"{part}_{name}": array[place] for part, place in parts.items() for name, array in named.items()})


def call(*arguments: object) -> None:
    """Runs a command that must succeed, while fixtures are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["latkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code, arguments


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with this machine as `here`, the space collected on it, and models fitted. Read only."""
    made = made_once(tmp_path_factory, "measured", collect_and_fit)
    root = Path(shutil.copytree(made / "workspace", tmp_path_factory.mktemp("measured") / "workspace"))
    trust(load_device(root / "devices", "here"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATKIT_CACHE", str(made / "cache"))
        yield root


def collect_and_fit(folder: Path) -> None:
    """What a user does first, in `workspace` of that folder."""
    root = folder / "workspace"
    space = root / "small.toml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATKIT_CACHE", str(folder / "cache"))
        call("init", root)
        space.write_text(SMALL_SPACE)
        call("-C", root, "device", "add", "here", "--local", "--agent-folder", folder / "agent")
        call("-C", root, "collect", "space", "here/onnxruntime", "--space", space, "--networks", 4, *QUICK)
        call("-C", root, "fit", "here/onnxruntime", "--space", space)


@pytest.fixture
def document(latkit: Run) -> Callable[..., Any]:
    """Runs a command with --json; returns its document. The command must succeed and print nothing else on stdout."""

    def run(*arguments: object) -> Any:
        code, out, err = latkit(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return run
