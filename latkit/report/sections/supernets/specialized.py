"""A supernet's page: its sub-networks against latency, layer by layer, predicted and measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit.evaluation.cross_table import CrossTable, Row
from latkit.report.figures.drawing import draw
from latkit.report.formatting import ABSENT, composition, count, latency, millions, percent, share
from latkit.report.html import Html, card, command, details, element, facts, join, notice, paragraph, section, table
from latkit.report.html import tiles as shown_tiles
from latkit.report.sections.cross_table import cross_rows, cross_section
from latkit.report.sections.searches.architecture_compare import Compared, compared_networks
from latkit.report.sections.searches.pareto import Point, picture
from latkit.report.sections.supernets.specialized_facts import SubnetFacts, SupernetFacts
from latkit.report.sections.validation import scatter


def supernet_lede(known: SupernetFacts) -> str:
    """What the page shows, in one sentence."""
    if known.result is None:
        return f"A supernet of {known.recipe.space} whose training is not finished."
    found = count(len(known.found), "sub-network")
    return f"{found} of one supernet of {known.recipe.space}, each for a target and a latency."


def supernet_sections(known: SupernetFacts) -> Html:
    """Everything known of a supernet and its sub-networks."""
    if known.result is None:
        unfinished = notice("Finish the training with: ", command("latkit train-supernet ... --resume"))
        return join([unfinished, section("The supernet", _recipe(known))])
    parts = [_tiles(known)]
    if known.found:
        parts += [
            section("Sub-networks", _table(known)),
            section(f"{known.metric.heading} against latency", _pictures(known)),
            section("Layers", _layers(known)),
            section("Predicted against measured", _predicted(known)),
        ]
        if len(known.targets) > 1:
            parts.append(section("Every network on every target", _cross_table(known)))
    elif known.space.is_nested:
        specialize = f"latkit specialize {known.name} TARGET --latencies 5"
        parts.append(notice("No sub-network was specialized yet; run: ", command(specialize)))
    return join([*parts, section("The supernet", _recipe(known))])


def _tiles(known: SupernetFacts) -> Html:
    assert known.result is not None
    metric, result = known.metric, known.result
    tau = known.predictor.kendall if known.predictor else None
    return shown_tiles(
        {
            "sub-networks specialized": len(known.found) or None,
            "targets": len(known.targets) or None,
            f"{metric.title} of the largest": metric.format(result.largest.test),
            f"{metric.title} of the smallest": metric.format(result.smallest.test),
            "sub-networks evaluated": len(known.evaluated) or None,
            "Kendall's tau of the score predictor": None if tau is None else f"{tau:.3f}",
        }
    )


def _recipe(known: SupernetFacts) -> Html:
    recipe, data, result = known.recipe, known.recipe.data, known.result
    values: dict[str, object] = {
        "space": recipe.space,
        "curriculum": recipe.curriculum,
        "data": f"{data.name}: {count(data.training_images, 'training image')}, "
        f"{count(data.test_images, 'test image')}, {len(data.class_names)} classes",
    }
    if result is not None:
        values["time spent"] = ", ".join(f"{name} {latency(seconds)}" for name, seconds in result.seconds.items())
        values["random sub-networks"] = (
            f"{len(result.random)}, on test images {known.metric.format(result.random_mean)}"
        )
    if known.predictor is not None:
        one = known.predictor
        values["score predictor"] = (
            f"learned from {one.learned}; on {one.held_out} others mean error {known.metric.format(one.mean_error)}, "
            f"{share(one.inside_90)} within the 90 % interval"
        )
    settings = {name.replace("_", " "): ABSENT if value is None else value for name, value in recipe.settings}
    return join([facts(values), details("All settings", facts(settings))])


def _table(known: SupernetFacts) -> Html:
    metric = known.metric
    columns = ("target", "requested", "predicted", "measured", "error", f"test {metric.title}", "validation")
    rows = [_row(known, one) for one in known.found]
    trained = any(one.result.finetune_epochs for one in known.found)
    intro = (
        f"“Validation” is the {metric.title} with the supernet's weights on images that trained nothing; “random” is "
        "the mean of random sub-networks of the same latency on the same images."
    )
    tuned = "Fine-tuned networks have both test scores: before and after." if trained else ""
    return join([paragraph(intro, " ", tuned), table((*columns, "random", "files"), rows)])


def _row(known: SupernetFacts, one: SubnetFacts) -> tuple[object, ...]:
    result, metric = one.result, known.metric
    error = None if result.measured_s is None else 100 * (result.predicted_s / result.measured_s - 1)
    test = metric.format(result.test)
    if result.inherited_test is not None:
        test = f"{metric.format(result.inherited_test)} → {test}"
    return (
        result.target,
        latency(result.latency_s),
        latency(result.predicted_s),
        ABSENT if result.measured_s is None else latency(result.measured_s),
        percent(error, signed=True),
        test,
        metric.format(result.validation),
        ABSENT if result.random_mean is None else metric.format(result.random_mean),
        join((element("a", name.rpartition(".")[2], href=href) for name, href in one.links.items()), ", "),
    )


def _pictures(known: SupernetFacts) -> Html:
    """A figure per target: what was evaluated, by its predicted latency, and what was specialized."""
    parts = []
    for target in known.targets:
        points = [*_evaluated(known, target), *_winners(known, target)]
        parts.append(card(target, picture(points, known.metric)))
        if target not in known.tables:
            parts.append(notice(f"{target}: its model is gone or lacks ops of the space; what it predicted is absent."))
    intro = f"The {known.metric.title} is that on validation images. Filled: measured; hollow: predicted only."
    return join([paragraph(intro), *parts])


def _evaluated(known: SupernetFacts, target: str) -> list[Point]:
    table_ = known.tables.get(target)
    if table_ is None or not known.evaluated:
        return []
    seconds = table_.lookup(np.array(list(known.evaluated)))
    return [
        Point(" ".join(map(str, architecture)), "evaluated", float(taken), False, score)
        for (architecture, score), taken in zip(known.evaluated.items(), seconds, strict=True)
    ]


def _winners(known: SupernetFacts, target: str) -> list[Point]:
    own = [one for one in known.found if one.result.target == target]
    return [
        Point(
            composition(one.network),
            "winner",
            one.result.measured_s or one.result.predicted_s,
            one.result.measured_s is not None,
            one.result.validation,
        )
        for one in own
    ]


def _layers(known: SupernetFacts) -> Html:
    """All sub-networks under one another, and each in full."""
    compared = []
    for one in known.found:
        figures = f"{latency(one.result.predicted_s)}, {known.metric.format(one.result.test)}"
        compared.append(Compared(one.name, figures, known.placed(one)))
    intro = (
        "Layer under layer: color tells the kernel, height the expansion; a dashed box is a block beyond the depth of "
        "its stage. Sub-networks also differ in their resolution."
    )
    every = [details(one.name, _network(known, one)) for one in known.found]
    return join([paragraph(intro), compared_networks(compared), *every])


def _network(known: SupernetFacts, one: SubnetFacts) -> Html:
    subnet = known.elastic.subnet(one.result.architecture)
    values = {
        "resolution": f"{subnet.resolution} px",
        "width": f"{subnet.width:g}" if len(known.elastic.widths) > 1 else None,
        "MACs": millions(one.network.macs),
        "parameters": millions(one.network.parameters),
        "found by": one.result.strategy or "evolution over the score predictor",
    }
    return join([draw(known.placed(one)), facts(values), *map(notice, one.result.notes)])


def _predicted(known: SupernetFacts) -> Html:
    """A figure per target; what was not measured is said."""
    parts = []
    for target in known.targets:
        own = [one for one in known.found if one.result.target == target]
        results = [one.measured.network for one in own if one.measured is not None]
        if results:
            within = sum(abs(one.error_percent) <= 5 for one in results)
            text = f"{within} of {count(len(results), 'network')} within 5 % of the prediction."
            parts.append(card(target, paragraph(text), scatter(results)))
        if len(results) < len(own):
            absent = count(len(own) - len(results), "network")
            parts.append(notice(f"{target}: {absent} not measured; the same command without --no-measure measures."))
    return join(parts)


def _cross_table(known: SupernetFacts) -> Html:
    """What was measured of these networks on every target; of others what the models predict."""
    measured = known.measured_cross
    keys = {row.name: row.key for row in measured.rows} if measured else {}
    others = [one for one in known.found if keys.get(one.name) != one.network.key]
    parts = []
    if measured is not None and (rows := _current(measured, known, others)):
        parts.append(cross_section(measured.model_copy(update={"rows": rows})))
    if others:
        hint = notice("Most were not measured on the other targets; run again with: ", command("--cross"))
        parts += [hint, cross_rows(_predicted_cross_table(known, others))]
    return join(parts)


def _current(measured: CrossTable, known: SupernetFacts, others: Sequence[SubnetFacts]) -> tuple[Row, ...]:
    """The rows of networks that are still in the folder."""
    names = {one.name for one in known.found} - {one.name for one in others}
    return tuple(row for row in measured.rows if row.name in names)


def _predicted_cross_table(known: SupernetFacts, found: Sequence[SubnetFacts]) -> CrossTable:
    rows = [
        Row(
            name=one.name,
            kind="derived",
            target=one.result.target,
            target_latency_ms=1e3 * one.result.latency_s,
            task=known.recipe.settings.task,
            score=one.result.test,
            data=known.recipe.data,
            input_shape=one.network.input_shape,
            macs=one.network.macs,
            parameters=one.network.parameters,
            key=one.network.key,
            cells={target: known.predicted_cell(one, target) for target in known.targets},
        )
        for one in found
    ]
    emulated = tuple(target for target, model in known.models.items() if model.origin_.environment.emulated)
    return CrossTable(name=known.name, targets=known.targets, emulated=emulated, rows=tuple(rows))
