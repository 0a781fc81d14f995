import re
import subprocess
import sys
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


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("lightning_fabric", "plotly", "polars", "PIL", "tensorboard"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
import latkit
from latkit.cli import main
root, space, table = sys.argv[1:]
assert latkit.Workspace(root).export_table
sys.argv = ["latkit", "-C", root, "table", "export", "here/onnxruntime", "--space", space, "-o", table]
main()
"""


def test_a_workspace_and_a_table_need_no_extras_of_searches_and_reports(tmp_path: Path) -> None:
    golden, table = Path(__file__).parents[1] / "golden" / "workspace-0.1", tmp_path / "table.json"
    command = [sys.executable, "-c", WITHOUT, str(golden), str(golden / "small.toml"), str(table)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert table.exists()
