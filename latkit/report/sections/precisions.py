"""Precisions on a target's page: what each op gains or loses in them, and what boundaries between them cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from latkit.devices import Device
from latkit.latency_models import AdditiveModel
from latkit.latency_models.pair_terms import Link
from latkit.ops import Op
from latkit.ops.precision import FP32
from latkit.report.formatting import ABSENT, count, digits, latency, shape_text
from latkit.report.html import Html, details, element, join, paragraph, table
from latkit.report.sections.targets.target_facts import TargetFacts
from latkit.timing import Estimate

MAX_ROWS = 40
"""Ops in the table."""

Gains = dict[Op, dict[str, float]]
"""Seconds of every op by precision, under the op in fp32."""


def precision_section(known: TargetFacts) -> Html | None:
    """What was measured of precisions; None where nothing was."""
    gains, pairs = gains_of(known.ops), _pairs(known.models)
    probed = _probed(known.device, known.target.runtime)
    parts = [part for part in (probed, _gains(gains), _boundaries(pairs)) if part is not None]
    return join(parts) if parts else None


def gains_of(ops: Mapping[Op, Estimate]) -> Gains:
    """The ops that were measured in fp32 and in another precision."""
    found: Gains = {}
    for op, estimate in ops.items():
        found.setdefault(replace(op, precision=FP32.name), {})[op.precision] = estimate.seconds
    return {op: seconds for op, seconds in found.items() if FP32.name in seconds and len(seconds) > 1}


def _probed(device: Device | None, runtime: str) -> Html | None:
    """One convolution in every precision that the device executes."""
    known = {} if device is None or not device.precisions else device.precisions.get(runtime, {})
    if not known:
        return None
    rows = [(name, f"{one.speedup:.2f}×" if one.speedup else ABSENT, one.reason or "") for name, one in known.items()]
    return join(
        [
            paragraph("Speed of one 3x3 convolution beside fp32; an absent one is not executed."),
            table(("precision", "speed", "why not"), rows),
        ]
    )


def _gains(gains: Gains) -> Html | None:
    if not gains:
        return None
    names = list(dict.fromkeys(name for seconds in gains.values() for name in seconds if name != FP32.name))
    ordered = sorted(gains.items(), key=lambda item: -item[1][FP32.name])
    rows = []
    for op, seconds in ordered[:MAX_ROWS]:
        factors = [_factor(seconds, name) for name in names]
        rows.append((op.title, latency(seconds[FP32.name]), *factors))
    parts = [
        element("h4", "Gain and loss per op"),
        paragraph(*_summary(gains, names)),
        table(("op", "fp32", *names), rows),
    ]
    if len(gains) > MAX_ROWS:
        parts.append(paragraph(f"The {MAX_ROWS} slowest of {count(len(gains), 'op')}."))
    return join(parts)


def _factor(seconds: Mapping[str, float], name: str) -> str:
    """How many times faster than fp32."""
    if not seconds.get(name):
        return ABSENT
    factor = seconds[FP32.name] / seconds[name]
    return f"{factor:.2f}×" if factor >= 1 else f"{factor:.2f}× (slower)"


def _summary(gains: Gains, names: Sequence[str]) -> list[str]:
    """How many ops each precision makes faster."""
    sentences = []
    for name in names:
        measured = [seconds for seconds in gains.values() if seconds.get(name)]
        faster = sum(seconds[name] < seconds[FP32.name] for seconds in measured)
        sentences.append(f"{name} is faster for {faster} of {count(len(measured), 'op')} measured alone. ")
    return sentences


def _pairs(models: Mapping[str, AdditiveModel]) -> Mapping[Link, float]:
    """The calibrated terms of boundaries, of the model that has the most."""
    found = [model.calibrated_pairs_.measured for model in models.values()]
    between = [{link: s for link, s in terms.items() if link.producer != link.consumer} for terms in found]
    return max(between, key=len, default={})


def _boundaries(pairs: Mapping[Link, float]) -> Html | None:
    """What the tensor between two ops costs, by its size and the precisions on both sides."""
    if not pairs:
        return None
    columns = list(dict.fromkeys((link.producer, link.consumer, link.residual) for link in pairs))
    shapes = sorted({link.shape for link in pairs}, key=math.prod, reverse=True)
    rows = []
    for shape in shapes:
        cells = [pairs.get(Link(producer, consumer, shape, residual)) for producer, consumer, residual in columns]
        rows.append((shape_text(shape), *(ABSENT if one is None else digits(1e6 * one) for one in cells)))
    titles = [f"{one} → {other}{' + residual' if residual else ''}" for one, other, residual in columns]
    note = (
        "What a tensor between two ops of different precision adds to a network, in µs, by its shape. With a residual, "
        "the second op also adds the tensor to its output."
    )
    return join([element("h4", "Boundaries"), paragraph(note), details("All sizes", table(("tensor", *titles), rows))])
