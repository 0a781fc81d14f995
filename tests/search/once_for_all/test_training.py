"""A supernet's training: curricula, resumed bit for bit, on several processes; and what it refuses."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from latkit.artifacts.export import export_module
from latkit.errors import BadFile, UsageError
from latkit.nn import GlobalPool
from latkit.runtimes import get_runtime
from latkit.search import ElasticModule, elastic, load_data
from latkit.search.curricula import CURRICULA, Sample, default_curriculum
from latkit.search.curricula import Stage as Part
from latkit.search.curricula.base import share_epochs
from latkit.search.data import DataSplit
from latkit.search.evaluators.shared_weights import SharedWeightsEvaluator
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.trained import check_space, load_supernet
from latkit.search.once_for_all.training.nets import build_net
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.once_for_all.training.run import train_supernet
from latkit.search.training.runtime_env import fabric_of
from latkit.spaces import Space, load
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.workspace.requests.supernet import TrainSupernetRequest
from latkit.workspace.supernets.supernet import supernet_problem
from tests.forking import Forks
from tests.search.conftest import save_stripes
from tests.search.processes import Job, run_jobs

STAGES = (Stage(8, 1, (1, 2), (3, 5), (2, 3)), Stage(8, 2, (1, 2), (3, 5), (2, 3), squeeze_excite=True))
SPACE = ElasticSpace("mini", (6, 8), Fixed(8, 2), STAGES, Head(16), widths=(0.5, 1.0), channels=1, classes=2)
SETTINGS = SupernetSettings.quick(epochs=6, batch_size=16, crop_padding=1, random_subnets=2, calibration_images=32)
BRIEF = SETTINGS.model_copy(update={"epochs": 1})
OFTEN = {"checkpoint_seconds": 1e-9}
PHASES = ("largest", "kernel", "depth-2", "expansion-2", "width-2")
GROWING = {
    "growing": ("smallest", "all"),
    "growing-mixed": ("smallest", "all"),
    "growing-sandwich": ("smallest", "sandwich"),
}
"""Curricula of two stages."""
BRIEFLY = {"sandwich": ("sandwich",), "uniform": ("uniform",), **GROWING}
IN_EVERY_STAGE = [
    *(("progressive", name) for name in PHASES),
    *((curriculum, name) for curriculum, names in BRIEFLY.items() for name in names),
]


def settings_of(curriculum: str) -> SupernetSettings:
    """An epoch for every stage of a curriculum of few stages."""
    return BRIEF.model_copy(update={"epochs": len(BRIEFLY[curriculum])}) if curriculum in BRIEFLY else SETTINGS


@dataclass(frozen=True)
class Runs:
    forked: Forks
    root: Path
    data: DataSplit
    ends: dict[str, list[int]]

    def train(self, name: str, curriculum: str, settings: SupernetSettings = SETTINGS, resume: bool = False) -> Path:
        """One training in this process; its folder."""
        train_supernet(SupernetProblem(SPACE, self.data, settings, curriculum), self.root / name, None, resume)
        return self.root / name

    def job(self, name: str, curriculum: str, settings: SupernetSettings = SETTINGS, **how: Any) -> Job:
        fields = settings.model_copy(update=OFTEN).model_dump(mode="json")
        return Job(str(self.root / name), fields, 0.0, curriculum=curriculum, **how)

    def run_jobs(self, *jobs: Job) -> None:
        self.ends.update(run_jobs(self.forked, self.root, SPACE, None, jobs))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, forked: Forks) -> Runs:
    """Trainings that are killed in each stage, and one by two processes: starting them takes longest."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("supernets")
    save_stripes(root / "stripes.npz")
    found = Runs(forked, root, load_data(str(root / "stripes.npz"), 8, 1), {})
    found.run_jobs(
        *(
            found.job(
                f"killed-{curriculum}-{name}", curriculum, settings_of(curriculum), stop_in=name, stop_at=3, kill=True
            )
            for curriculum, name in IN_EVERY_STAGE
        ),
        found.job("both", "sandwich", BRIEF, ranks=2),
    )
    for curriculum in ("progressive", *BRIEFLY):
        found.train(curriculum, curriculum, settings_of(curriculum))
    return found


def check_equal(one: Path, other: Path) -> None:
    weights, others = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert (one / "history.json").read_text() == (other / "history.json").read_text()
    results = [json.loads((folder / "supernet-result.json").read_text()) for folder in (one, other)]
    assert [{**result, "name": "", "seconds": {}} for result in results[:1]] == [
        {**result, "name": "", "seconds": {}} for result in results[1:]
    ]


