from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from latkit.errors import BadFile, LatkitError, TargetOutOfReach, UsageError
from latkit.nn import build_module
from latkit.ops import Network
from latkit.search import Constraint, Problem, Recipe, SearchResult, SearchSettings, load_data, run_search
from latkit.search.data import DataSplit
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.spaces import Space
from latkit.tables import LatencyTable, macs_table
from tests.pages import run_python
from tests.search.conftest import Interrupt, Tables, brief, middle_s, some_path_s

QUICK = brief(warmup_epochs=2, epochs=4, training_epochs=8)


def test_a_search_writes_everything_it_found(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    target_s = some_path_s(table)
    given = {"space": mini_space, "table": table, "stripes_data": stripes_data, "QUICK": QUICK}
    replaced = {
        'load_data("digits", resolution=16)': "stripes_data",
        "target_s=0.003": f"target_s={target_s!r}",
        "SearchSettings.quick()": "QUICK",
        '"net"': repr(str(folder)),
    }
    result = run_python("concepts/search.md", given, replaced)["result"]

    assert {path.name for path in folder.iterdir()} == {*FILES.values(), "network.onnx", "warmup.pt"}
    assert result.files == {**FILES, "onnx": "network.onnx"}
    assert result == load_record(SearchResult, folder / "result.json")
    assert result.score > 0.8
    assert 0.98 <= result.predicted_latency_s / target_s <= 1.01
    network = Network.load(folder / "architecture.json")
    assert network == mini_space.decode(result.architecture)
    assert network.name == "found"
    module = build_module(network)
    module.load_state_dict(load_file(folder / "weights.safetensors"))
    check_onnx(folder / "network.onnx", module.eval())
    history = json.loads((folder / "history.json").read_text())
    assert len(history["search"]) == 6
    assert len(history["training"]) == 8
    assert [row["warm_up"] for row in history["search"]] == [True, True, False, False, False, False]
    assert {"weight_loss", "architecture_accuracy", "entropy", "multiplier"} <= history["search"][-1].keys()
    assert [sum(row) for row in history["search"][-1]["probabilities"]] == pytest.approx([1, 1])
    assert LatencyTable.load(folder / "table.json").space_key == mini_space.key
    recipe = load_record(Recipe, folder / "recipe.json")
    assert recipe.settings == QUICK
    assert recipe.versions["torch"] == torch.__version__ or recipe.versions["torch"] in torch.__version__
    check_curves(folder / "tensorboard")


def check_onnx(path: Path, module: torch.nn.Module) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), module(images), rtol=1e-4, atol=1e-4)


def check_curves(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"search/expected_latency_s", "search/multiplier", "search/entropy", "training/weight_loss"} <= tags
    assert "search/probability/body1/0" in tags
    assert {"search/learning_rate", "search/architecture_loss", "training/test_accuracy"} <= tags
    seconds = [point.value for point in events.Scalars("training/seconds")]
    assert seconds == sorted(seconds)
    assert len(events.Scalars("search/weight_loss")) == 6


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 5, 13, 24, 37, 60])
def test_a_search_that_was_interrupted_ends_as_if_it_had_not_been(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, after: int
) -> None:
    table = table_of(mini_space)
    settings = QUICK.model_copy(update={"ema_decay": 0.9, "epochs": 3, "training_epochs": 5, "weight_steps": 2})
    often = settings.model_copy(update={"checkpoint_seconds": 1e-9})
    uninterrupted, resumed = tmp_path / "whole" / "net", tmp_path / "parts" / "net"
    expected = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), uninterrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), often), resumed, Interrupt(after))
    with pytest.raises(UsageError, match="holds an unfinished search; resume it with --resume"):
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), often), resumed)
    found = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), resumed, resume=True)

    without_time = {"seconds": {}}
    assert found.model_copy(update=without_time) == expected.model_copy(update=without_time)
    assert (resumed / "history.json").read_text() == (uninterrupted / "history.json").read_text()
    assert (resumed / "architecture.json").read_text() == (uninterrupted / "architecture.json").read_text()
    weights, others = load_file(resumed / "weights.safetensors"), load_file(uninterrupted / "weights.safetensors")
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_threads_are_put_back(mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path) -> None:
    table, thread_counts = table_of(mini_space), set()

    class Watch:
        def advance(self, phase: str, done: int, total: int, text: str) -> None:
            assert isinstance(phase + text, str)
            assert done <= total
            thread_counts.add(torch.get_num_threads())

    torch.set_num_threads(2)
    settings = QUICK.model_copy(update={"threads": 1, "epochs": 1, "training_epochs": 1})
    run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), tmp_path / "found", Watch())
    assert thread_counts == {1}
    assert torch.get_num_threads() == 2


