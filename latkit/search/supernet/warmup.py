"""A warm-up shared by several searches: it draws paths uniformly, so it depends on neither table nor target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latkit._io import reading
from latkit.errors import BadFile, UsageError
from latkit.search.gradient.search_phase import SearchPhase
from latkit.search.records.base import load_record
from latkit.search.records.checkpoint import load_checkpoint
from latkit.search.records.checkpoint_parts import check_parts
from latkit.search.records.result import FILES, Recipe
from latkit.search.training.trainer import Row

WARM_UP_FILE = "warmup.pt"
"""In a search's folder: its checkpoint at the end of the warm-up."""

SETTINGS_AFTER_WARM_UP = (
    "learner",
    "reinforce_samples",
    "reinforce_baseline_decay",
    "repair_candidates",
    "repair_batches",
    "finalists",
    "finalist_epochs",
    "penalty",
    "penalty_weight",
    "multiplier_rate",
    "damping",
    "architecture_learning_rate",
    "architecture_rate_growth",
    "training_epochs",
    "training_batch_size",
    "training_learning_rate",
    "ema_decay",
    "inherit_weights",
    "distillation_weight",
    "distillation_temperature",
    "evaluation_epochs",
    "export_tflite",
    "workers",
    "checkpointing",
    "checkpoint_seconds",
)
"""Settings in which searches that share a warm-up may differ: they take effect after it."""


def check_warm_up(path: Path, recipe: Recipe) -> None:
    """Raise UsageError where a warm-up does not match the recipe of a search, and BadFile."""
    if not path.is_file():
        raise BadFile(path, "the end of a warm-up", "no such file")
    mine, theirs = _facts(recipe), _facts(load_record(Recipe, path.parent / FILES["recipe"]))
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            raise UsageError(
                f"{path}: expected the warm-up of a search whose {name} is {mine.get(name)!r}, but found "
                f"{theirs.get(name)!r}; let the search warm up itself"
            )


def warmed_up(path: Path, phase: SearchPhase) -> dict[str, Any]:
    """A checkpoint with which a search of another target resumes from the end of a warm-up.

    `phase` is that search's own, newly built. Weights, generator and the losses of the warm-up come from the file. The
    learner is initialized as usual, and latencies in the history are by the search's own table. So the search ends bit
    for bit as if it had run the warm-up itself. Its seconds start at zero: the warm-up counts for the search that ran
    it. Raises BadFile.
    """
    saved = load_checkpoint(path, phase.fabric)
    steps = phase.settings.warmup_epochs * phase.steps_per_epoch
    check_parts(path, saved)
    if saved["stage"] != phase.name:
        raise BadFile(path, "a checkpoint of the end of a warm-up", "another checkpoint")
    if int(saved["step"]) != steps:
        raise BadFile(path, f"a checkpoint of the end of a warm-up, after {steps} steps", f"{saved['step']} steps")
    with reading(path, "a checkpoint of the end of a warm-up"):
        rows = {name: [_row(row, phase) for row in of_phase] for name, of_phase in saved["rows"].items()}
    return {
        "stage": phase.name,
        "step": steps,
        "phase": {**saved["phase"], "learner": phase.learner.state()},
        "rows": rows,
        "seconds": {"search": 0.0, "training": 0.0},
        "warm_up": path.parent.name,
    }


def _row(row: Row, phase: SearchPhase) -> Row:
    """A row of the history with the losses of the warm-up, and all other values from this phase."""
    means = {name: value for name, value in row.items() if name.startswith("weight_")}
    own = phase.summary(row["epoch"] - 1)
    return {name: value for name, value in row.items() if name in means or name in own} | own


def _facts(recipe: Recipe) -> Mapping[str, Any]:
    """The facts that determine a warm-up."""
    settings = recipe.settings.model_dump(exclude=set(SETTINGS_AFTER_WARM_UP))
    facts = recipe.model_dump(include={"space", "space_key", "versions"})
    facts["started_from"] = recipe.started_from
    facts["data"] = recipe.data.model_dump(exclude={"source", "file_bytes"})
    return facts | {f"setting {name}": value for name, value in settings.items()}
