"""The frame of every page: heading, navigation, contents, terms and footer, in the style of the reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import latkit
from latkit._io.moments import moment
from latkit.report.figures.style import CSS
from latkit.report.glossary import TERMS, anchor_of, used_terms
from latkit.report.html import Html, element, join, section

NOTHING = Html("")


@dataclass(frozen=True, slots=True)
class Heading:
    """The top of a page."""

    noun: str
    name: str
    lede: str
    """One sentence that says what the page shows."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a kind of page has around its contents."""

    head: Html = NOTHING
    """More of the document's head."""
    style: str = CSS
    end: Html = NOTHING
    """After the footer."""
    note: str = "Everything shown is in this one file."


def framed(heading: Heading, content: Html, anchors: Sequence[tuple[str, str]], frame: Frame) -> Html:
    """A complete HTML document."""
    now = datetime.now(UTC)
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        # without an icon of its own, a served page makes the browser request one
        Html('<link rel="icon" href="data:,">'),
        element("title", f"{heading.name} – latkit"),
        element("style", Html(frame.style)),
        frame.head,
    )
    links = element("nav", *(element("a", label, href=f"#{anchor}") for label, anchor in anchors)) if anchors else ""
    top = element(
        "header",
        element("h1", heading.name),
        element("p", f"{heading.noun} · {moment(now.timestamp())}"),
        element("p", heading.lede, class_="lede"),
        links,
        class_="top",
    )
    footer = element("footer", f"Made by latkit {latkit.__version__}, {now:%Y-%m-%d}. {frame.note}")
    body = element("body", top, element("main", content, _terms(content)), footer, frame.end)
    return join([Html("<!DOCTYPE html>\n"), element("html", head, body, lang="en"), "\n"])


def _terms(content: Html) -> Html:
    """The definitions of the terms that the content links to."""
    entries = [
        join([element("dt", term, id=anchor_of(term)), element("dd", TERMS[term])]) for term in used_terms(content)
    ]
    return section("Terms", element("dl", *entries)) if entries else Html()
