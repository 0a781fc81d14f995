"""The view as markup: every list as rows that the browser replaces one by one when they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import quote

from latkit._io.moments import moment
from latkit.layout.jobs import JobRecord, PhaseRecord
from latkit.report.formatting import count, digits, latency, marked
from latkit.report.html import Html, element, join, notice
from latkit.serve.snapshot import ProfileRow, SearchRow, Snapshot, TargetRow
from latkit.workspace.devices import DeviceState

Item = TypeVar("Item")
Row = tuple[str, Html]
"""A key that stays the same while the contents change, and the row."""
View = dict[str, list[Row]]
"""The rows of every list on the page, by its id."""

MAX_ROWS = 200
MAX_PHASES = 3
MAX_TARGETS = 2
"""Named in a row."""
PAGE = "report.html"
"""The last part of a page's address."""
SECTIONS = {
    "running": ("Running", "Nothing is running. A command of latkit in this workspace appears here by itself."),
    "devices": ("Devices", "No device is registered; run: latkit device add NAME --local"),
    "searches": ("Searches and trainings", "No search was begun."),
    "profiles": ("Latest profiles", "No model file was profiled; run: latkit profile TARGET MODEL.onnx"),
    "targets": ("Targets", "Nothing was measured."),
    "ended": ("Ended lately", "No command has ended."),
}
"""Title of each list, and what stands in an empty one."""


def view_of(snapshot: Snapshot) -> View:
    """All lists of the page."""
    running = [job for job in snapshot.jobs if job.state in ("running", "unknown")]
    ended = [job for job in snapshot.jobs if job.state not in ("running", "unknown")]
    ended.sort(key=lambda job: job.ended_at or job.updated_at, reverse=True)
    names = {job.name for job in running}
    pages = {row.name for row in snapshot.searches if row.has_page}
    lists = {
        "running": _rows(running, _job_key, lambda job: _running_row(job, pages)),
        "devices": _rows(snapshot.devices, lambda one: one.device.name, _device_row),
        "searches": _rows(snapshot.searches, lambda one: one.name, lambda one: _search_row(one, names)),
        "profiles": _rows(snapshot.profiles, lambda one: f"{one.folder}/{one.stem}", _profile_row),
        "targets": _rows(snapshot.targets, lambda one: one.name, _target_row),
        "ended": _rows(ended, _job_key, lambda job: _ended_row(job, pages)),
    }
    for name, rows in lists.items():
        if not rows:
            rows.append(("", element("p", SECTIONS[name][1], class_="none")))
    troubles = [(text, notice(f"Cannot be read: {text}")) for text in dict.fromkeys(snapshot.troubles)]
    return {"tiles": _tiles(snapshot, len(running)), "troubles": troubles[:MAX_ROWS], **lists}


def _rows(items: Iterable[Item], key: Callable[[Item], str], row: Callable[[Item], Html]) -> list[Row]:
    return [(key(item), row(item)) for item in list(items)[:MAX_ROWS]]


def _tiles(snapshot: Snapshot, running: int) -> list[Row]:
    searches, profiles, targets = snapshot.counts
    used = sum(bool(device.used_by) for device in snapshot.devices)
    figures = {
        "running": f"{running}",
        "devices in use": f"{used} of {len(snapshot.devices)}",
        "searches": f"{searches:,}",
        "profiles": f"{profiles:,}",
        "targets": f"{targets:,}",
    }
    return [
        (name, element("div", element("b", value), element("span", name), class_="tile"))
        for name, value in figures.items()
    ]


def _row(title: object, under: object, middle: object, right: object, under_right: object = "") -> Html:
    """A row of three columns; on a phone, the second one is below the others."""
    return element(
        "article",
        element("div", element("b", title), element("span", under), class_="what"),
        element("div", middle, class_="how"),
        element("div", element("b", right), element("span", under_right), class_="end"),
        class_="row",
    )


def _badge(text: str, tone: str) -> Html:
    return element("i", text, class_=f"badge {tone}")


def _time(kind: str, seconds: float) -> Html:
    """A moment, which the page's script shows relative to now: `ago`, `for` or `left`."""
    return element("time", moment(seconds), data_kind=kind, data_at=f"{seconds:.0f}")


def _link(text: object, path: str) -> Html:
    return element("a", text, href=quote(path))


def _job_key(job: JobRecord) -> str:
    return f"{job.begun_at}-{job.pid}-{job.host}"


def _job_title(job: JobRecord, pages: set[str]) -> Html:
    name = _link(job.name, f"search/{job.name}/{PAGE}") if job.name in pages else job.name
    return join([job.command, " ", name]) if job.name else join([job.command])


