"""Registry of the kinds of latency model: classes, those of installed plug-ins included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

from latkit._io import reading_json
from latkit._registry import Registry
from latkit.errors import UsageError
from latkit.latency_models.base import LatencyModel

Model = TypeVar("Model", bound=LatencyModel)

MODEL_KINDS: Registry[type] = Registry(
    "model kind",
    "latkit.latency_models",
    type,
    {
        "kernels": "latkit.latency_models.kernels.model:KernelModel",
        "lookup": "latkit.latency_models.lookup:LookupModel",
        "transfer": "latkit.latency_models.transfer.model:TransferModel",
        "xgboost": "latkit.latency_models.xgboost_model:XGBoostModel",
    },
)
"""Classes derived from `LatencyModel` by their `kind`."""


def register_model(model_class: type[Model]) -> type[Model]:
    """Register a class under its `kind` for this process; also a decorator. Raises UsageError where it is taken."""
    MODEL_KINDS.register(model_class.kind, model_class)
    return model_class


def get_model_kind(kind: object, base: type[Model]) -> type[Model]:
    """The class of that kind, derived from `base`. Raises UsageError that lists the known kinds."""
    found = _check_class(str(kind), MODEL_KINDS.get(kind))
    if not issubclass(found, base):
        known = ", ".join(model_kinds(base))
        raise UsageError(f"expected {base.title} ({known}), but found {kind!r}, {found.title}")
    return found


def model_kinds(base: type[Model]) -> Mapping[str, type[Model]]:
    """All classes derived from `base`, by kind. Plug-ins that cannot be imported are left out."""
    return {kind: found for kind, found in MODEL_KINDS.items().items() if issubclass(found, base)}


def load_model(path: str | os.PathLike[str], base: type[Model]) -> Model:
    """Read a model of any kind derived from `base`. Raises BadFile."""
    with reading_json(path, base.title) as document:
        found = get_model_kind(_kind_of(document), base)
        return found.from_file(path, document)


def _kind_of(document: object) -> object:
    """The kind that a file names. Version 0.1 wrote none into a kernel model's."""
    if not isinstance(document, dict):
        raise UsageError(f"{type(document).__name__} in place of an object")
    if "kind" not in document and str(document.get("format")).startswith("latkit-kernels-"):
        return "kernels"
    if "kind" not in document:
        raise UsageError("no kind of model in it")
    return document["kind"]


def _check_class(kind: str, found: type) -> type[LatencyModel]:
    """Return a registered class, or raise UsageError unless it is a latency model of that kind."""
    if not issubclass(found, LatencyModel) or found.kind != kind:
        raise UsageError(
            f"expected {found.__module__}.{found.__qualname__} of {MODEL_KINDS.origin(kind)} to be a latency model "
            f"with the kind {kind!r}"
        )
    return found
