"""The whole workspace on one page: devices, targets and searches in short tables, then each in full."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from latkit.devices import Device, list_devices
from latkit.devices.device_info import describe
from latkit.evaluation.cross_table import CrossTable
from latkit.layout import FittedModels, targets_of
from latkit.report.formatting import ABSENT, marked, percent
from latkit.report.html import Anchors, Html, command, join, notice, section, subject, table
from latkit.report.sections.profiles.table import profiles_table
from latkit.report.sections.searches.search_facts import SearchFacts, read_search, searches_of, supernets_of
from latkit.report.sections.searches.series import comparison_sections, cross_files, searches_in_full, searches_table
from latkit.report.sections.supernets.specialized_facts import SupernetFacts, read_supernet
from latkit.report.sections.targets.target import target_sections
from latkit.report.sections.targets.target_facts import TargetFacts, read_target
from latkit.report.tolerant_loading import each, shown, trouble_notices


def overview(workspace: FittedModels, page_folder: Path = Path()) -> tuple[Html, Anchors]:
    """The page's contents and its navigation. What cannot be read is reported, and the rest is shown.

    `page_folder`: where the page is written, from which files are linked.
    """
    troubles: list[str] = []
    devices = each(list_devices, [workspace.devices_dir], troubles)
    known_targets = each(partial(read_target, workspace), targets_of(workspace), troubles)
    known_searches = each(partial(read_search, workspace, page_folder=page_folder), searches_of(workspace), troubles)
    known_supernets = each(partial(read_supernet, workspace), supernets_of(workspace), troubles)
    cross_tables = each(CrossTable.load, cross_files(workspace), troubles)
    parts = [
        trouble_notices(troubles),
        section("Devices", _devices([device for listed in devices for device in listed])),
        section("Targets", shown("targets", partial(_targets, known_targets))),
        *_model_files(known_targets),
        section("Searches", shown("searches", partial(_searches, known_searches))),
        *_supernets(known_supernets),
        comparison_sections(known_searches, cross_tables),
    ]
    anchors: Anchors = []
    for number, target in enumerate(known_targets):
        anchors.append((marked(target.target, target.emulated), f"target-{number}"))
        content = shown(target.target, partial(target_sections, target, level=3))
        parts.append(subject("Target", anchors[-1][0], anchors[-1][1], content))
    in_full, of_searches = searches_in_full(known_searches)
    return join([*parts, in_full]), [*anchors, *of_searches]


def _devices(devices: Sequence[Device]) -> Html:
    if not devices:
        return notice("No device is registered; run: ", command("latkit device add NAME --local"))
    shown = ("model", "cores", "memory", "runtimes")
    rows = [(device.name, *(describe(device)[name] for name in shown)) for device in devices]
    return table(("device", *shown), rows, text_columns=len(shown) + 1)


def _targets(targets: Sequence[TargetFacts]) -> Html:
    if not targets:
        return notice("Nothing was measured; run: ", command("latkit collect space DEVICE/RUNTIME --space SPACE"))
    columns = ("target", "ops", "networks", "validated on", "error", "repeatability", "within 5 %")
    rows: list[tuple[object, ...]] = []
    for known in targets:
        first: tuple[object, ...] = (marked(known.target, known.emulated), len(known.ops), len(known.networks))
        if not known.validations:
            rows.append((*first, "not validated yet", ABSENT, ABSENT, ABSENT))
        rows += [
            (
                *first,
                f"{one.networks} of {one.space}, {one.model}",
                percent(one.mape_percent),
                percent(one.repeatability_mape_percent),
                f"{one.within_5_percent:.0f} %",
            )
            for one in known.validations
        ]
    return table(columns, rows)


def _model_files(targets: Sequence[TargetFacts]) -> list[Html]:
    """The profiles of model files on all targets; nothing if there are none."""
    profiles = [profile for known in targets for profile in known.latest_profiles]
    return [section("Model files", shown("profiles", partial(profiles_table, profiles)))] if profiles else []


def _supernets(supernets: Sequence[SupernetFacts]) -> list[Html]:
    """Trained supernets; nothing if there are none."""
    columns = ("supernet", "space", "curriculum", "smallest", "largest", "sub-networks specialized")
    rows = [
        (
            known.name,
            known.recipe.space,
            known.recipe.curriculum,
            known.metric.format(known.result.smallest.test) if known.result else "not finished",
            known.metric.format(known.result.largest.test) if known.result else "not finished",
            len(known.found),
        )
        for known in supernets
    ]
    return [section("Supernets", table(columns, rows, text_columns=3))] if rows else []


def _searches(searches: Sequence[SearchFacts]) -> Html:
    if not searches:
        search = "latkit search TARGET --space SPACE --data DATA --latency-ms MS -o NAME"
        return notice("No search was begun; run: ", command(search))
    return searches_table(searches)