@pytest.mark.parametrize(("curriculum", "stage"), IN_EVERY_STAGE)
def test_a_training_killed_in_any_stage_ends_as_if_it_had_not_been(runs: Runs, curriculum: str, stage: str) -> None:
    name = f"killed-{curriculum}-{stage}"
    assert runs.ends[name] == [-9]
    check_equal(runs.train(name, curriculum, settings_of(curriculum), resume=True), runs.root / curriculum)


def test_two_processes_train_as_one_does(runs: Runs) -> None:
    assert runs.ends["both"] == [0, 0]
    weights, others = (load_file(runs.root / name / "weights.safetensors") for name in ("both", "sandwich"))
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name], rtol=1e-2, atol=1e-3)


def test_a_training_resumed_with_other_settings_is_refused(runs: Runs) -> None:
    folder = runs.root / "uniform"
    with pytest.raises(UsageError, match="holds a finished supernet; see it with --resume"):
        runs.train("uniform", "uniform", BRIEF)
    other = BRIEF.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(UsageError, match=r"expected settings\.learning_rate to be 0\.1 .*, but found 0\.5"):
        runs.train("uniform", "uniform", other, resume=True)
    with pytest.raises(UsageError, match=r"expected curriculum to be 'uniform' .*, but found 'sandwich'"):
        runs.train("uniform", "sandwich", BRIEF, resume=True)
    with pytest.raises(UsageError, match=r"progressive: expected at least 5 epochs, .* but found 1"):
        runs.train("few", "progressive", BRIEF)
    assert not (runs.root / "few").exists()
    assert folder.exists()
    with pytest.raises(UsageError, match="expected an elastic space, such as ofa-tiny, or a chain"):
        build_net(load("nasbench201"))


def test_sub_networks_are_judged_as_at_the_end_of_training(runs: Runs) -> None:
    evaluator = SharedWeightsEvaluator(runs.root / "progressive")
    result = evaluator.trained.result
    verdicts = evaluator.judge([result.smallest.architecture, result.largest.architecture])
    assert [one.quantities["accuracy"] for one in verdicts] == [result.smallest.validation, result.largest.validation]
    again = pickle.loads(pickle.dumps(evaluator))
    assert again.judge([result.smallest.architecture]) == verdicts[:1]
    check_space(evaluator.trained, SPACE)
    with pytest.raises(UsageError, match="expected a supernet of space ofa-tiny, but found one of mini"):
        check_space(evaluator.trained, load("ofa-tiny"))


