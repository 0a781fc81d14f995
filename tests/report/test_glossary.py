"""Terms in a report link to their definitions, which are those of the documentation."""

import re
from pathlib import Path

import pytest

from latkit.report.glossary import TERMS, linked, used_terms
from latkit.report.html import facts, table, tiles

GLOSSARY = (Path(__file__).parents[2] / "docs" / "concepts" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("term", TERMS)
def test_every_term_is_in_the_glossary(term: str) -> None:
    assert any(name.lower().startswith(term.lower()) for name in re.findall(r"\*\*(.+?)\*\*", GLOSSARY))


def test_the_first_term_of_a_label_is_linked_and_the_rest_escaped() -> None:
    assert linked("<b> & fixed costs of ops") == (
        '&lt;b&gt; &amp; <a class="term" href="#term-fixed-cost" '
        f'title="{TERMS["fixed cost"].replace(chr(39), "&#x27;")}">fixed costs</a> of ops'
    )
    assert linked("estimator") != "estimator"
    assert linked("device<") == "device&lt;"
    assert linked("opera") == "opera"


def test_labels_of_facts_tiles_and_tables_are_linked() -> None:
    page = tiles({"target latency": 1, "measured on the target": 2}) + facts({"scale": 2}) + table(("kernel",), [])
    assert used_terms(page) == ["kernel", "scale", "target"]