def test_a_finished_search_is_not_overwritten(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    changes = {"warmup_epochs": 0, "epochs": 1, "training_epochs": 1, "inherit_weights": True, "penalty": "none"}
    settings = QUICK.model_copy(update=changes)
    result = run_search(Problem(mini_space, table, stripes_data, table.slowest() * 2, settings), folder)
    assert "does not bind" in result.notes[0]
    with pytest.raises(UsageError, match="holds a finished search"):
        run_search(Problem(mini_space, table, stripes_data, table.slowest() * 2, settings), folder)
    assert (
        run_search(Problem(mini_space, table, stripes_data, table.slowest() * 2, settings), folder, resume=True)
        == result
    )
    other = settings.model_copy(update={"seed": 7})
    with pytest.raises(UsageError, match=r"expected settings\.seed to be 0 .* but found 7"):
        run_search(Problem(mini_space, table, stripes_data, table.slowest() * 2, other), folder, resume=True)


def test_nothing_is_written_before_the_options_are_valid(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    target_s = some_path_s(table)
    wrong_shape = load_data("digits", 8, 3)
    wrong_classes = load_data("digits", 8, 1)
    elsewhere = LatencyTable.from_seconds("other", "key", [[1.0, 2.0]], 0.0)
    nowhere = QUICK.model_copy(update={"accelerator": "nonsense"})
    with pytest.raises(TargetOutOfReach, match="networks take from"):
        run_search(Problem(mini_space, table, stripes_data, table.fastest() / 2, QUICK), folder)
    with pytest.raises(UsageError, match="expects images of shape"):
        run_search(Problem(mini_space, table, wrong_shape, target_s, QUICK), folder)
    with pytest.raises(
        UsageError,
        match=r"gives outputs of shape \(2,\), but classification of the 10 classes of data digits needs \(10,\)",
    ):
        run_search(Problem(mini_space, table, wrong_classes, target_s, QUICK), folder)
    with pytest.raises(UsageError, match="another space"):
        run_search(Problem(mini_space, elsewhere, stripes_data, target_s, QUICK), folder)
    with pytest.raises(UsageError, match="expected an accelerator that this machine has"):
        run_search(Problem(mini_space, table, stripes_data, target_s, nowhere), folder)
    with pytest.raises(UsageError, match="expected a search to resume, but found none"):
        run_search(Problem(mini_space, table, stripes_data, target_s, QUICK), folder, resume=True)
    assert not folder.exists()


def test_a_loss_that_is_no_number_stops_the_search(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table = table_of(mini_space)
    wild = QUICK.model_copy(update={"weight_learning_rate": 1e30, "ramp_share": 0.0})
    with pytest.raises(LatkitError, match=r"search, step \d+ .*loss to be a finite number, but found"):
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), wild), tmp_path / "found")
    assert not (tmp_path / "found" / "checkpoint.pt").exists()


@pytest.mark.parametrize("content", [b"", b"something", b"PK\x03\x04"])
def test_a_checkpoint_of_another_search_is_refused(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, content: bytes
) -> None:
    table, folder = table_of(mini_space), tmp_path / "found"
    with pytest.raises(KeyboardInterrupt):
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), QUICK), folder, Interrupt(0))
    (folder / "checkpoint.pt").write_bytes(content)
    with pytest.raises(BadFile, match="expected a checkpoint of a search"):
        run_search(Problem(mini_space, table, stripes_data, some_path_s(table), QUICK), folder, resume=True)


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(UsageError, match=r"search settings: epochs: .* greater than or equal to 1, but found 0"):
        SearchSettings.make(epochs=0)
    with pytest.raises(UsageError, match="search settings: unknown setting 'nonsense'"):
        SearchSettings.quick(nonsense=1)
    with pytest.raises(UsageError, match=r"unknown setting 'epoch'; did you mean 'epochs'\?$"):
        SearchSettings.make(epoch=1)
    assert SearchSettings.for_images(1000).training_epochs == 100
    assert SearchSettings.for_images(50_000).batch_size == 128
    assert SearchSettings.for_images(1_000_000, batch_size=64).batch_size == 64


@pytest.mark.slow
@pytest.mark.parametrize("penalty", ["additive", "multiplicative"])
def test_fixed_penalties_search_too(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path, penalty: str
) -> None:
    table = table_of(mini_space)
    settings = QUICK.model_copy(update={"penalty": penalty, "epochs": 1, "training_epochs": 1})
    result = run_search(Problem(mini_space, table, stripes_data, some_path_s(table), settings), tmp_path / "found")
    assert result.predicted_latency_s <= 1.01 * some_path_s(table)


def test_a_search_is_the_same_wherever_its_images_lie_and_however_often_it_is_saved(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit
) -> None:
    table, moved = table_of(mini_space), replace(stripes_data, source="elsewhere.npz")
    recipe = Problem(mini_space, table, stripes_data, 1e-5, QUICK).recipe()
    often = QUICK.model_copy(update={"checkpoint_seconds": 1.0})
    Problem(mini_space, table, moved, 1e-5, often).recipe().check_same(recipe, Path("recipe.json"))


def test_where_constraints_keep_a_network_from_the_target_the_result_says_so(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, macs = table_of(mini_space), macs_table(mini_space)
    leanest = Constraint("macs", macs, min(macs.total(path) for path in itertools.product(range(5), repeat=2)))
    target_s = middle_s(table)
    result = run_search(
        Problem(mini_space, table, stripes_data, target_s, brief(), constraints=[leanest]), tmp_path / "net"
    )
    assert result.predicted_latency_s < 0.98 * target_s
    (note,) = (
        note for note in result.notes if "within 2 % of the target nothing was found that meets the constraints" in note
    )
    assert f"{result.predicted_latency_s / result.target_latency_s:.1%}" in note