def test_an_untrained_supernet_and_other_images_are_refused(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a trained supernet, but found none; train one with"):
        load_supernet(tmp_path)
    unfinished = runs.root / "unfinished"
    unfinished.mkdir()
    (unfinished / "supernet.json").write_bytes((runs.root / "uniform" / "supernet.json").read_bytes())
    with pytest.raises(UsageError, match="training is not finished"):
        load_supernet(unfinished)
    with pytest.raises(UsageError, match=r"expected the 2 classes .* but data digits has 10"):
        load_supernet(runs.root / "uniform", load_data("digits", 8, 1))
    weights = runs.root / "both" / "weights.safetensors"
    weights.write_bytes((runs.root / "uniform" / "weights.safetensors").read_bytes())
    with pytest.raises(BadFile, match="as its training wrote them, but found another file"):
        load_supernet(runs.root / "both", runs.data)


@pytest.mark.parametrize("changes", [{"checkpointing": True}, {"precision": "bf16-mixed"}])
def test_checkpointing_changes_nothing_and_bf16_trains(runs: Runs, changes: dict[str, object]) -> None:
    name = next(iter(changes))
    weights = load_file(runs.train(name, "uniform", BRIEF.model_copy(update=changes)) / "weights.safetensors")
    expected = load_file(runs.root / "uniform" / "weights.safetensors")
    same = all(torch.equal(weights[one], expected[one]) for one in weights)
    assert same == (name == "checkpointing")


def test_curricula_free_one_dimension_after_another() -> None:
    stages = CURRICULA.get("progressive").stages(load("ofa-tiny"), 20)
    assert [stage.name for stage in stages] == ["largest", "kernel", "depth-2", "depth-3", "expansion-2", "expansion-3"]
    assert sum(stage.epochs for stage in stages) == 20
    assert all(stage.options[0] == (0, 1) for stage in stages)  # resolution
    assert [stage.sorts for stage in stages] == [False] * 4 + [True] * 2
    assert share_epochs("x", 5, [0.4, 0.3, 0.3]) == [2, 2, 1]
    generator = torch.Generator().manual_seed(0)
    sandwich = CURRICULA.get("sandwich")
    (stage,) = sandwich.stages(SPACE, 3)
    first, *_, last = sandwich.samples(SPACE, stage, generator)
    assert (first.architecture, first.learns_from) == (SPACE.largest, "labels")
    assert (last.architecture, last.learns_from) == (SPACE.smallest, "largest")
    smallest, every = CURRICULA.get("growing").stages(SPACE, 9)
    assert {one.architecture for one in _drawn("growing", smallest)} == {SPACE.smallest}
    assert {SPACE.subnet(one.architecture).resolution for one in _drawn("growing", every)} == {6, 8}
    assert (smallest.epochs + every.epochs, smallest.schedule[1]) == (9, every.schedule[0])
    assert [default_curriculum(SPACE, epochs) for epochs in (12, 60)] == ["growing", "growing-mixed"]
    assert default_curriculum(load("proxyless-tiny"), 60) == "uniform"
    assert [one.name for one in CURRICULA.get("growing").stages(SPACE, 1)] == ["all"]


@pytest.mark.parametrize(
    ("space", "changes", "expected"),
    [
        (SPACE, {}, ("growing-mixed", 240)),
        (SPACE, {"curriculum": "growing-sandwich"}, ("growing-sandwich", 60)),
        (SPACE, {"settings": {"epochs": 50}}, ("growing-mixed", 50)),
        (SPACE, {"quick": True}, ("growing", 12)),
        (load("proxyless-tiny"), {}, ("uniform", 60)),
    ],
)
def test_by_default_epochs_suit_the_curriculum(
    space: Space, changes: dict[str, Any], expected: tuple[str, int], stripes_data: DataSplit
) -> None:
    problem = supernet_problem(TrainSupernetRequest(space=space, data="digits", name="x", **changes), stripes_data)
    assert (problem.curriculum_name, problem.settings.epochs) == expected


def test_growing_goes_over_into_the_sandwich_rule() -> None:
    curriculum = CURRICULA.get("growing-sandwich")
    smallest, sandwich = curriculum.stages(SPACE, 10)
    assert (smallest.epochs, sandwich.epochs, smallest.schedule[1]) == (3, 7, sandwich.schedule[0])
    assert {one.architecture for one in _drawn(curriculum.name, smallest)} == {SPACE.smallest}
    steps = _drawn(curriculum.name, sandwich)
    first, *others = steps[:4]
    assert (first.architecture, first.learns_from) == (SPACE.largest, "labels")
    assert {one.learns_from for one in others} == {"labels and largest"}
    assert {SPACE.subnet(one.architecture).resolution for one in steps[3::4]} == {6, 8}
    assert {one.architecture[1:] for one in steps[3::4]} == {SPACE.smallest[1:]}
    assert [one.name for one in curriculum.stages(SPACE, 1)] == ["sandwich"]


def test_a_quarter_of_the_later_steps_of_growing_mixed_train_the_smallest_at_any_resolution() -> None:
    curriculum = CURRICULA.get("growing-mixed")
    smallest, every = curriculum.stages(SPACE, 10)
    assert (smallest.epochs, every.epochs, smallest.schedule[1]) == (3, 7, every.schedule[0])
    assert {one.architecture for one in _drawn(curriculum.name, smallest)} == {SPACE.smallest}
    generator = torch.Generator().manual_seed(0)
    steps = [one for _ in range(400) for one in curriculum.samples(SPACE, every, generator)]
    assert {one.learns_from for one in steps} == {"labels"}
    again = [one.architecture for one in steps if one.architecture[1:] == SPACE.smallest[1:]]
    assert {SPACE.subnet(one).resolution for one in again} == {6, 8}
    assert len(steps) == 400
    assert len(again) == pytest.approx(100, abs=25)


def _drawn(curriculum: str, stage: Part) -> list[Sample]:
    generator = torch.Generator().manual_seed(0)
    return [one for _ in range(20) for one in CURRICULA.get(curriculum).samples(SPACE, stage, generator)]


def test_a_users_module_is_trained_and_a_subnetwork_exported(runs: Runs, tmp_path: Path) -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    model = nn.Sequential(nn.Conv2d(1, 4, 3), elastic(block, channels=(0.5, 1)), GlobalPool("average"), nn.Linear(4, 2))
    net = ElasticModule(model, (1, 8, 8))
    problem = SupernetProblem(net.space, runs.data, BRIEF, "sandwich")
    result = train_supernet(problem, tmp_path / "own", net=net)
    judge = SubnetJudge(net, problem.parts, BRIEF, fabric_of(BRIEF))
    plain = judge.module(result.smallest.architecture)
    assert judge.score(plain, net.smallest, "test") == result.smallest.test
    export_module(get_runtime("onnxruntime"), plain, (1, 8, 8), tmp_path / "own.onnx")
    images = torch.randn(1, 1, 8, 8)
    found = get_runtime("onnxruntime").load(tmp_path / "own.onnx")(images)
    with torch.inference_mode():
        torch.testing.assert_close(found, plain(images), rtol=1e-4, atol=1e-5)
