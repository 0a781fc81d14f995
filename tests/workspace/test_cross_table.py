"""Claims of a cross table: only about networks that saw the same images."""

from __future__ import annotations

from latkit.evaluation.cross_table import Cell, CrossTable, Row
from latkit.search.records.recipe import DataFacts

HERE, THERE = "here/onnxruntime-t1-fp32-b1", "there/tflite-t1-fp32-b1"
DIGITS = DataFacts(
    name="digits",
    training_images=1500,
    test_images=297,
    class_names=("0", "1"),
    shape=(1, 8, 8),
    mean=(0,),
    std=(1,),
    sha256="",
)


def row(name: str, target: str, accuracy: float, milliseconds: float, data: DataFacts | None) -> Row:
    cell = Cell(first_ms=milliseconds, second_ms=milliseconds)
    return Row(
        name=name,
        kind="derived",
        target=target,
        target_latency_ms=1.0,
        score=accuracy,
        data=data,
        input_shape=(1, 8, 8),
        macs=1,
        parameters=1,
        key=name,
        cells={HERE: cell, THERE: cell},
    )


def claim_of(own: Row, other: Row) -> tuple[bool | None, str]:
    claim = next(CrossTable(name="x", targets=(HERE, THERE), rows=(own, other)).claims())
    return claim.holds, claim.statement


def test_accuracies_on_other_images_are_not_compared() -> None:
    own = row("own", HERE, 0.8, 2.0, DIGITS)
    holds, statement = claim_of(own, row("other", THERE, 0.9, 1.0, DIGITS))
    assert not holds
    assert "other, made for" in statement
    elsewhere = DIGITS.model_copy(update={"source": "idx:elsewhere"})
    assert claim_of(own, row("other", THERE, 0.9, 1.0, elsewhere))[0] is False
    for data in (DIGITS.model_copy(update={"shape": (1, 16, 16)}), DIGITS.model_copy(update={"name": "mnist"}), None):
        found = claim_of(own, row("other", THERE, 0.9, 1.0, data))
        assert found == (None, f"nothing made for another target on the same images was measured on {HERE}")
