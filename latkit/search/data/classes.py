"""Checks of the labels, for every source of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from latkit.errors import UsageError


def check_classes(name: str, train: Tensor, test: Tensor, class_names: Sequence[str]) -> None:
    """Raise UsageError unless there are at least two classes, all with training images, and no others in the test
    set."""
    if len(class_names) < 2:
        raise UsageError(
            f"data {name}: expected at least 2 classes, but found {len(class_names)}: nothing to tell apart"
        )
    for part, labels in (("train", train), ("test", test)):
        if not len(labels):
            raise UsageError(f"data {name}: expected images to {part} on, but found none")
        if int(labels.min()) < 0 or int(labels.max()) >= len(class_names):
            wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
            raise UsageError(
                f"data {name}: expected {part} labels from 0 to {len(class_names) - 1}, but found label {wrong}"
            )
    present = torch.bincount(train, minlength=len(class_names)) > 0
    lacking = [repr(class_name) for class_name, there in zip(class_names, present.tolist(), strict=True) if not there]
    if lacking:
        listed = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        raise UsageError(
            f"data {name}: expected training images of each of its {len(class_names)} classes, but found none of "
            f"{listed}; add some, or leave the class out"
        )
