"""The published searches of the repository: their files agree with each other and with the dataset's model."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from latkit.evaluation.cross_table import CrossTable
from latkit.evaluation.validation import MeasuredNetwork
from latkit.latency_models import AdditiveModel, load_model
from latkit.layout.series import Series
from latkit.ops import Network
from latkit.search import load_network
from latkit.search.records.base import load_record
from latkit.search.records.result import Recipe, SearchResult, table_hash
from latkit.spaces import ChainSpace
from latkit.tables import LatencyTable

ROOT = Path(__file__).parents[2]
SEARCHES = sorted(path.parent for path in (ROOT / "search").glob("*/result.json"))
SERIES = sorted(path.parent for path in (ROOT / "search").glob("*/series.json"))

each_search = pytest.mark.parametrize("folder", SEARCHES, ids=lambda folder: folder.name)


def measured(folder: Path) -> MeasuredNetwork:
    return load_record(MeasuredNetwork, folder / "measured.json")


def test_there_are_networks_for_two_targets() -> None:
    assert len({measured(folder).target for folder in SEARCHES}) >= 2
    assert SERIES


@each_search
def test_the_network_is_the_one_that_was_predicted_and_measured(folder: Path) -> None:
    recipe = load_record(Recipe, folder / "recipe.json")
    result = load_record(SearchResult, folder / "result.json")
    space, table = ChainSpace.load(folder / "space.json"), LatencyTable.load(folder / "table.json")
    network = Network.load(folder / "architecture.json")
    assert space.key == recipe.space_key
    assert table_hash(table) == recipe.table_sha256
    assert space.decode(result.architecture).key == network.key  # skips may stand elsewhere
    assert (network.macs, network.parameters) == (result.macs, result.parameters)
    found = measured(folder)
    assert found.network.key == network.key
    model = load_model(ROOT / "measurements" / found.target / "model-lookup.json", AdditiveModel)
    predicted_s = model.predict(network).seconds
    assert [table.total(result.architecture), result.predicted_latency_s, found.network.predicted_ms / 1e3] == (
        pytest.approx([predicted_s] * 3, rel=1e-6)
    )


@each_search
def test_the_latencies_are_within_what_latkit_promises(folder: Path) -> None:
    result = load_record(SearchResult, folder / "result.json")
    assert result.predicted_latency_s == pytest.approx(result.target_latency_s, rel=0.02)
    assert result.predicted_latency_s <= 1.01 * result.target_latency_s
    assert measured(folder).network.measured_ms / 1e3 == pytest.approx(result.predicted_latency_s, rel=0.05)


@each_search
def test_weights_and_onnx_are_the_same_network(folder: Path) -> None:
    network = load_network(folder)
    images = torch.randint(0, 256, (4, *network.network.input_shape), generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    normalized = ((images - network.mean) / network.std).numpy().astype(np.float32)
    rows = [session.run(None, {session.get_inputs()[0].name: row[None]})[0][0] for row in normalized]
    np.testing.assert_allclose(network(images).numpy(), np.stack(rows), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("folder", SERIES, ids=lambda folder: folder.name)
def test_no_network_made_for_another_target_is_as_accurate_and_faster(folder: Path) -> None:
    table, series = CrossTable.load(folder / "cross.json"), Series.load(folder / "series.json")
    assert {row.name for row in table.rows if row.kind == "derived"} == {member.name for member in series.members}
    assert [claim.holds for claim in table.claims()] == [True] * len(series.members)
