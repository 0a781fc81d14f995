"""Models as files: an error in one is refused in a line, and an accepted one predicts."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latkit.errors import BadFile, NotMeasured
from latkit.latency_models import LatencyModel, XGBoostModel, load_model
from latkit.ops import Op, make_op
from tests.builders import measurements_of, network_of

OPS: list[Op] = [make_op("linear", (8 * number,), out_features=16) for number in range(1, 31)]
NETWORK = network_of(OPS[0], make_op("linear", (16,), out_features=16))


@pytest.fixture(scope="module")
def model() -> LatencyModel:
    return XGBoostModel().fit(measurements_of({op: 5000 + 4000 * (number % 3) for number, op in enumerate(OPS)}))


@pytest.fixture(scope="module")
def saved(model: LatencyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("models") / "model.json"
    model.save(path)
    document = json.loads(path.read_text())
    assert isinstance(document, dict)
    return document


def test_trees_come_back_to_the_bit(model: LatencyModel, saved: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(saved))
    again = load_model(tmp_path / "model.json", LatencyModel)
    assert [again.predict(op) for op in OPS] == [model.predict(op) for op in OPS]
    again.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == saved


def tree(document: dict[str, Any]) -> dict[str, Any]:
    """The first tree that splits."""
    trees = document["kinds"]["linear"]["booster"]["learner"]["gradient_booster"]["model"]["trees"]
    found = next(one for one in trees if len(one["left_children"]) > 1)
    assert isinstance(found, dict)
    return found


def booster(document: dict[str, Any]) -> dict[str, Any]:
    learner = document["kinds"]["linear"]["booster"]["learner"]
    assert isinstance(learner, dict)
    return learner


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda d: tree(d)["left_children"].__setitem__(0, 0), "a node that is not its parent's only"),
        (lambda d: tree(d)["left_children"].__setitem__(0, 10**6), "a node that is not its parent's only"),
        (lambda d: tree(d)["left_children"].__setitem__(0, -1), "a node that is not its parent's only"),
        (lambda d: tree(d)["parents"].__setitem__(1, 2), "parents are not those of its children"),
        (lambda d: tree(d)["split_indices"].__setitem__(0, 9999), "a feature which is not there"),
        (lambda d: tree(d)["split_indices"].__setitem__(0, -1), "a feature which is not there"),
        (lambda d: tree(d)["split_conditions"].pop(), "not counted alike"),
        (lambda d: tree(d)["split_conditions"].__setitem__(-1, 1e30), "a leaf that is out of range"),
        (lambda d: tree(d)["categories"].append(1), "categories"),
        (lambda d: tree(d)["split_type"].__setitem__(0, 1), "split_type"),
        (lambda d: booster(d)["gradient_booster"].update(name="dart"), "Input should be 'gbtree'"),
        (lambda d: booster(d)["objective"].update(name="reg:gamma"), "Input should be 'reg:squarederror'"),
        (lambda d: booster(d)["learner_model_param"].update(num_feature="3"), "trees of different features"),
        (lambda d: booster(d)["learner_model_param"].update(base_score="x"), "base_score"),
        (lambda d: d["kinds"].update(conv=d["kinds"]["linear"]), "trees of"),
        (lambda d: d["kinds"]["linear"]["baseline"].pop(), "a baseline of"),
        (lambda d: d["kinds"]["linear"].update(errors=[0.1]), "at least 3 items"),
        (lambda d: d["kinds"]["linear"].update(errors=[1e300] * 12), "less than or equal to 20"),
        (lambda d: d["calibration"].update(errors=[1e300] * 3), "calibration.errors.0"),
        (lambda d: d["calibration"].update(base_s=1e300), "calibration.base_s"),
        (lambda d: d["calibration"].update(scale=1e300), "calibration.scale"),
        (lambda d: d.update(reference_s=1e300), "reference_s"),
        (lambda d: d.update(target="../tflite"), "a device's name"),
    ],
)
def test_what_would_hang_or_overflow_is_refused(
    saved: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], object], found: str
) -> None:
    document = deepcopy(saved)
    change(document)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadFile) as caught:
        load_model(path, LatencyModel)
    assert str(caught.value).startswith(f"{path}: expected a latency model of format 'latkit-model-4', but found ")
    assert found in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.sampled_from([0, 1e-300, 1e9, 1e10, 1e300, 2**63, "", "x\n", "\ud800", [], {}, [[]], [1e300]]),
    st.lists(st.floats(-20, 20), max_size=15),
)
PLACES = (
    "kind",
    "target",
    "setup",
    "estimator",
    "reference_s",
    "network_keys",
    "imported",
    "calibration",
    "ops",
    "kinds",
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), st.integers(0, 9), VALUES)
def test_a_model_with_a_wrong_value_is_refused_in_a_line_or_predicts(
    saved: dict[str, Any], tmp_path: Path, place: str, index: int, value: Any
) -> None:
    document = dict(saved)
    part = document[place]
    if isinstance(part, dict) and part:
        document[place] = part | {sorted(part)[index % len(part)]: value}
    else:
        document[place] = value
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    try:
        model = load_model(path, LatencyModel)
    except BadFile as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        return
    for workload in (*OPS, NETWORK):
        try:
            predicted = model.predict(workload)
        except NotMeasured:
            continue
        assert all(math.isfinite(bound) for bound in (predicted.seconds, *(predicted.interval or ())))
