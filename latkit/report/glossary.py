"""Terms of the reports: the first mention in a label links to the definition at the end of the page."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "baseline": "The reference's latency on the idle device; it turns units of the reference into seconds.",
    "baselines": "Networks trained in the same way as the one found, for comparison.",
    "calibration": "The fit of fixed cost and scale on whole networks.",
    "estimator": "How the raw samples of a measurement become one latency.",
    "fixed cost": "What a run costs besides its ops: the call of the runtime.",
    "interval": "The range that holds 90 % of single measurements.",
    "kernel": "A part of a network that the runtime fuses and computes at once.",
    "MACs": "Multiply-accumulates of one input; two floating-point operations each.",
    "op": "One operator of a network with its concrete input shape.",
    "preempted": "Interrupted by the system, which ran something else on the core.",
    "reference": "A small fixed network that is timed in alternation with everything measured.",
    "repeatability": "The mean difference between two measurements of the same networks: the least error of a model.",
    "round": "One short timing of an op or network, in alternation with the reference.",
    "runtime overhead": "The part of a run that no op accounts for.",
    "scale": "The factor between the sum of ops measured alone and a whole network.",
    "target": "A device, a runtime and its settings: a latency belongs to one target.",
    "transfer": "A latency model of a target that was learned from other targets and a few networks.",
}
"""What every term means, in one sentence; docs/concepts/glossary.md has the same terms."""

OTHER_MEANINGS = ("target latency", "reinforce baseline decay")
"""Labels in which a word is not the term."""

_LABEL = re.compile(rf"\b({'|'.join(sorted(map(re.escape, TERMS), key=len, reverse=True))})(s?)\b", re.IGNORECASE)
_SPELLED = {term.lower(): term for term in TERMS}
_LINK = re.compile(r'href="#term-([a-z-]+)"')


def anchor_of(term: str) -> str:
    """The anchor of a term's definition."""
    return "term-" + term.lower().replace(" ", "-")


def linked(label: str) -> str:
    """A label as escaped markup, in which the first term is a link to its definition."""
    found = _LABEL.search(label)
    if found is None or label.lower() in OTHER_MEANINGS:
        return html.escape(label)
    term = _SPELLED.get(found[0].lower()) or _SPELLED[found[1].lower()]
    title = html.escape(TERMS[term], quote=True)
    link = f'<a class="term" href="#{anchor_of(term)}" title="{title}">{html.escape(found[0])}</a>'
    return html.escape(label[: found.start()]) + link + html.escape(label[found.end() :])


def used_terms(markup: str) -> list[str]:
    """The terms that a page's labels link to, in alphabetical order."""
    anchors = {f"term-{name}" for name in _LINK.findall(markup)}
    return sorted((term for term in TERMS if anchor_of(term) in anchors), key=str.lower)
