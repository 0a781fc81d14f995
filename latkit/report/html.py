"""Markup from plain values: everything that is not markup already is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from latkit.report.glossary import linked

Anchors = list[tuple[str, str]]
"""Entries of a page's navigation, with the anchor of each."""


class Html(str):
    """Markup that may be put on a page unchanged."""

    __slots__ = ()


def markup(content: object) -> Html:
    """The content if it is markup, else its text, escaped."""
    return content if isinstance(content, Html) else Html(html.escape(str(content)))


def label(content: object) -> Html:
    """A label, in which a term of the glossary is a link."""
    return content if isinstance(content, Html) else Html(linked(str(content)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Several contents one after the other, with an escaped text between them."""
    return Html(html.escape(between).join(markup(part) for part in parts))


def element(tag: str, *children: object, **attributes: object) -> Html:
    """An element. A trailing underscore of an attribute is dropped; the others become hyphens."""
    attribute_text = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"' for name, value in attributes.items()
    )
    return Html(f"<{tag}{attribute_text}>{join(children)}</{tag}>")


def section(title: str, *children: object, level: int = 2, anchor: str = "") -> Html:
    """A section with its heading."""
    attributes = {"id": anchor} if anchor else {}
    return element("section", element(f"h{level}", title), *children, **attributes)


def subject(noun: str, name: str, anchor: str, content: Html) -> Html:
    """The section of one item of the page."""
    return element("section", element("h2", f"{noun} {name}"), content, class_="subject", id=anchor)


def paragraph(*children: object) -> Html:
    """A paragraph."""
    return element("p", *children)


def notice(*children: object) -> Html:
    """Reports what is absent, and how to get it."""
    return element("p", *children, class_="notice")


def command(text: str) -> Html:
    """A command to type."""
    return element("code", text)


def tiles(figures: Mapping[str, object]) -> Html:
    """The most important figures, large, each with its name."""
    return element(
        "div",
        *(
            element("div", element("b", value), element("span", label(name)), class_="tile")
            for name, value in figures.items()
            if value is not None
        ),
        class_="tiles",
    )


def facts(values: Mapping[str, object]) -> Html:
    """Names and values as a list; None values are left out."""
    present = ((name, value) for name, value in values.items() if value is not None)
    return element("dl", *(join([element("dt", label(name)), element("dd", value)]) for name, value in present))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], text_columns: int = 1) -> Html:
    """A table; the first `text_columns` hold text, the others numbers."""

    def cells(tag: str, row: Sequence[object]) -> Html:
        return element(
            "tr",
            *(
                element(tag, value, class_="word" if index < text_columns else "number")
                for index, value in enumerate(row)
            ),
        )

    head = element("thead", cells("th", list(map(label, columns))))
    return element(
        "div", element("table", head, element("tbody", *(cells("td", row) for row in rows))), class_="scroll"
    )


def details(summary: str, *children: object) -> Html:
    """Collapsed contents, shown on a click."""
    return element("details", element("summary", summary), *children)


def cards(*children: object, class_: str = "cards") -> Html:
    """Contents side by side, as far as the window is wide."""
    return element("div", *children, class_=class_)


def card(title: str, *children: object) -> Html:
    """One content with a small heading."""
    return element("figure", element("figcaption", title), *children)
