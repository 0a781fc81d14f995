"""Two spaces on one target: each has a model and a validation of its own, even under one name."""

import shutil
from pathlib import Path

from latkit.spaces import load
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.builders import SMALL_SPACE
from tests.cli.conftest import QUICK

TARGET = "here/onnxruntime"


def test_a_second_space_replaces_nothing_of_the_first(folder: Path, tmp_path: Path, document) -> None:
    root, target = Path(shutil.copytree(folder, tmp_path / "copy")), Target.parse(TARGET)
    workspace, first, second = Workspace(root), root / "small.toml", root / "fewer.toml"
    second.write_text(SMALL_SPACE.replace("kernel = [3, 5]", "kernel = [3]"))
    space = load(str(first))
    assert (load(str(second)).name, load(str(second)).size) == (space.name, 9)
    validate = ["-C", root, "validate", TARGET, "--networks", 2, *QUICK, "--space"]
    old = workspace.old_validation_path(target, space, "lookup")
    assert old is not None
    old.write_text("{}")
    validated = document(*validate, first)
    assert not old.exists()
    model = workspace.model(target, space=space)

    document("-C", root, "fit", TARGET, "--space", second)
    document(*validate, second)
    assert workspace.model(target, space=space).layer_seconds(space.ops()) == model.layer_seconds(space.ops())
    assert document(*validate, first) == validated
    assert len(list(workspace.target_dir(target).glob("validation-small-*-lookup.json"))) == 2
