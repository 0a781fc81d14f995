"""What is done with each extra of latkit to see that it works: a part of `installs.py`.

Each extra has the other extras that its use needs, and steps: a command of latkit, or a program in Python.
"""

from __future__ import annotations

from dataclasses import dataclass

MODEL = """
import onnx
from onnx import TensorProto, helper
image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, 16, 16])
output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
weights = helper.make_tensor("weights", TensorProto.FLOAT, [4, 4, 3, 3], [0.1] * 144)
nodes = [helper.make_node("Conv", ["image", "weights"], ["output"])]
graph = helper.make_graph(nodes, "convolution", [image], [output], [weights])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "model.onnx")
"""
"""Writes the model file that is profiled."""

TFLITE = """
import torch
from latkit.artifacts.quantized import calibration_batches, export_quantized
from latkit.runtimes import get_runtime
from latkit.runtimes.quantization import Quantization
tflite, images = get_runtime("tflite"), torch.rand(8, 3, 8, 8)
module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3)).eval()
plan = Quantization({"": "int8"}, calibration_batches(images))
export_quantized(tflite, module, (3, 8, 8), plan, "model.tflite")
assert tflite.run("model.tflite", images[:1]).shape == (1, 8, 6, 6)
"""

SEARCH = """
import sys
from latkit import LatencyTable
from latkit.cli import main
table = LatencyTable.load("table.json")
middle = 500 * (table.fastest() + table.slowest())
less = "architecture_share=0.9 warmup_epochs=1 epochs=1 training_epochs=1 export_tflite=false"
sys.argv = ["latkit", "search", "here/onnxruntime", "--space", "proxyless-tiny", "--data", "digits", "--quick",
            "--latency-ms", f"{middle}", "--name", "first", *(word for one in less.split() for word in ("--set", one))]
main()
"""

PARQUET = """
from pathlib import Path
import latkit
(path,) = Path("measurements").rglob("profiles/*.json")
frame = latkit.Profile.load(path).to_polars()
frame.write_parquet("ops.parquet")
assert frame.height and Path("ops.parquet").stat().st_size
"""

OPTUNA = """
from latkit.search.goals import Goals
from latkit.search.strategies import make_strategy
from latkit.spaces import load
strategy = make_strategy("optuna-tpe", load("nasbench201"), Goals.parse("accuracy:max"), seed=0)
assert len(set(strategy.ask(4))) == 4
"""

CLUSTER = """
import os
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
import ray
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.goals import Goals
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.strategies import make_strategy
from latkit.spaces import load

class Sum(Evaluator):
    name, quantities = "sum", ("score",)
    def judge(self, architectures, effort=None):
        return [Verdict({"score": float(sum(one))}, {"evaluations": 1.0}) for one in architectures]

ray.init(num_cpus=1, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
strategy = make_strategy("random", load("nasbench201"), Goals.parse("score:max"), seed=0)
outcome = search(strategy, Sum(), Budget(evaluations=4), LoopOptions("history.jsonl", batch=2, cluster="auto"))
assert len(outcome.entries) == 4, outcome
"""

HUB = """
import numpy
from PIL import Image
import datasets
from latkit.search import load_data
picture = Image.fromarray(numpy.zeros((8, 8, 3), "uint8"))
columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
rows = {"image": [picture] * 4, "label": [0, 1, 0, 1]}
one = datasets.Dataset.from_dict(rows, features=datasets.Features(columns))
datasets.DatasetDict({"train": one, "test": one}).save_to_disk("images")
assert load_data("hf:images", 8).shape == (3, 8, 8)
"""

Step = tuple[object, ...]
"""A command of latkit with its arguments, or `python` with a program."""

QUICK = ("--rounds", 2, "--round-seconds", 0.01, "--wait", 600)
BEGIN: tuple[Step, ...] = (("python", MODEL), ("init",), ("device", "add", "here", "--local"))
PROFILE: Step = ("profile", "here/onnxruntime", "model.onnx", *QUICK)
TINY = ("here/onnxruntime", "--space", "proxyless-tiny")
COLLECT: tuple[Step, ...] = (
    ("collect", "space", *TINY, "--networks", 4, "--extra-rounds", 0, *QUICK),
    ("fit", *TINY),
    ("table", "export", *TINY, "-o", "table.json"),
)


@dataclass(frozen=True, slots=True)
class Use:
    """What shows that an extra works."""

    steps: tuple[Step, ...]
    with_extras: tuple[str, ...] = ()
    """Other extras that the steps need."""


USES = {
    "": Use((*BEGIN, PROFILE)),
    "collect": Use((*BEGIN, *COLLECT)),
    "report": Use((*BEGIN, (*PROFILE, "--html", "page.html"))),
    "search": Use((*BEGIN, *COLLECT, ("python", SEARCH), ("report", "first", "-o", "first.html"))),
    "parquet": Use((*BEGIN, PROFILE, ("python", PARQUET))),
    "tflite": Use((*BEGIN, ("python", TFLITE), ("profile", "here/tflite", "model.tflite", *QUICK))),
    "optuna": Use((("python", OPTUNA),)),
    "cluster": Use((("python", CLUSTER),)),
    "hub": Use((("python", HUB),), ("search",)),
}
"""By extra; the first is latkit without any."""
