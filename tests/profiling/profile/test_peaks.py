"""Peak rates are the fastest of rounds that agree, so that other load on the device does not lower them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from latkit.errors import MissingExtra
from latkit.profiling.profile import peaks
from latkit.targets import Target


def fastest(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> tuple[float, int]:
    """The fastest of these rounds that was used, and how many were left."""
    given: Iterator[float] = iter(seconds)
    collection = SimpleNamespace(
        export=lambda _workload: None,
        store=SimpleNamespace(target=Target.parse("here/onnxruntime")),
        session=SimpleNamespace(measure_round=lambda *_arguments: next(given)),
    )
    monkeypatch.setattr(peaks, "round_min_s", lambda one_round, _use_cpu_time: one_round)
    found = peaks._fastest_s(collection, None)  # type: ignore[arg-type]
    return found, len(list(given))


def test_rounds_that_agree_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest(monkeypatch, [1.0, 5.0, 1.01, 0.5]) == (1.0, 1)


def test_rounds_are_added_until_the_fastest_two_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest(monkeypatch, [4.0, 3.0, 2.0, 1.0, 1.02, 0.5]) == (1.0, 1)


def test_a_device_that_never_agrees_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    falling = [float(2**place) for place in range(20, 0, -1)]
    assert fastest(monkeypatch, falling) == (falling[peaks.MAX_ROUNDS - 1], 20 - peaks.MAX_ROUNDS)


def test_without_torch_the_copy_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where the other model of the peaks is in the cache, left by an installation with torch."""
    monkeypatch.delitem(sys.modules, "latkit.artifacts.copy_model", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    collection = SimpleNamespace(store=SimpleNamespace(target=Target.parse("here/onnxruntime-int8")))
    with pytest.raises(MissingExtra, match=r"latkit\[collect\]"):
        peaks._copy(collection, tmp_path)


@pytest.mark.parametrize("runtime", ["onnxruntime", "tflite"])
def test_the_models_of_the_peaks_need_no_torch_and_move_what_they_say(
    runtime: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    target = Target("here", runtime, batch=2)
    collection = SimpleNamespace(store=SimpleNamespace(target=target), export=lambda graph: graph)
    copy, product = peaks._copy(collection, tmp_path), peaks._product(collection)  # type: ignore[arg-type]
    assert product.macs == 2 * peaks.PRODUCT.macs  # type: ignore[union-attr]
    (node,) = copy.nodes  # type: ignore[attr-defined]
    elements = sum(tensor.elements for tensor in (*copy.inputs, *node.outputs))  # type: ignore[attr-defined]
    assert 4 * elements == 2 * peaks.COPY_BYTES, "no transposition beside the copy"
