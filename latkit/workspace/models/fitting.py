"""The models of a workspace: fitted on its measurements, saved with their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latkit._io import make_folder
from latkit.devices import BenchmarkTool, parse_cores
from latkit.errors import LatkitError, NotMeasured, UsageError
from latkit.latency_models import (
    AdditiveModel,
    KernelModel,
    LatencyModel,
    LookupModel,
    OpModel,
    TransferModel,
    choose_networks,
    get_model_kind,
)
from latkit.latency_models.kernels import Prediction
from latkit.latency_models.kernels.fusion_file import FusionFile
from latkit.layout.fitted import FittedModels
from latkit.layout.folders import SPACE_FILE, of_space
from latkit.measurements import Selection
from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import DEFAULT_ESTIMATOR, select_estimator

REMEDY = "run: latkit collect space {} --space SPACE, and see what it says of the ops that it could not measure"


class ModelFitting(FittedModels):
    """The fitted models of a workspace, and the verbs that fit them."""

    def fit_model(
        self, target: Target, space: Space | None = None, kind: str = "lookup", estimator: str | None = None
    ) -> AdditiveModel:
        """Fit a model on the measurements, and save it with the target, next to those of other spaces.

        With a space, only its ops and networks are used, by a model that learns from ops (`AdditiveModel.learns`) other
        ops as well, and the model must know all of the space's ops. `estimator`: how samples become a latency, one of
        `latkit.timing.ESTIMATORS`; by default the one that suits the samples (`select_estimator`). Raises NotMeasured,
        also if no measured op can be fitted on.
        """
        model_class = get_model_kind(kind, OpModel)  # or an error, before anything is done
        selection = self.selection(target)
        used = selection.usable()
        if space is not None:
            used = tuple(of_space(used, space, every_op=model_class.learns))
        model = model_class().fit(used, estimator or select_estimator(used))
        if space is not None:
            _check_ops(model, space, selection)
        if not any(isinstance(m.workload, Op) and m.workload != OVERHEAD_PROBE for m in used):
            raise NotMeasured(
                f"no op was measured on {target} that a model could be fitted on; {REMEDY.format(target)}"
            )
        self._keep(model, target, space)
        return model

    def fit_spaces(
        self, target: Target, kind: str = "lookup", estimator: str | None = None
    ) -> dict[str, LatkitError | None]:
        """Refit for every space that a model of that kind was fitted for, so that no model uses older measurements.

        Returns, by space name, why a model was left unchanged; None where it was fitted.
        """
        outcomes: dict[str, LatkitError | None] = {}
        for space in self.spaces(target, kind):
            try:
                self.fit_model(target, space, kind, estimator)
                outcomes[space.name] = None
            except LatkitError as error:
                outcomes[space.name] = error
        return outcomes

    def _keep(self, model: LatencyModel, target: Target, space: Space | None) -> None:
        """Write a model, and next to it its space."""
        path = self.model_path(target, model.kind, space)
        make_folder(path.parent)
        if space is not None:
            space.save(path.parent / SPACE_FILE)
        model.save(path)

    def fit_kernels(self, target: Target, estimator: str | None = None) -> KernelModel:
        """Fit the model of external networks on the measured graphs, and save it with the target.

        Raises NotMeasured if no graph was measured.
        """
        if not self.fusion_path(target).exists():
            raise NotMeasured(f"no kernel of {target} was measured yet; run: latkit collect kernels {target}")
        fusion = FusionFile.load(self.fusion_path(target))
        used = self.selection(target).usable()
        model = KernelModel(fusion.holding, fusion.unmeasurable).fit(used, estimator or select_estimator(used))
        model.save(self.kernel_model_path(target))
        return model

    def kernel_model(self, target: Target) -> KernelModel:
        """The model that `fit_kernels` saved; fitted now where kernels were measured and it is missing.

        Raises NotMeasured if no kernel was measured.
        """
        path = self.kernel_model_path(target)
        if path.exists():
            return KernelModel.load(path)
        if self.fusion_path(target).exists() and self.has_measurements(target):
            return self.fit_kernels(target)
        self.device(target.device)
        raise NotMeasured(
            f"no external network can be predicted on {target} yet; run: latkit collect kernels {target}, or for one "
            f"file: latkit collect model {target} MODEL"
        )

    def predict_module(self, target: Target, module: Any, example: Any) -> Prediction:
        """Latency of a torch module on a target, for inputs of exactly the shape of `example`, a tensor.

        The module is exported to ONNX first. Raises ExportError, NotMeasured.
        """
        from latkit.runtimes.onnx.module import graph_of_module

        return self.kernel_model(target).predict(graph_of_module(module, example))

    def fit_from(
        self, target: Target, sources: Sequence[Target], space: Space, estimator: str | None = None
    ) -> TransferModel:
        """Fit a model of a space's ops on a few networks measured on the target, and on all that other targets know.

        `estimator`: of all of them; the default one unless given. The model is saved with the target.

        Raises NotMeasured if a source lacks an op of the space, or the target networks.
        """
        estimator = estimator or DEFAULT_ESTIMATOR
        model = TransferModel(self._sources(target, sources, space, estimator), space.ops())
        model.fit(self.selection(target, space).usable(), estimator)
        self._keep(model, target, space)
        return model

    def networks_to_measure(self, target: Target, sources: Sequence[Target], space: Space, count: int) -> list[Network]:
        """The most informative networks of a space for a target, given other known targets: `count` in all.

        Those already measured there are included in the count. Raises as `fit_from` does.
        """
        done: list[Network] = []
        if self.has_measurements(target):
            workloads = [measurement.workload for measurement in self.selection(target, space).used]
            done = [workload for workload in workloads if isinstance(workload, Network)]
        models = list(self._sources(target, sources, space).values())
        return [*done, *choose_networks(space, models, max(count - len(done), 0), done)]

    def _sources(
        self, target: Target, sources: Sequence[Target], space: Space, estimator: str = DEFAULT_ESTIMATOR
    ) -> dict[Target, AdditiveModel]:
        if target in sources:
            raise UsageError(f"expected other targets to learn from, but found {target} itself")
        return {source: LookupModel().fit(self.selection(source, space).usable(), estimator) for source in sources}


def _check_ops(model: AdditiveModel, space: Space, selection: Selection) -> None:
    """Raise NotMeasured unless the model knows all ops of the space: with the reason for one that was left out."""
    try:
        model.layer_seconds(space.ops())
    except NotMeasured as error:
        reasons = {op.title: reason for op in space.ops() if (reason := selection.reason_against(op))}
        if not reasons:
            raise
        title, reason = next(iter(reasons.items()))
        raise NotMeasured(
            f"{len(reasons)} ops of {space.name} were measured, but cannot be used: the first is {title}, {reason}; "
            "run the same latkit collect again"
        ) from error


def pinned_as(model: LatencyModel) -> tuple[int, ...]:
    """The cores of the model's measurements: whatever is compared with it must run there too."""
    return parse_cores(model.origin_.environment.affinity)


def check_tool(model: LatencyModel, tool: BenchmarkTool | None) -> None:
    """Raise UsageError unless the tool is the one that measured the model's ops."""
    environment = model.origin_.environment
    if tool.has_measured(environment) if tool else environment.agent != BenchmarkTool.name:
        return
    agent = "latkit's agent"
    theirs = (
        f"{environment.runtime_version} ({environment.delegate})" if environment.agent == BenchmarkTool.name else agent
    )
    ours = f"{tool.version} ({tool.settings or 'no flags'})" if tool else agent
    raise UsageError(
        f"expected to measure with {theirs}, as for the model of {model.origin_.target}, but found {ours}; "
        "give the same --benchmark-tool and --benchmark-flag as to latkit collect"
    )
