import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import latkit

ROOMS = [
    "artifacts",
    "devices",
    "graphs",
    "latency_models",
    "measurements",
    "nn",
    "ops",
    "report",
    "runtimes",
    "search",
    "spaces",
    "timing",
    "zoo",
]


@pytest.mark.parametrize("name", latkit.__all__)
def test_every_public_name_of_latkit_exists(name: str) -> None:
    assert getattr(latkit, name) is not None


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_exists_and_nothing_else_is_public(room: str) -> None:
    module = importlib.import_module(f"latkit.{room}")
    assert all(hasattr(module, name) for name in module.__all__)
    own = f"latkit.{room}"
    here = {name for name, value in vars(module).items() if str(getattr(value, "__module__", "")).startswith(own)}
    assert {name for name in here if not name.startswith("_")} <= set(module.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = latkit.nonsense


def test_importing_the_front_door_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'xgboost', 'paramiko', 'numpy', 'polars', 'plotly', 'sqlalchemy', 'onnx'}"
    code = f"import sys, latkit.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_folder_named_latkit_where_python_starts_is_not_mistaken_for_it(tmp_path: Path) -> None:
    """As in a folder with a clone, whose own `devices/` must not pass for `latkit.devices`."""
    (tmp_path / "latkit" / "devices").mkdir(parents=True)
    code = "import latkit.workspace; print(latkit.workspace.__name__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "latkit.workspace"
