"""The device's peak rates under a target's settings, measured: a matrix product, and a copy larger than the cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from latkit._io import load_record, naming_extras, write_record
from latkit.errors import BadFile
from latkit.graphs import GraphBuilder
from latkit.graphs.dialects import DIALECTS
from latkit.ops import make_op
from latkit.profiling.collector import Collection
from latkit.profiling.profile.records import Peaks
from latkit.runtimes import Artifact, get_runtime
from latkit.timing import REFERENCE, Environment, TimingPlan, Workload, uses_cpu_time
from latkit.timing.rounds import round_min_s

PRODUCT = make_op("conv", (512, 32, 32), out_channels=512, kernel=1)
"""A 1x1 convolution: a product of 512x512 and 512x1024. As an op it is in the target's precision."""
COPY_SHAPE = (8, 1024, 1024)
"""Copied twice into one output by a concatenation: 32 MiB read, 64 MiB written."""
COPY_BYTES = 3 * 4 * 8 * 1024 * 1024
PLAN = TimingPlan(rounds=3, round_s=0.15)
"""At least this many rounds."""
MAX_ROUNDS = 10
AGREEMENT = 0.03
"""Rounds are added until the two fastest differ by at most this share: other load only makes a round slower."""
MAX_AGE_S = 24 * 3600
"""Older peaks are measured again; the higher of both rates stays, since other work only lowers them."""


class _Saved(BaseModel):
    """The file of a target's peaks."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["latkit-peaks-1"] = "latkit-peaks-1"
    environment: dict[str, Any]
    peaks: Peaks


def ensure_peaks(collection: Collection, path: Path, environment: Environment, folder: Path) -> Peaks:
    """The saved peaks of this environment, or those measured now and saved at `path`.

    Peaks are measured again after a day, so that a busy machine does not lower them forever.
    `folder`: for the model of the copy. Raises DeviceError and ExportError.
    """
    try:
        saved = load_record(path, _Saved, "a target's peak rates")
    except BadFile:
        saved = None
    if saved is not None and saved.environment != environment.to_json():
        saved = None
    if saved is not None and 0 <= time.time() - saved.peaks.measured_at < MAX_AGE_S:
        return saved.peaks
    peaks = _measured(collection, folder)
    if saved is not None:
        peaks = peaks.best_of(saved.peaks)
    write_record(path, _Saved(environment=environment.to_json(), peaks=peaks).model_dump(mode="json"))
    return peaks


def _measured(collection: Collection, folder: Path) -> Peaks:
    batch = collection.store.target.batch
    product_s = _fastest_s(collection, collection.export(_product(collection)))
    copy_s = _fastest_s(collection, _copy(collection, folder))
    return Peaks(
        gmacs_per_s=batch * PRODUCT.macs / product_s / 1e9,
        gbytes_per_s=batch * COPY_BYTES / copy_s / 1e9,
        measured_at=time.time(),
    )


def _fastest_s(collection: Collection, artifact: Artifact) -> float:
    reference = collection.export(REFERENCE)
    use_cpu_time = uses_cpu_time(collection.store.target)
    seconds: list[float] = []
    while len(seconds) < MAX_ROUNDS:
        seconds.append(round_min_s(collection.session.measure_round(artifact, reference, PLAN), use_cpu_time))
        if len(seconds) >= PLAN.rounds and agree(seconds):
            break
    return min(seconds)


def agree(seconds: Sequence[float]) -> bool:
    """Whether the two fastest of several rounds are as fast as each other."""
    fastest, second = sorted(seconds)[:2]
    return second <= fastest * (1 + AGREEMENT)


def _builder(collection: Collection) -> GraphBuilder | None:
    """Builds graphs for the target, which are written without torch; None where its runtime takes none."""
    target = collection.store.target
    runtime = get_runtime(target.runtime)
    dialect = DIALECTS.get(runtime.graph_dialect)
    return dialect.builder() if dialect is not None and target.precision == runtime.precisions[0] else None


def _product(collection: Collection) -> Workload:
    builder = _builder(collection)
    if builder is None:
        return PRODUCT
    image = builder.input(collection.store.target.batch, *PRODUCT.input_shape)
    return builder.graph([builder.conv(image, PRODUCT.output_shape[0])], "product")


def _copy(collection: Collection, folder: Path) -> Artifact:
    """The model of the copy, exported into the folder where torch writes it. Raises MissingExtra without torch."""
    builder = _builder(collection)
    if builder is not None:
        image = builder.input(collection.store.target.batch, *COPY_SHAPE)
        return collection.export(builder.graph([builder.concat(2, image, image)], "copy"))
    with naming_extras():
        from latkit.artifacts.copy_model import export_copy

    runtime = get_runtime(collection.store.target.runtime)
    path = folder / f"copy{runtime.suffix}"
    return export_copy(runtime, COPY_SHAPE, path, collection.store.target.batch)
