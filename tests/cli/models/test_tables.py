"""Tables at the command line: published ones read, and ones written for other projects."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from latkit.cli.app import app
from latkit.workspace import Workspace

TABLE = "Conv-input:224x224x3-output:112x112x32: {mean: 1.5}\nLogits-input:1x1x8-output:10: {mean: 0.5}\n"


def run(workspace: Path, *arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["--workspace", str(workspace), *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def test_an_imported_table_predicts_and_says_that_it_is_imported(tmp_path: Path) -> None:
    Workspace.init(tmp_path)
    table = tmp_path / "phone.yaml"
    table.write_text(TABLE)
    imported = run(tmp_path, "table", "import", str(table), "--device", "phone")
    assert (imported["target"], imported["keys"], imported["ops"]) == ("phone/tflite-t1-fp32-b1", 2, 2)
    assert str(imported["imported"]).startswith("phone.yaml, SHA-256 ")
    (listed,) = json.loads(CliRunner().invoke(app, ["-C", str(tmp_path), "target", "list", "--json"]).stdout)
    assert listed["imported"] == imported["imported"]
    shown = CliRunner().invoke(app, ["-C", str(tmp_path), "device", "list"], env={"COLUMNS": "200"}).stdout
    assert f"imported: {imported['imported']}" in shown
    run(tmp_path, "report", "-o", str(tmp_path / "page.html"))
    assert f"imported from {imported['imported']}" in (tmp_path / "page.html").read_text(encoding="utf-8")
    network = tmp_path / "network.json"
    op = {"kind": "linear", "input_shape": [8], "attributes": {"out_features": 10}}
    network.write_text(json.dumps({"format": "latkit-network-1", "name": "n", "ops": [op]}))
    assert run(tmp_path, "predict", "phone/tflite", str(network))["latency_ms"] == 0.5
    saved_table = tmp_path / "measurements" / "phone" / "tflite-t1-fp32-b1" / "imported.yaml"
    assert yaml.safe_load(saved_table.read_text()) == yaml.safe_load(TABLE)


def test_no_interval_is_shown_where_none_is_known(tmp_path: Path) -> None:
    Workspace.init(tmp_path)
    network = tmp_path / "network.json"
    op = {"kind": "linear", "input_shape": [8], "attributes": {"out_features": 10}}
    network.write_text(json.dumps({"format": "latkit-network-1", "name": "n", "ops": [op]}))
    for name, spread, bounds, shown in (
        ("none", "", (None, None), "0.500 ms (no interval is known"),
        ("var", ", var: 0.0001", (0.48355, 0.51645), "0.500 ms (90 % interval 0.484 to 0.516 ms)"),
    ):
        table = tmp_path / f"{name}.yaml"
        table.write_text(f"Logits-input:1x1x8-output:10: {{mean: 0.5{spread}}}\n")
        run(tmp_path, "table", "import", str(table), "--device", name)
        document = run(tmp_path, "predict", f"{name}/tflite", str(network))
        assert (document["low_ms"], document["high_ms"]) == pytest.approx(bounds)
        arguments = ["--workspace", str(tmp_path), "predict", f"{name}/tflite", str(network)]
        assert shown in CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


@pytest.mark.parametrize("name", ["a[1].yaml", "a*.yaml", "a?.yaml"])
def test_a_files_name_is_taken_literally(tmp_path: Path, name: str) -> None:
    root = tmp_path / name.removesuffix(".yaml")
    Workspace.init(root)
    (root / "a1.yaml").write_text(TABLE)
    (root / name).write_text(TABLE.replace("1.5", "2.5"))
    found = run(root, "table", "import", str(root / name), "--device", "phone")
    assert str(found["imported"]).startswith(f"{name}, SHA-256 ")
    saved_table = root / "measurements" / "phone" / "tflite-t1-fp32-b1" / "imported.yaml"
    assert saved_table.read_text() == TABLE.replace("1.5", "2.5")
