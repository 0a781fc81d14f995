"""A target's part of the page: the device, its measurements, the error of its models, and device drift."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from latkit._io.moments import moment, moment_written
from latkit.devices import Device
from latkit.devices.device_info import describe
from latkit.latency_models import AdditiveModel
from latkit.ops import Network
from latkit.report.formatting import ABSENT, EMULATED, count, latency, percent
from latkit.report.html import Html, command, details, facts, join, notice, section, table, tiles
from latkit.report.sections.precisions import precision_section
from latkit.report.sections.profiles.table import model_files
from latkit.report.sections.targets.calibration import calibration_curve
from latkit.report.sections.targets.device_drift import drift
from latkit.report.sections.targets.external_models import external_section
from latkit.report.sections.targets.kernels import kernels_section
from latkit.report.sections.targets.ops import ops_section
from latkit.report.sections.targets.target_facts import TargetFacts
from latkit.report.sections.targets.target_flags import flags_section
from latkit.report.sections.validation import validation_section
from latkit.report.tolerant_loading import shown
from latkit.timing.noise import preempted_share


def target_sections(known: TargetFacts, level: int = 2) -> Html:
    """Everything known of a target, under headings of a level."""
    warned = [notice(EMULATED)] if known.emulated else []
    parts = [*warned, tiles(headline(known)), section("Device", _device(known), level=level)]
    if known.imported:
        source = notice(f"Not measured here: a published table, imported from {known.imported}.")
        return join(
            [*parts, section("Measurements", source, level=level), section("Models", _models(known), level=level)]
        )
    if not known.measurements:
        lacking = notice("Nothing measured yet; run: ", command(f"latkit collect space {known.target} --space SPACE"))
        if known.published:
            lacking = notice(
                "Published in a file; read it with: ", command(f"latkit measurements import {known.published}")
            )
        return join([*parts, section("Measurements", lacking, level=level)])
    if known.external:
        parts.append(section("External models", external_section(known), level=level))
    if known.profiles:
        parts.append(section("Model files", model_files(known.latest_profiles), level=level))
    parts += [
        section("What was measured", _measured(known), level=level),
        section("Anomalies", flags_section(known.selection.used), level=level),
        section("From ops to networks", _models(known), level=level),
        section("Op latencies", _ops(known), level=level),
        *_precisions(known, level),
        *_kernels(known, level),
        section("Predicted against measured", _validations(known), level=level),
        section("Device drift", _drift(known), level=level),
    ]
    return join(parts)


def _kernels(known: TargetFacts, level: int) -> list[Html]:
    """The section of kernels, where any was measured."""
    if known.kernels is None:
        return []
    return [section("Kernels of external networks", kernels_section(known.kernels), level=level)]


def _precisions(known: TargetFacts, level: int) -> list[Html]:
    """The section of precisions, where several were measured."""
    content = precision_section(known)
    return [] if content is None else [section("Precisions", content, level=level)]


def headline(known: TargetFacts) -> dict[str, object]:
    """The most important figures, by name; None if there is none."""
    best = min(known.validations, key=lambda one: one.mape_percent, default=None)
    return {
        "prediction error on unseen networks": percent(best.mape_percent) if best else None,
        "repeatability, the least error of any model": percent(best.repeatability_mape_percent) if best else None,
        "of unseen networks predicted within 5 %": f"{best.within_5_percent:.0f} %" if best else None,
        "ops measured": len(known.ops) or None,
        "networks measured": len(known.networks) or None,
        "baseline of the reference": latency(known.reference_s) if known.reference_s else None,
    }


def _device(known: TargetFacts) -> Html:
    if known.device is None:
        absent = f"Device {known.target.device} is not registered in this workspace: its name is all that is known."
        return notice(absent)
    return device_card(known.device)


def device_card(device: Device) -> Html:
    """A device's facts, and when it was registered."""
    return facts(
        {
            "name": device.name,
            **describe(device),
            "registered": moment_written(device.added_at),
        }
    )


def _measured(known: TargetFacts) -> Html:
    rounds = known.rounds
    runs = sum(len(one_round.wall_ns) for one_round in rounds)
    plans = sorted({f"{m.plan.rounds} rounds of {m.plan.round_s:g} s" for m in known.measurements})
    environments = list(dict.fromkeys(m.environment for m in known.measurements))
    networks = [m for m in known.selection.used if isinstance(m.workload, Network)]
    validated = [m.workload for m in known.measurements if m.role == "validation"]
    preempted = [preempted_share(measurement) for measurement in known.measurements]
    values = {
        "used to fit": f"{count(len(known.ops), 'op')}, {count(len(networks), 'network')}",
        "used to validate": count(len(set(validated)), "network"),
        "samples": f"{count(runs, 'run')} in {count(len(rounds), 'round')}",
        "timing plan": "; ".join(plans),
        "between": f"{moment(rounds[0].started_at)} and {moment(rounds[-1].started_at)}",
        "estimator": known.estimator,
        "reference": latency(known.reference_s) if known.reference_s else None,
        "runs preempted": percent(100 * sum(preempted) / len(preempted)),
    }
    parts = [facts(values)]
    left_out = known.selection.left_out
    if left_out:
        rows = [(measurement.workload.title, reason) for measurement, reason in left_out]
        parts.append(details(f"{count(len(left_out), 'measurement')} left out", table(("workload", "why"), rows, 2)))
    latest = environments[-1]
    parts.append(
        details(
            "What identifies these numbers"
            + (f" (the latest of {len(environments)} environments)" if len(environments) > 1 else ""),
            facts({name.replace("_", " "): value for name, value in asdict(latest).items()}),
        )
    )
    return join(parts)


def _models(known: TargetFacts) -> Html:
    if not known.models:
        return notice("No model fitted yet; run: ", command(f"latkit fit {known.target} --space SPACE"))
    columns = (
        "model",
        "fixed cost",
        "scale of sums",
        "weights from memory",
        "calibration networks",
        "error on those left out",
        "90 % interval",
    )
    rows = table(columns, [_model_row(kind, model) for kind, model in known.models.items()])
    return join([rows, calibration_curve(known.models)])


def _model_row(kind: str, model: AdditiveModel) -> tuple[str, ...]:
    calibration = model.calibration_
    half_width, error = calibration.relative_half_width, calibration.relative_error
    per_byte_s = calibration.weight_s_per_byte
    return (
        f"{kind}, from {', '.join(model.sources_)}" if model.sources_ else kind,
        latency(calibration.base_s),
        f"{calibration.scale:.4f}",
        f"{1e-9 / per_byte_s:.3g} GB/s" if per_byte_s else ABSENT,
        str(calibration.networks),
        percent(None if error is None else 100 * error),
        ABSENT if half_width is None else f"±{percent(100 * half_width)}",
    )


def _ops(known: TargetFacts) -> Html:
    return ops_section(known.ops) if known.ops else notice("No op measured completely yet.")


def _validations(known: TargetFacts) -> Html:
    if not known.validations:
        return notice("Not validated yet; run: ", command(f"latkit validate {known.target} --space SPACE"))
    return join(
        shown(f"validation of {one.space}", partial(validation_section, one, known.networks))
        for one in known.validations
    )


def _drift(known: TargetFacts) -> Html:
    return drift(known.rounds, known.reference_s)
