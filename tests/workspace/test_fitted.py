"""Models of one target for several spaces: fitting one leaves the others, and every query goes to the right one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from latkit.errors import NotMeasured, UsageError
from latkit.layout.folders import folder_name
from latkit.layout.targets import target_states
from latkit.ops import OVERHEAD_PROBE, Op, make_op
from latkit.report.sections.targets.target_facts import read_target
from latkit.spaces import ChainSpace, Layer, Space
from latkit.tables import LatencyTable
from latkit.workspace import Workspace
from latkit.workspace.searches.constraints import constraints_of
from tests.builders import TARGET, conv, make_measurement, make_round, measurements_of, network_of


def space_of(name: str, channels: int) -> Space:
    """Two layers of two candidates each; spaces of other channels share no op."""
    slim, wide = conv(channels), make_op("conv", (channels, 8, 8), out_channels=channels, kernel=5)
    return ChainSpace(name, (Layer("a", (slim, wide)), Layer("b", (slim, wide))))


ONE, OTHER = space_of("one", 8), space_of("other", 16)


def keep(workspace: Workspace, ops: Iterable[Op], nanoseconds: int = 50_000) -> None:
    with workspace.store(TARGET) as store:
        for m in measurements_of(dict.fromkeys(ops, nanoseconds)):
            for one_round in m.rounds:
                store.add_round(m.workload, m.environment, m.plan, one_round, m.role, m.repetition)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace.init(tmp_path)
    keep(made, [*ONE.ops(), *OTHER.ops()])
    return made


def test_fitting_one_space_keeps_what_was_fitted_for_another(workspace: Workspace) -> None:
    for space in (ONE, OTHER):
        workspace.fit_model(TARGET, space)
    for space in (ONE, OTHER):
        assert set(workspace.model(TARGET, space=space).ops_) == set(space.ops())  # type: ignore[attr-defined]
        network = space.decode((0, 1))
        assert set(workspace.model_for(TARGET, network).ops_) == set(space.ops())  # type: ignore[attr-defined]
        assert LatencyTable(space, workspace.model(TARGET, space=space)).fastest() > 0
        (constraint,) = constraints_of(workspace, space, {str(TARGET): 1.0})
        assert constraint.table.space_key == space.key
    both = workspace.models_for(TARGET, [ONE.decode((0, 0)), OTHER.decode((0, 0))])
    assert len(set(map(id, both.values()))) == 2
    with pytest.raises(UsageError, match=r"expected one lookup model of board.*, but found one for each of o"):
        workspace.model(TARGET)
    assert list(read_target(workspace, TARGET).models) == ["lookup, one", "lookup, other"]
    profile = workspace.target_dir(TARGET) / "profiles" / "model-931c13ef-0.json"  # of a file that is called model.onnx
    profile.parent.mkdir()
    profile.touch()
    (state,) = target_states(workspace)
    assert (state.models, len(state.spaces), state.profiles) == (("lookup",), 2, 1)


def test_an_op_whose_measurement_was_disturbed_is_named_with_the_reason(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path)
    slim, wide = ONE.ops()
    keep(workspace, [slim])
    disturbed = make_measurement(wide, 50_000)
    with workspace.store(TARGET) as store:
        for number in range(disturbed.plan.rounds):
            busy = make_round([50_000] * 2, started_at=number, preemptions=(1, 1))
            store.add_round(wide, disturbed.environment, disturbed.plan, busy, disturbed.role, disturbed.repetition)
    expected = rf"1 ops of one were measured, .* is {re.escape(wide.title)}, contended: 100% .*; run the same latkit"
    with pytest.raises(NotMeasured, match=expected):
        workspace.fit_model(TARGET, ONE)
    assert not workspace.model_path(TARGET, "lookup", ONE).exists()


def test_spaces_of_one_name_that_differ_in_width_are_two(workspace: Workspace) -> None:
    wider = ChainSpace(ONE.name, OTHER.layers)
    workspace.fit_model(TARGET, ONE)
    workspace.fit_model(TARGET, wider)
    assert set(workspace.model(TARGET, space=ONE).ops_) == set(ONE.ops())  # type: ignore[attr-defined]


def test_the_single_file_of_an_older_latkit_is_still_read(workspace: Workspace) -> None:
    model = workspace.fit_model(TARGET, ONE)
    own = workspace.model_path(TARGET, "lookup", ONE)
    own.unlink()
    model.save(workspace.target_dir(TARGET) / "model-lookup.json")
    assert workspace.model(TARGET).predict(ONE.decode((0, 0))) == model.predict(ONE.decode((0, 0)))
    assert set(workspace.model(TARGET, space=ONE).ops_) == set(ONE.ops())  # type: ignore[attr-defined]
    with pytest.raises(NotMeasured, match=r"conv .* was not measured"):
        workspace.model(TARGET, space=OTHER)
    workspace.fit_model(TARGET, OTHER)
    assert set(workspace.model(TARGET, space=OTHER).ops_) == set(OTHER.ops())  # type: ignore[attr-defined]
    assert set(workspace.model(TARGET, space=ONE).ops_) == set(ONE.ops())  # type: ignore[attr-defined]
    assert set(workspace.model_for(TARGET, OTHER.decode((0, 1))).ops_) == set(OTHER.ops())  # type: ignore[attr-defined]


def test_a_model_of_all_measurements_serves_a_space_that_has_none(workspace: Workspace) -> None:
    workspace.fit_model(TARGET)
    for space in (ONE, OTHER):
        assert set(space.ops()) < set(workspace.model(TARGET, space=space).ops_)  # type: ignore[attr-defined]


def test_fitting_on_all_brings_the_models_of_spaces_up_to_date(workspace: Workspace) -> None:
    workspace.fit_model(TARGET, ONE)
    workspace.fit_model(TARGET, OTHER)
    before = workspace.model(TARGET, space=ONE).calibration_.networks
    network = network_of(*ONE.decode((0, 0)).ops)
    with workspace.store(TARGET) as store:
        measured = make_measurement(network, 100_000)
        for one_round in measured.rounds:
            store.add_round(network, measured.environment, measured.plan, one_round, "fit", 0)
    workspace.fit_model(TARGET)
    assert workspace.fit_spaces(TARGET) == {"one": None, "other": None}
    assert workspace.model(TARGET, space=ONE).calibration_.networks == before + 1


@pytest.mark.parametrize("name", ["a/b", "../../x", "x" * 100, "..", "/etc/x", "~", "été 犬"])
def test_a_name_out_of_a_file_never_becomes_a_path(workspace: Workspace, name: str) -> None:
    space = ChainSpace(name, ONE.layers)
    workspace.fit_model(TARGET, space)
    assert workspace.model(TARGET, space=space).kind == "lookup"
    folder = workspace.target_dir(TARGET)
    for path in (workspace.model_path(TARGET, "lookup", space), workspace.validation_path(TARGET, space, "lookup")):
        assert folder in path.parents
        assert path.resolve().is_relative_to(folder.resolve())
        path.write_text("")  # a name that the file system takes
    assert len(folder_name(space)) < 60


def test_a_fit_that_fits_nothing_fails(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path)
    keep(workspace, [])
    assert [m.workload for m in workspace.measurements(TARGET)] == [OVERHEAD_PROBE]
    with pytest.raises(NotMeasured, match=r"no op was measured on board.* that a model could be fitted on"):
        workspace.fit_model(TARGET)
    assert not workspace.has_model(TARGET, "lookup")


def test_an_op_kind_that_is_not_installed_spoils_nothing_else(workspace: Workspace) -> None:
    for space in (ONE, OTHER):
        workspace.fit_model(TARGET, space)
    path = workspace.model_path(TARGET, "lookup", ONE)
    document = json.loads(path.read_text())
    document["ops"].append({**document["ops"][0], "op": {"kind": "elsewhere", "input_shape": [1], "attributes": {}}})
    path.write_text(json.dumps(document))
    assert set(workspace.model(TARGET, space=ONE).ops_) == set(ONE.ops())  # type: ignore[attr-defined]
    space_file = path.parent / "space.json"
    space_file.write_text(space_file.read_text().replace('"conv"', '"elsewhere"'))
    assert set(workspace.model_for(TARGET, OTHER.decode((0, 0))).ops_) == set(OTHER.ops())  # type: ignore[attr-defined]
    assert len(read_target(workspace, TARGET).models) == 2
    path.write_text("{}")
    assert set(workspace.model_for(TARGET, OTHER.decode((0, 0))).ops_) == set(OTHER.ops())  # type: ignore[attr-defined]
