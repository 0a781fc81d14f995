"""A search's part of the page: the request, the result, the course of the search, and the architecture."""

from __future__ import annotations

from latkit.evaluation.validation import NetworkResult
from latkit.report.figures.drawing import draw
from latkit.report.formatting import ABSENT, EMULATED, count, latency, marked, millions, percent, shape_text
from latkit.report.html import Html, details, element, facts, join, notice, paragraph, section, table, tiles
from latkit.report.sections.searches.baselines import baselines_section
from latkit.report.sections.searches.layers import Placed, layers
from latkit.report.sections.searches.search_facts import SearchFacts, candidate_names
from latkit.report.sections.searches.strategy import strategy_sections
from latkit.report.sections.searches.training_curves import course, probability_map
from latkit.search.records.result import ConstraintResult, ExportFacts


def search_sections(known: SearchFacts, level: int = 2) -> Html:
    """Everything known of a search, under headings of a level."""
    notes = known.notes if known.result else ("The search is not finished: the same command with --resume goes on.",)
    warned = (EMULATED,) if known.emulated else ()
    parts = [*map(notice, warned), tiles(headline(known)), *map(notice, notes)]
    if known.result and known.measured is None:
        parts.append(notice("The derived network was not measured on its target; no measured latency is known."))
    parts += [
        section("Requested and found", _facts(known), level=level),
        section("The course of the search", _course(known), level=level),
        section("The derived network", _network(known), level=level),
    ]
    if known.strategy:
        parts[-2] = strategy_sections(known.strategy, level)
    if known.baselines:
        parts.append(section("Baselines", baselines_section(known), level=level))
    return join(parts)


def search_lede(known: SearchFacts) -> str:
    """What the page shows, in one sentence."""
    requested = latency(known.recipe.target_latency_s)
    if known.result is None:
        return f"A search of {known.recipe.space} for {requested} that is not finished."
    on = f" on {known.target}" if known.target else ""
    found = known.metric.format(known.result.score)
    return (
        f"A search of {known.recipe.space} for {requested}{on}: the network found reaches {found} {known.metric.title} "
        "on test images; below are how it was found, its layers, and how long each takes."
    )


def headline(known: SearchFacts) -> dict[str, object]:
    """The most important figures, by name; None if there is none."""
    result, metric = known.result, known.metric
    return {
        "target latency": latency(known.recipe.target_latency_s),
        "predicted": latency(result.predicted_latency_s) if result else None,
        "measured": latency(known.measured_s) if known.measured_s else None,
        f"{metric.title} on test images": metric.format(result.score) if result else None,
        "MACs": millions(result.macs) if result else None,
        "parameters": millions(result.parameters) if result else None,
    }


def _facts(known: SearchFacts) -> Html:
    recipe, result, data = known.recipe, known.result, known.recipe.data
    values: dict[str, object] = {
        "space": recipe.space,
        "measured on": marked(known.target, known.emulated) if known.target else None,
        "data": f"{data.name}: {count(data.training_images, 'training image')}, "
        f"{count(data.test_images, 'test image')}, {len(data.class_names)} classes",
    }
    if recipe.teacher:
        values["taught by"] = f"a network of weights {recipe.teacher.weights_sha256[:12]}"
    if result:
        values |= {
            "expected latency at the end": latency(result.expected_latency_s),
            "strongest path": f"{latency(result.strongest_latency_s)}; what was derived differs from it in "
            f"{count(result.swaps, 'choice')} of {len(result.architecture)}",
            "time spent": ", ".join(f"{phase} {latency(seconds)}" for phase, seconds in result.seconds.items()),
        }
        values |= {
            f"constraint on {name}": _constraint_fact(name, constraint_result)
            for name, constraint_result in result.constraints.items()
        }
        values |= {f"{name} file beside the module": _export(exported) for name, exported in result.exports.items()}
    if known.measured:
        values["measurement"] = _measurement(known.measured.network)
    settings = {name.replace("_", " "): _shown(value) for name, value in recipe.settings.model_dump().items()}
    versions = {f"version of {name}": version for name, version in recipe.versions.items()}
    return join([facts(values), details("All settings", facts({**settings, **versions, **recipe.machine}))])


