"""Kinds of latency models: looked up by name, other packages' included, and told apart in files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.latency_models import (
    MODEL_KINDS,
    AdditiveModel,
    KernelModel,
    LatencyModel,
    LookupModel,
    OpModel,
    get_model_kind,
    load_model,
    model_kinds,
    register_model,
)
from latkit.ops import Op
from latkit.timing import Estimate
from tests.builders import conv, measurements_of


class ByMacs(OpModel):
    """Another package's kind: seconds per MAC."""

    kind = "by-macs"

    def _fit_ops(self, measured: Mapping[Op, Estimate]) -> None:
        self.ops_ = dict(measured)
        self.seconds_per_mac_ = sum(one.seconds for one in measured.values()) / sum(op.macs for op in measured)

    def op_estimate(self, op: Op) -> Estimate:
        return Estimate(op.macs * self.seconds_per_mac_, None, None)

    @classmethod
    def from_json(cls, document: object) -> "ByMacs":
        model = super().from_json(document)
        model._fit_ops(model.ops_)
        return model


@pytest.fixture
def registered() -> Iterator[None]:
    register_model(ByMacs)
    yield
    MODEL_KINDS._loaded.pop("by-macs")


@pytest.mark.usefixtures("registered")
def test_a_kind_of_another_package_is_fitted_saved_and_loaded(tmp_path: Path) -> None:
    assert list(model_kinds(OpModel)) == ["by-macs", "lookup", "xgboost"]
    model = get_model_kind("by-macs", OpModel)().fit(measurements_of({conv(8): 11_000}, fixed_ns=1000))
    model.save(tmp_path / "model.json")
    again = load_model(tmp_path / "model.json", AdditiveModel)
    assert type(again) is ByMacs
    assert again.predict(conv(16)) == model.predict(conv(16))
    assert model.predict(conv(8)).seconds == pytest.approx(11e-6)


@pytest.mark.usefixtures("registered")
def test_a_name_is_taken_once() -> None:
    class Other(LookupModel):
        kind = "by-macs"

    with pytest.raises(UsageError, match="a second model kind cannot be named 'by-macs'"):
        register_model(Other)


def test_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'forest'; known model kinds: kernels, lookup, transfer, xgboost"):
        get_model_kind("forest", LatencyModel)
    path = tmp_path / "model.json"
    for kind, found in (("forest", "unknown model kind 'forest'"), (["x"], "unknown model kind"), (None, "unknown")):
        path.write_text(json.dumps({"kind": kind}))
        with pytest.raises(BadFile, match=found):
            load_model(path, LatencyModel)


def test_a_kind_that_predicts_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match=r"fitted on ops \(lookup, xgboost\), but found 'transfer', .*--from"):
        get_model_kind("transfer", OpModel)
    with pytest.raises(UsageError, match=r"of ops and networks \(lookup, transfer, xgboost\), but found 'kernels'"):
        get_model_kind("kernels", AdditiveModel)


def test_what_is_registered_is_a_model_of_that_kind() -> None:
    MODEL_KINDS.register("odd", ByMacs)
    try:
        with pytest.raises(UsageError, match=r"test_registry.ByMacs of this process to be a latency model .*'odd'"):
            get_model_kind("odd", LatencyModel)
    finally:
        MODEL_KINDS._loaded.pop("odd")


@pytest.mark.parametrize(
    ("kind", "found", "message"),
    [
        ("kernels", "latkit-kernels-2", "'latkit-kernels-2', which an older latkit wrote; run latkit fit again"),
        ("kernels", "latkit-kernels-4", "which a newer latkit wrote; update latkit, or run latkit fit again"),
        ("lookup", "latkit-model-9", "which a newer latkit wrote"),
        ("lookup", "latkit-model-0", "which an older latkit wrote"),
        ("lookup", "csv", "format 'csv'"),
        ("lookup", 4, "no format in it"),
    ],
)
def test_a_file_of_another_release_says_so(kind: str, found: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"kind": kind, "format": found}))
    with pytest.raises(BadFile) as caught:
        load_model(path, LatencyModel)
    assert message in str(caught.value)


def test_a_kernel_model_of_version_0_1_names_no_kind(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"format": "latkit-kernels-3"}))
    with pytest.raises(BadFile, match="format 'latkit-kernels-3', but found target: Field required"):
        load_model(path, LatencyModel)
    with pytest.raises(BadFile, match="of ops and networks"):
        load_model(path, AdditiveModel)


def test_a_model_refuses_workloads_of_another() -> None:
    from tests.latency_models.kernels.laws import chain

    model = LookupModel().fit(measurements_of({conv(8): 11_000}))
    with pytest.raises(UsageError, match="op or a network of ops for a lookup model, but found a graph"):
        model.predict(chain(4, 4))
    with pytest.raises(UsageError, match="a graph for a kernel model, but found conv"):
        KernelModel().predict(conv(8))
