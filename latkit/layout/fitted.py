"""The fitted models of a workspace: one per target, kind and space, and one of all that a target has measured.

measurements/DEVICE/TARGET/model-KIND.json                  fitted without a space; by an older latkit, with any
measurements/DEVICE/TARGET/spaces/SPACE/model-KIND.json     fitted for a space
measurements/DEVICE/TARGET/spaces/SPACE/space.json          that space
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from latkit.errors import BadFile, NotMeasured, UsageError
from latkit.latency_models import AdditiveModel, get_model_kind, load_model
from latkit.layout.folders import SPACE_FILE, SPACES, Folders
from latkit.ops import Network
from latkit.spaces import Space, load_saved
from latkit.targets import Target


class FittedModels(Folders):
    """Selects the model of a target that predicts a space or a network."""

    def model(self, target: Target, kind: str = "lookup", space: Space | None = None) -> AdditiveModel:
        """The model fitted for a space, else that of all measurements, else another that knows its ops.

        Without a space: that of all measurements, or the only one. Raises NotMeasured if there is none, UsageError
        if there are several to choose from, BadFile.
        """
        paths = self._paths(target, kind)
        if space is None:
            if "" not in paths and len(paths) > 1:
                raise UsageError(
                    f"expected one {kind} model of {target}, but found one for each of {', '.join(paths)}; name the "
                    f"space, or fit one on all that was measured: latkit fit {target}"
                )
            return load_model(next(iter(paths.values())), AdditiveModel)
        own = self.model_path(target, kind, space)
        for path in sorted(paths.values(), key=lambda path: path != own):
            model = load_model(path, AdditiveModel)
            if path == own or model.knows(space.ops()):
                return model
        model = load_model(next(iter(paths.values())), AdditiveModel)
        model.layer_seconds(space.ops())  # raises NotMeasured, which names a missing op
        return model

    def model_for(self, target: Target, network: Network, kind: str = "lookup") -> AdditiveModel:
        """The model of the first space that holds a network, else the first that knows its ops. Raises as `model`."""
        return self.models_for(target, [network], kind)[network]

    def models_for(
        self, target: Target, networks: Iterable[Network], kind: str = "lookup"
    ) -> dict[Network, AdditiveModel]:
        """The result of `model_for` for each of several networks."""
        models = _readable(self._paths(target, kind))
        spaces = {name: self._space(target, name) for name in models if name}

        def choose_model(network: Network) -> AdditiveModel:
            of_space = (models[name] for name, space in spaces.items() if space and space.holds(network))
            able = (model for model in models.values() if model.knows(network.ops))
            return next(of_space, None) or next(able, None) or next(iter(models.values()))

        return {network: choose_model(network) for network in networks}

    def has_model(self, target: Target, kind: str) -> bool:
        """Whether a model of that kind was ever fitted on the target. Raises UsageError for an unknown kind."""
        return bool(self._fitted(target, kind))

    def spaces(self, target: Target, kind: str) -> Iterator[Space]:
        """The spaces that a model of that kind was fitted for. Raises BadFile."""
        named = (self._space(target, name) for name in self._fitted(target, kind) if name)
        return (space for space in named if space is not None)

    def models(self, target: Target, kind: str) -> Iterator[tuple[str, AdditiveModel]]:
        """Every model of that kind, with the name of its space; empty for that of all measurements. Raises BadFile."""
        for name, path in self._fitted(target, kind).items():
            space = self._space(target, name) if name else None
            yield (space.name if space else name), load_model(path, AdditiveModel)

    def _paths(self, target: Target, kind: str) -> Mapping[str, Path]:
        found = self._fitted(target, kind)
        if not found:
            self.device(target.device)
            raise NotMeasured(f"no {kind} model of {target} was fitted yet; run: latkit fit {target}")
        return found

    def _fitted(self, target: Target, kind: str) -> dict[str, Path]:
        """Files of the models by the folder of their space, that of all measurements first and under no name."""
        get_model_kind(kind, AdditiveModel)  # or an error that lists the kinds
        everything = self.model_path(target, kind)
        of_spaces = sorted((self.target_dir(target) / SPACES).glob(f"*/{everything.name}"))
        found = {path.parent.name: path for path in of_spaces}
        return {"": everything, **found} if everything.exists() else found

    def _space(self, target: Target, name: str) -> Space | None:
        """The space of a folder of models."""
        path = self.target_dir(target) / SPACES / name / SPACE_FILE
        try:
            return load_saved(path) if path.exists() else None
        except BadFile:
            return None  # for example with an op kind that is not installed here: the other spaces do not need it


def _readable(paths: Mapping[str, Path]) -> dict[str, AdditiveModel]:
    """The models that can be read, by name. Raises BadFile where none can."""
    models: dict[str, AdditiveModel] = {}
    failed: BadFile | None = None
    for name, path in paths.items():
        try:
            models[name] = load_model(path, AdditiveModel)
        except BadFile as error:
            failed = failed or error
    if not models and failed:
        raise failed
    return models