def _measurement(measured: NetworkResult) -> str:
    """Two measurements and the prediction of the same network."""
    bounds = " to ".join(latency(bound / 1e3) for bound in measured.interval_ms or ())
    return (
        f"{latency(measured.first_ms / 1e3)} and {latency(measured.second_ms / 1e3)}; predicted "
        f"{latency(measured.predicted_ms / 1e3)}, {f'90 % interval {bounds}' if bounds else 'no interval known'}: "
        f"{percent(measured.error_percent, signed=True)}"
    )


def _constraint_fact(name: str, constraint_result: ConstraintResult) -> str:
    """The network's amount of a bounded quantity, and the bound; a target's name bounds seconds."""
    amount, limit = (
        latency(one) if "/" in name else millions(round(one))
        for one in (constraint_result.predicted, constraint_result.most)
    )
    return f"{amount} of at most {limit}"


def _export(exported: ExportFacts) -> str:
    """The outputs of an exported file, compared with the module that it was exported from."""
    return (
        f"{percent(100 * exported.agreement)} of {count(exported.images, 'test image')} predicted alike, scores at "
        f"most {exported.largest_difference:.2g} apart"
    )


def _shown(value: object) -> object:
    return "as fits the data and the search" if value is None else value


def _course(known: SearchFacts) -> Html:
    history = known.history
    if history is None or not history.search:
        return notice("No course is kept yet: it is written when the search has ended.")
    warm = known.recipe.settings.warmup_epochs
    intro = f"Shaded: the warm-up, {count(warm, 'epoch')} that train weights only." if warm else "There was no warm-up."
    widths = [len(row) for row in history.search[-1]["probabilities"]]
    architecture = known.result.architecture if known.result else ()
    probabilities = probability_map(history, candidate_names(known, widths), architecture)
    return join(
        [paragraph(intro), course(history, known.recipe.target_latency_s, known.metric), element("p"), probabilities]
    )


def _network(known: SearchFacts) -> Html:
    placed = layers(known)
    if not placed:
        return notice("No network was derived yet.")
    timed = [layer.seconds for layer in placed if layer.seconds is not None]
    intro = "Blocks are as wide as their share of the latency and as high as they have channels."
    if not timed:
        intro = "What each layer takes is not known here: neither a model of the target nor the space is available."
    elif len(timed) < len(placed):
        intro += (
            " The search's own table tells the latency of its choices; what the other layers take is in no file here."
        )
    parts = [paragraph(intro), draw(placed), facts(_files(known))]
    if known.space is None and known.table is not None and known.result is not None:
        parts.append(_skipped(known))
    if timed:
        parts.append(details("Every layer in figures", _table(placed, sum(timed))))
    return join(parts)


def _files(known: SearchFacts) -> dict[str, object]:
    """The shapes at both ends of the network, and links to its files."""
    assert known.network is not None
    links = [element("a", name, href=href) for name, href in known.links.items()]
    return {
        "input": shape_text(known.network.input_shape),
        "output": shape_text(known.network.output_shape),
        "files": join(links, ", ") if links else None,
    }


def _skipped(known: SearchFacts) -> Html:
    """The choices whose candidate takes no time: skips, whose position in the picture needs the space."""
    assert known.table is not None
    assert known.result is not None
    names = known.history.choices if known.history else [f"choice {i}" for i in range(len(known.result.architecture))]
    rows = known.table.seconds.tolist()
    chosen = zip(names, rows, known.result.architecture, strict=False)
    skipped = [name for name, row, index in chosen if row[index] == 0]
    return paragraph(f"Skipped: {', '.join(skipped) or 'none'}.")


def _table(placed: list[Placed], total_s: float) -> Html:
    rows = []
    for layer in placed:
        share = None if layer.seconds is None or not total_s else layer.seconds / total_s
        bar = element("span", class_="bar", style=f"width: {110 * (share or 0):.0f}px")
        rows.append(
            (
                layer.layer or ABSENT,
                layer.op.title,
                bar,
                ABSENT if layer.seconds is None else latency(layer.seconds),
                percent(None if share is None else 100 * share),
                f"{layer.op.macs / 1e6:.3f} M",
            )
        )
    return table(("layer", "op", "", "adds", "share of layers", "MACs"), rows, text_columns=3)
