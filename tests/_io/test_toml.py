"""TOML of other sources: it cannot take minutes to read, or fail later."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latkit._io import parse_toml


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a" + ".a" * 30_000 + " = 1", "a key of more than 20 parts"),
        ('"a,=" . ' * 5000 + "a = 1", "a key of more than 20 parts"),
        ("[" + "a." * 5000 + "a]", "a key of more than 20 parts"),
        ("a = " + "[" * 90 + "]" * 90 + "\nb = 1" + "0" * 30, "an integer beyond 64 bits"),
        ("a = " + "[" * 150 + "]" * 150, "nested more than 100 deep"),
        ("a = inf", "not finite"),
        ("a = 1" + "0" * 5000, "digits"),
        ("a = " + "9" * 300_000, "digits"),
        ("a" * 300_000, "Expected '=' after a key"),
        ("a = 2001-99-99", "Expected newline or end of document"),
    ],
)
def test_what_takes_long_or_fails_later_is_refused(text: str, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        parse_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        "a.b.c.d = 0.5  # " + "." * 100,
        "a = '''" + ".a" * 100 + "'''",
        'a = """' + r"\"" + ".a" * 100 + '"""',
        'a = "' + r"\"" + ".a" * 100 + '"',
        "a = [" + "0.5, " * 100 + "]",
    ],
)
def test_dots_that_part_no_key_do_no_harm(text: str) -> None:
    assert parse_toml(text) == tomllib.loads(text)


@given(st.text(alphabet="a.=\"'[]{}#\n1,\\\\ ", max_size=60))
def test_what_is_parsed_is_what_tomllib_parses(text: str) -> None:
    try:
        expected: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        expected = None
    try:
        found: object = parse_toml(text)
    except ValueError:
        found = None
    assert found == expected or found is None
