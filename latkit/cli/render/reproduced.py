"""Whether a reproduced search is equal to the original."""

from __future__ import annotations

from latkit.cli.console import emit_json, say
from latkit.search.records.reproduce import Reproduction


def show_reproduction(name: str, found: Reproduction, as_json: bool) -> None:
    """Print the comparison with the search of that name."""
    if as_json:
        emit_json(document(name, found))
    else:
        say(sentence(name, found))


def document(name: str, found: Reproduction) -> dict[str, object]:
    """What --json prints."""
    return {
        "search": name,
        "repeated_as": found.folder.name,
        "equal": found.equal,
        "differing": list(found.differing),
        "circumstances": list(found.circumstances),
        **found.figures,
        "folder": str(found.folder),
    }


def sentence(name: str, found: Reproduction) -> str:
    """What is printed for a person."""
    again, changed = found.folder.name, "; ".join(found.circumstances)
    if found.equal:
        difference = f", although the circumstances differ ({changed})" if changed else ""
        *first, last = found.compared
        compared = f"{', '.join(first)} and {last}"
        return f"{again} is equal to {name} bit for bit in {compared}{difference}"
    why = (
        f"the circumstances differ: {changed}"
        if changed
        else "versions, machine, threads and processes were the same, so it should not: please report it"
    )
    return f"{again} differs from {name} in {', '.join(found.differing)}; {why}"
