"""The datasets that the repository publishes: read back, and every figure of their validations recomputed."""

from pathlib import Path

import pytest

from benchmarks.published import DATASETS, PUBLISHED, SPACES, stored_validation, validate_again
from latkit.measurements import card_path, read_parquet, select
from latkit.targets import Target
from latkit.timing import select_estimator
from latkit.timing.estimator_selection import halves_differ


@pytest.mark.parametrize("device", SPACES)
def test_there_are_datasets_of_two_runtimes(device: str) -> None:
    found = {path.parent.name for path in DATASETS if path.parts[-3] == device}
    assert found == {"onnxruntime-t1-fp32-b1", "tflite-t1-fp32-b1"}


@pytest.mark.slow
def test_fastest_runs_suit_the_machine_of_the_datasets() -> None:
    """The figures of docs/concepts/measuring.md."""
    found = {}
    for path in PUBLISHED.glob("epyc-vm/*/measurements.parquet"):
        used = select([m for m in read_parquet(path) if m.role == "fit"]).used
        assert select_estimator(used) == "matched"
        found[path.parent.name] = [f"{100 * halves_differ(used, name):.2f}" for name in ("matched", "steady")]
    assert found == {"onnxruntime-t1-fp32-b1": ["0.78", "1.65"], "tflite-t1-fp32-b1": ["0.63", "2.60"]}


@pytest.mark.slow
@pytest.mark.parametrize("path", DATASETS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_a_dataset_reproduces_the_figures_published_with_it(path: Path) -> None:
    target = Target.parse("/".join(path.parent.parts[-2:]))
    assert {measurement.target for measurement in read_parquet(path)} == {target}
    assert card_path(path).read_text().startswith(f"# {target}\n")
    published, again = stored_validation(path), validate_again(path)
    figures = again.model_dump(exclude={"results", "left_out"})
    expected = published.model_dump(exclude={"results", "left_out"})
    assert figures.pop("space") == expected.pop("space")
    assert {name: figures.pop(name) for name in ("target", "model")} == {
        name: expected.pop(name) for name in ("target", "model")
    }
    assert figures.pop("drift") == expected.pop("drift")  # None, which approx refuses
    assert figures == pytest.approx(expected, rel=1e-6)
