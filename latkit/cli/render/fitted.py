"""The models that were fitted, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from latkit.cli.console import Cell, emit_json, note, note_left_out, say, show_table
from latkit.errors import LatkitError
from latkit.workspace.models.fit import Fits


def show_fits(fits: Fits, as_json: bool) -> None:
    """Print the figures of every model, and what was left out."""
    if "transfer" in fits.models:
        _show_transfer(fits, as_json)
        return
    for kind, outcomes in fits.refitted.items():
        _note_spaces(kind, outcomes)
    selection, flags = fits.selection, fits.selection.flags()
    note_left_out([(measurement.workload.title, reason) for measurement, reason in selection.left_out])
    curves = {kind: [asdict(point) for point in curve] for kind, curve in fits.curves.items()}
    if as_json:
        space = fits.space.name if fits.space else None
        document = {"target": str(fits.target), "space": space, "models": fits.rows, "flags": flags}
        emit_json({**document, "curves": curves})
        return
    title = f"{fits.target}: error on networks left out of the calibration"
    show_table(title, [{name: value for name, value in row.items() if name != "file"} for row in fits.rows])
    for kind, curve in curves.items():
        show_table(f"{kind}: error on other networks, by the number calibrated on", [_percent(p) for p in curve])
    raised = ", ".join(f"{name} {count}" for name, count in flags.items() if count)
    say(f"flags on the {len(selection.used)} measurements used: {raised or 'none'}")


def _show_transfer(fits: Fits, as_json: bool) -> None:
    """How well a transfer model predicts each network when that network is left out."""
    (row,) = fits.rows
    if as_json:
        emit_json({"target": str(fits.target), "space": fits.space and fits.space.name, "models": [row]})
        return
    say(
        f"{fits.target}: {row['ops']} ops inferred from {row['networks']} networks and {', '.join(row['sources'])}; "
        f"error on networks left out {row['error_percent']:.1f} %; predict with --model transfer"
    )


def _note_spaces(kind: str, outcomes: Mapping[str, LatkitError | None]) -> None:
    """Print for which spaces a model was refitted as well, and which models were left unchanged."""
    fitted = [space for space, error in outcomes.items() if error is None]
    if fitted:
        note(f"{kind}: refitted for {', '.join(fitted)} as well")
    for space, error in outcomes.items():
        if error:
            note(f"{kind}: the model for {space} was left unchanged: {error}")


def _percent(point: Mapping[str, float]) -> Mapping[str, Cell]:
    """A point of the curve as it is shown."""
    error, within_5 = (point[name] or 0.0 for name in ("mean_error", "within_5"))
    return {"networks": point["networks"], "mean error, %": 100 * error, "within 5 %": 100 * within_5}
