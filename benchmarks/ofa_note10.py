"""Once-for-all's published accuracy predictor and Note 10 table: what evolution finds at 25 ms, and how fast.

python -m benchmarks.ofa_note10 [FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from latkit import spaces
from latkit._io.arrays import Floats
from latkit.ops import Op
from latkit.search.once_for_all.subnets.evolution import EvolutionPlan, Predict, evolve
from latkit.spaces import ElasticSpace
from latkit.spaces.elastic import BlockSetting, Subnet
from latkit.tables.elastic import ElasticTable

RESOLUTIONS = range(112, 225, 16)
"""Those of the predictor's features."""
MIN_SEEDS = 20


def ofa_space() -> ElasticSpace:
    """The space of the published network of width 1.2."""
    space = spaces.load("ofa-mobile", width=1.2)
    assert isinstance(space, ElasticSpace)
    return space


NOTEBOOK = Subnet(
    192,
    1.2,
    tuple(
        tuple(BlockSetting(kernel, expansion) for kernel, expansion in stage)
        for stage in (
            ((5, 3), (3, 3)),
            ((5, 4), (3, 4)),
            ((7, 6), (7, 3), (3, 4)),
            ((5, 4), (5, 4), (7, 4), (3, 3)),
            ((3, 6), (3, 6), (5, 6)),
        )
    ),
)
"""What Once-for-all's notebook (tutorial/ofa.ipynb) prints as found at 25 ms: 81.71 % predicted, 24.73 ms."""


def published_table(space: ElasticSpace, folder: Path) -> ElasticTable:
    """The Note 10's table: milliseconds of every op by Once-for-all's keys, for each resolution of its own."""
    with np.load(folder / "ofa_note10_latency_tables.npz", allow_pickle=False) as data:
        known = {
            size: dict(zip(data[f"key_{size}"].tolist(), data[f"mean_ms_{size}"].astype(float).tolist(), strict=True))
            for size in space.resolutions
        }
    return ElasticTable(space, lambda size, op: 1e-3 * known[size][key] if (key := _key(op)) else 0.0)


def _key(op: Op) -> str:
    """Once-for-all's key; empty for the activation, which it has within the layer before."""
    given, output = (
        "x".join(map(str, (*shape[1:], shape[0]))) if len(shape) == 3 else f"1x1x{shape[0]}"
        for shape in (op.input_shape, op.output_shape)
    )
    if op.kind == "activation":
        return ""
    if op.kind == "linear":
        last = op.integer("out_features") == 1000
        return f"Logits-input:{given}-output:1000" if last else f"Conv_2-input:{given}-output:{output}"
    if not op.kind.startswith("mbconv"):
        name = "AvgPool2D" if op.kind == "pool" else "Conv" if op["kernel"] == 3 else "Conv_1"
        return f"{name}-input:{given}-output:{output}"
    inside, gated, hard = op.input_shape[0] * op.integer("expansion"), op.kind == "mbconv_se", op["activation"]
    return (
        f"expanded_conv-input:{given}-output:{output}-expand:{inside}-kernel:{op['kernel']}-stride:{op['stride']}"
        f"-idskip:{int(bool(op['residual']))}-se:{int(gated)}-hs:{int(hard == 'hswish')}"
    )


def published_predictor(space: ElasticSpace, folder: Path) -> Predict:
    """The accuracy predictor, for features of the space."""
    with np.load(folder / "ofa_mbv3_accuracy_predictor.npz", allow_pickle=False) as data:
        weights = [(data[f"{n}.weight"].T.copy(), data[f"{n}.bias"]) for n in (0, 2, 4, 6)]
    places, at = {}, 0
    for choice in space.choices:
        places[choice.name] = slice(at, at + len(choice.options))
        at += len(choice.options)
    columns = [
        column
        for what in ("kernel", "expansion")
        for stage in range(1, 6)
        for block in range(1, 5)
        for column in range(*places[f"stage{stage}.block{block}.{what}"].indices(at))
    ]
    sizes = places["resolution"]
    offset = 120 + RESOLUTIONS.index(space.resolutions[0])

    def predict(features: Floats) -> Floats:
        values = np.zeros((len(features), 128), dtype=np.float32)
        values[:, :120] = features[:, columns]
        values[:, offset : offset + len(space.resolutions)] = features[:, sizes]
        for number, (weight, bias) in enumerate(weights):
            values = values @ weight + bias
            if number < 3:
                np.maximum(values, 0, out=values)
        return values[:, 0].astype(np.float64)

    return predict


def ofa_25ms(folder: Path, seeds: int = MIN_SEEDS) -> dict[str, float]:
    """Accuracy in percent and seconds of one search at 25 ms, means over the seeds; loading is not counted."""
    space = ofa_space()
    table, predict = published_table(space, folder), published_predictor(space, folder)
    accuracies, seconds = [], []
    for seed in range(seeds):
        begin = time.perf_counter()
        best = evolve(table, predict, 25e-3, seed, EvolutionPlan())[0]
        seconds.append(time.perf_counter() - begin)
        accuracies.append(100 * best.score)
        assert best.seconds <= 25e-3
    return {"accuracy": statistics.mean(accuracies), "seconds": statistics.mean(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data"), help="Folder of both files.")
    print(json.dumps(ofa_25ms(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
