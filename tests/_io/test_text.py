"""Text of other sources: it cannot move a cursor, reverse text, or hide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit._io import check_label, one_line, printable
from latkit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jboard", "\\x1b[2Jboard"),
        ("a\x07b\x9bc\x7f", "a\\x07b\\x9bc\\x7f"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("line\u2028line", "line\\u2028line"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("one\r\ntwo\tthree\rfour", "one\ntwo\tthree\\x0dfour"),
        ("Ωμέγα 中文 – × µs", "Ωμέγα 中文 – × µs"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_one_line_is_one_line_of_a_bounded_length() -> None:
    assert one_line("first\n\n  second\t\x1b[0m\n") == "first second\t\\x1b[0m".replace("\t", "\t")
    assert one_line("x" * 1000, 50) == "x" * 49 + "…"
    assert one_line("\n" * 10_000 + "x", 50) == "…"


@pytest.mark.parametrize("text", ["", " a", "a\nb", "\x1b[2J", "x" * 101, "\ud800", "a\u202eb", 3, None, ["a"]])
def test_a_name_that_cannot_be_shown_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match=r"^expected a space's name of 1 to 100 characters .*, but found .{1,100}$"):
        check_label(text, "a space's name")
    assert check_label("Ω a/b [1]", "a space's name") == "Ω a/b [1]"


@given(st.text(alphabet=st.characters(), max_size=200))
def test_every_text_can_be_shown(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert printable(shown) == shown
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 300
