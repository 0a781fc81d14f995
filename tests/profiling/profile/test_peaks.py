"""Peak rates are the fastest of rounds that agree, so that other load on the device does not lower them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

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
