"""Precision of every op by HAQ's agent and by the exact solver, on both runtimes of this machine, on Fashion-MNIST.

    python benchmarks/haq.py [--data idx:/usr/share/datasets/fashion-mnist] [--workspace DIR] [--quick] [--json]

Trains a small network of dense, pointwise and depthwise convolutions, measures its ops in fp32, int8 and int8-dynamic
and the boundaries between them, and asks `quantize` for the policy at 0.85 times the latency of uniform int8, at most
1.1 times that of the fastest one. Accuracies are of the files, run on the test images; `mixed` is the agent's policy
and `exact` that of dynamic programming, both after a short quantization-aware training, as uniform int8 is. `cross_ms`
is every runtime's policy on every runtime. With `--workspace` an interrupted run goes on. `--quick` shows that
everything works.

Uniform int8 is the fastest policy of most networks. Mixed precision gains where a runtime's int8 kernels are slow: in
onnxruntime a first convolution of one channel and large depthwise kernels are, in TFLite depthwise kernels beyond 5x5
are unless their ranges are dynamic. So the network has both, as networks with large kernels have (MixNet, ConvNeXt).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from latkit.cli.console import show_table
from latkit.cli.progress_bars import ConsoleProgress
from latkit.devices import Local, add_device
from latkit.evaluation.validation import measure_network
from latkit.nn import build_module
from latkit.ops import Network, make_op
from latkit.progress import Callbacks
from latkit.search import DataSplit, SearchSettings, TrainedNetwork, load_data
from latkit.search.data import subset
from latkit.search.quantization.finetune import CHECKPOINT_S
from latkit.search.quantization.records import QuantizeSettings
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.training.runtime_env import fabric_of, seeded, threads
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import ChainSpace
from latkit.spaces.precisions import network_precisions, uniform_policy
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace import MeasureOptions, Workspace
from latkit.workspace.quantize import fit_precisions
from latkit.workspace.requests.quantize import QuantizeRequest

HERE, WAIT_S = "here", 600.0
SLACK, INT8_SHARE, TIGHT = 1.1, 0.85, 1.01
"""Of the fastest policy; of uniform int8; and of the fastest where int8 is nearly as fast."""
LAYERS = (
    (32, 5, 1, False),
    (32, 7, 1, True),
    (48, 3, 2, False),
    (48, 5, 1, True),
    (64, 1, 1, False),
    (96, 3, 2, False),
    (96, 1, 1, False),
)
"""Output channels, kernel, stride, depthwise."""
PRECISIONS = ("fp32", "int8", "int8-dynamic")
EPOCHS, FINETUNING_IMAGES = 2, 16_000
"""Epochs of training, and images of the one epoch of quantization-aware training."""


def network() -> Network:
    """Convolutions, a pool and a classifier, for gray images of 28x28."""
    shape: tuple[int, ...] = (1, 28, 28)
    ops = []
    for channels, kernel, stride, depthwise in LAYERS:
        groups = channels if depthwise else 1
        ops.append(make_op("conv", shape, out_channels=channels, kernel=kernel, stride=stride, groups=groups))
        shape = ops[-1].output_shape
    pool = make_op("pool", shape)
    return Network((*ops, pool, make_op("linear", pool.output_shape, out_features=10)), "haq-benchmark")


def trained(data: DataSplit, folder: Path, epochs: int, progress: Any) -> TrainedNetwork:
    """The network with trained weights, which are saved in the folder, and a checkpoint every minute before that."""
    record, path, checkpoint = network(), folder / "weights.safetensors", folder / "training.pt"
    if not path.exists():
        settings = SearchSettings.make(
            training_epochs=epochs, training_batch_size=128, accelerator="cpu", threads=1, evaluation_epochs=0
        )
        with seeded(0), threads(1):
            module, fabric = build_module(record), fabric_of(settings)
            phase, start = TrainingPhase(module.train(), data, settings, fabric), 0
            if checkpoint.exists():
                saved = load_checkpoint(checkpoint)
                start = int(saved["step"])
                phase.load_state(saved["phase"])
            keeper = Checkpointer(
                lambda step: save_checkpoint(checkpoint, {"step": step, "phase": phase.state()}), CHECKPOINT_S, fabric
            )
            run_phase(phase, start, keeper, progress, lambda _: None)
            save_file({name: one.contiguous() for name, one in phase.finish().state_dict().items()}, path)
    return TrainedNetwork(record, load_file(path), data.mean, data.std, data.class_names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="idx:/usr/share/datasets/fashion-mnist")
    parser.add_argument("--runtimes", nargs="+", default=["onnxruntime", "tflite"])
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() if given.workspace is None else nullcontext(given.workspace) as folder:
        workspace = Workspace.init(folder)
        if not (workspace.devices_dir / f"{HERE}.toml").exists():
            add_device(workspace.devices_dir, HERE, Local(), python=sys.executable)
        document = run(workspace, given, Callbacks(ConsoleProgress(), lambda text: print(text, file=sys.stderr)))
    if given.json:
        print(json.dumps(document))
    else:
        show_table("runtimes", [{"runtime": name, **row} for name, row in document["runtimes"].items()])
        show_table("policies", [{"policy": name, **row} for name, row in document["cross_ms"].items()])


def run(workspace: Workspace, given: argparse.Namespace, callbacks: Callbacks) -> dict[str, Any]:
    data = load_data(given.data, 28, 1)
    data = first_images(data, 3000) if given.quick else data
    network_ = trained(data, workspace.root, 1 if given.quick else EPOCHS, callbacks.progress)
    data = first_images(data, FINETUNING_IMAGES)
    settings = QuantizeSettings(judged_images=1024, episodes=100, learning_rate=0.001)
    if given.quick:
        settings = QuantizeSettings(calibration_images=64, judged_images=128, episodes=25, epochs=1, test_images=200)
    effort = (
        {"rounds": 1, "round_s": 0.02, "extra_rounds": 0, "networks": 4}
        if given.quick
        else {"rounds": 4, "round_s": 0.1}
    )
    space = network_precisions(network_.network, PRECISIONS)
    found, models = {}, {}
    for name in given.runtimes:
        request = QuantizeRequest(
            target=f"{HERE}/{name}",
            model=f"haq-{name}",
            latency_ms=1.0,
            precisions=PRECISIONS,
            settings=settings,
            wait_s=WAIT_S,
            **effort,
        )
        saved = workspace.root / f"bound-{name}.json"
        models[name] = fit_precisions(workspace, request, space, callbacks)
        if not saved.exists():  # so that a run that goes on asks for the same
            saved.write_text(json.dumps(1e3 * bound_s(space, LatencyTable(space, models[name]))))
        request = request.model_copy(update={"latency_ms": json.loads(saved.read_text())})
        found[name] = workspace.quantize(request, callbacks, network_, data).result
    policies = {
        name: space.decode([layer.precisions.index(layer.precision) for layer in result.layers])
        for name, result in found.items()
    }
    cross: dict[str, dict[str, float]] = {name: {} for name in policies}
    for runtime, model in models.items():
        with workspace.collection(Target(HERE, runtime), MeasureOptions(wait_s=WAIT_S), callbacks) as collection:
            for name, policy in policies.items():
                cross[name][runtime] = measure_network(collection, model, policy).network.measured_ms
    return {"runtimes": {name: _row(result) for name, result in found.items()}, "cross_ms": cross}


def bound_s(space: ChainSpace, table: LatencyTable) -> float:
    """What the policy may take: 0.88 times uniform int8 where a policy is that fast, else just above the fastest."""
    int8 = table.total(uniform_policy(space, "int8"))
    return max(min(SLACK * table.min(), INT8_SHARE * int8), TIGHT * table.min())


def first_images(data: DataSplit, count: int) -> DataSplit:
    """The data with only the first training images."""
    return replace(data, train=subset(data.train, torch.arange(min(count, len(data.train.labels)))))


def _row(result: Any) -> dict[str, Any]:
    fp32, int8, mixed, exact = (result.variants[name] for name in ("fp32", "int8", "haq", "exact"))
    return {
        "fp32_ms": fp32.measured_ms,
        "int8_ms": int8.measured_ms,
        "mixed_ms": mixed.measured_ms,
        "predicted_ms": mixed.predicted_ms,
        "fp32_accuracy": fp32.score,
        "int8_accuracy": int8.score,
        "mixed_accuracy": mixed.score,
        "exact_accuracy": exact.score,
        "exact_ms": exact.measured_ms,
        "simulated_int8_accuracy": int8.simulated_score,
        "winner": result.winner,
        "policy": [layer.precision for layer in result.layers],
    }


if __name__ == "__main__":
    main()