def _job_targets(job: JobRecord) -> str:
    more = len(job.targets) - MAX_TARGETS
    shown = ", ".join(job.targets[:MAX_TARGETS]) + (f" and {more} more" if more > 0 else "")
    process = f"process {job.pid}, {job.user}@{job.host}"
    return f"{shown} · {process}" if shown else process


def _running_row(job: JobRecord, pages: set[str]) -> Html:
    active = [phase for phase in job.phases if phase.done < phase.total]
    shown = (active or list(job.phases[-1:]))[-MAX_PHASES:]
    parts = [_phase(phase) for phase in reversed(shown)]
    more = len(active) - len(shown)
    if more > 0:
        parts.append(element("span", f"and {count(more, 'phase')} more"))
    if job.message:
        parts.append(element("span", job.message, class_="said"))
    ends = [phase.ends_at for phase in shown if phase.ends_at is not None and phase.done < phase.total]
    left: object = _time("left", max(ends)) if ends else ""
    if not job.phases:
        left = "waiting" if job.message else "starting"
    if job.state == "unknown":
        left = _badge("not heard of lately", "warn")
    return _row(
        _job_title(job, pages), _job_targets(job), join(parts), left, join(["running ", _time("for", job.begun_at)])
    )


def _phase(phase: PhaseRecord) -> Html:
    steps = f"{phase.name}: {phase.done:,} of {phase.total:,}"
    bar = element("progress", max=max(phase.total, 1), value=min(phase.done, phase.total), aria_label=steps)
    return join([element("span", element("em", steps), f" {phase.text}" if phase.text else ""), bar])


TONES = {"finished": "good", "failed": "bad", "interrupted": "warn", "died": "bad"}
OUTCOMES = {"died": "killed"}


def _ended_row(job: JobRecord, pages: set[str]) -> Html:
    state = job.state
    ended_at = job.ended_at or job.updated_at
    reason = _how_it_died(job) if state == "died" else job.message
    took = _seconds(max(ended_at - job.begun_at, 0.0))
    return _row(
        _job_title(job, pages),
        _job_targets(job),
        element("span", reason),
        _badge(OUTCOMES.get(state, state), TONES.get(state, "")),
        join([element("span", _time("ago", ended_at)), element("span", f"took {took}")]),
    )


def _how_it_died(job: JobRecord) -> str:
    last = f" after {job.phases[-1].done:,} of {job.phases[-1].total:,} of {job.phases[-1].name}" if job.phases else ""
    return f"the process ended unexpectedly{last}; the same command continues"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _device_row(state: DeviceState) -> Html:
    facts = state.device.facts
    if state.quarantine:
        badge, detail = _badge("quarantine", "bad"), state.quarantine
    elif state.used_by:
        badge, detail = _badge("in use", "busy"), state.used_by
    else:
        badge, detail = _badge("free", "good"), ""
    cores = f"{count(len(facts.cores), 'core')}, {facts.memory_bytes / 2**30:.1f} GiB"
    model = marked(facts.model, facts.emulated)
    return _row(state.device.name, model, element("span", detail), badge, cores)


def _search_row(row: SearchRow, running: set[str]) -> Html:
    title = _link(row.name, f"search/{row.name}/{PAGE}") if row.has_page else row.name
    figures = {
        "requested": row.requested_s,
        "predicted": row.predicted_s,
        "measured": row.measured_s,
    }
    shown = [f"{name} {latency(value)}" for name, value in figures.items() if value is not None]
    if row.score:
        shown.append(row.score)
    badge = _badge("finished", "good") if row.is_finished else _badge("not finished", "")
    if row.name in running:
        badge = _badge("running", "busy")
    kind = f"{row.kind} of {row.space}" if row.space else row.kind
    return _row(title, kind, element("span", ", ".join(shown)), badge, _time("ago", row.changed_at))


def _profile_row(row: ProfileRow) -> Html:
    title = _link(row.model, f"measurements/{row.folder}/profiles/{row.stem}/{PAGE}")
    tail = f"99 % of the runs within {digits(row.p99_ms)} ms"
    p50 = marked(f"{digits(row.p50_ms)} ms", row.emulated)
    return _row(title, row.folder, element("span", tail), p50, _time("ago", row.changed_at))


def _target_row(row: TargetRow) -> Html:
    title = _link(row.name, f"measurements/{row.name}/{PAGE}")
    models = f"models: {', '.join(row.models)}" if row.models else "no model was fitted"
    under = "imported table" if row.imported else models
    detail = [models] if row.imported else []
    detail += [f"fitted for {count(row.spaces, 'space')}"] if row.spaces else []
    detail += [count(row.profiles, "profile")] if row.profiles else []
    right = _time("ago", row.changed_at) if row.changed_at else ""
    return _row(title, under, element("span", ", ".join(detail)), "", right)
