"""The verb `validate`: predictions beside measurements of networks that the model has not seen."""

from __future__ import annotations

from latkit._io import check_writable
from latkit.errors import LatkitError
from latkit.evaluation.validation import Validation, unseen_networks, validate_drawn
from latkit.progress import Callbacks
from latkit.workspace.models.fitting import check_tool, pinned_as
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.requests.models import ValidateRequest


class NotSaved(LatkitError):
    """A validation whose figures could not be saved; it carries them."""

    def __init__(self, validation: Validation, error: LatkitError) -> None:
        super().__init__(str(error))
        self.validation = validation


def validate(workspace: MeasuringWorkspace, request: ValidateRequest, callbacks: Callbacks) -> Validation:
    """Measure the networks, compare, and save the figures with the target.

    Raises as `latkit.evaluation.validation.validate_drawn` and `MeasuringWorkspace.collection` do, UsageError where the
    model's ops were measured with another tool, and NotSaved.
    """
    target, space = request.target, request.space
    tool = request.tool([target])
    model = workspace.model(target, request.model, space)
    check_tool(model, tool)
    path = workspace.validation_path(target, space, request.model)
    check_writable(path)  # or an error, before the device is leased
    chosen = unseen_networks(model, space, request.networks, request.seed)
    options = MeasureOptions(request.plan, request.wait_s, pinned_as(model), tool=tool)
    with workspace.collection(target, options, callbacks) as collection:
        validation = validate_drawn(collection, model, space, chosen, request.max_seconds, request.drift_networks)
    try:
        validation.save(path)
        if old := workspace.old_validation_path(target, space, request.model):
            old.unlink(missing_ok=True)  # or the report shows both
    except LatkitError as error:
        raise NotSaved(validation, error) from error
    return validation
