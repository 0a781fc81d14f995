import re
import tomllib
from pathlib import Path

import pytest

from latkit._io import missing_extra, naming_extras
from latkit._io.extras import EXTRAS
from latkit.errors import MissingExtra

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "lightning_fabric": "lightning-fabric"}


def test_a_failed_import_names_the_extra() -> None:
    expected = r"torch is not installed; install it with: pip install 'latkit\[collect\]'"
    with pytest.raises(MissingExtra, match=expected), naming_extras():
        raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")


def test_other_errors_stay() -> None:
    assert missing_extra(ModuleNotFoundError("No module named 'x'", name="x")) is None
    assert missing_extra(ImportError("torch", name="torch")) is None
    with pytest.raises(ModuleNotFoundError), naming_extras():
        raise ModuleNotFoundError("No module named 'x'", name="x")


@pytest.mark.parametrize("package", EXTRAS)
def test_the_extra_installs_the_package_and_the_core_does_not(package: str) -> None:
    name = DISTRIBUTIONS.get(package, package)
    named = {extra: {re.split("[>=]", line)[0] for line in lines} for extra, lines in extras().items()}
    assert name in named[EXTRAS[package]]
    assert name not in {re.split("[>=]", line)[0] for line in PROJECT["dependencies"]}


def extras() -> dict[str, list[str]]:
    found: dict[str, list[str]] = PROJECT["optional-dependencies"]
    return found
