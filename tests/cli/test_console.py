"""Progress where stderr is no terminal: a line every few seconds, with an estimate of the time left."""

import pytest

from latkit.cli import console, progress_bars


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: now[0])
    return now


def test_the_remaining_time_is_printed_every_ten_seconds(clock, capsys) -> None:
    with progress_bars.ConsoleProgress() as progress:
        for done in range(1, 31):
            progress.advance("measuring", done, 100)
            clock[0] += 1
    assert capsys.readouterr().err.splitlines() == [
        "measuring: 11 of 100, about 89 s left",
        "measuring: 21 of 100, about 79 s left",
    ]


def test_a_phase_that_starts_again_is_estimated_anew(clock, capsys) -> None:
    with progress_bars.ConsoleProgress() as progress:
        progress.advance("exporting", 1, 20)
        clock[0] = 1000
        progress.advance("exporting", 1, 20)
        clock[0] = 1010
        progress.advance("exporting", 11, 20)
    assert capsys.readouterr().err.splitlines() == ["exporting: 11 of 20, about 9 s left"]


def test_steps_done_earlier_do_not_bias_the_remaining_time(clock, capsys) -> None:
    with progress_bars.ConsoleProgress() as progress:
        progress.advance("measuring", 501, 600)
        clock[0] = 10
        progress.advance("measuring", 511, 600)
    assert capsys.readouterr().err.splitlines() == ["measuring: 511 of 600, about 89 s left"]


def test_what_is_done_once_does_not_count(clock, capsys) -> None:
    with progress_bars.ConsoleProgress() as progress:
        progress.advance("search", 0, 100)  # before workers are started and the first step is compiled
        clock[0] = 60
        progress.advance("search", 1, 100)
        clock[0] = 62
        progress.advance("search", 3, 100)
        clock[0] = 72
        progress.advance("search", 13, 100)
    assert capsys.readouterr().err.splitlines()[1:] == ["search: 13 of 100, about 87 s left"]


def test_the_pace_of_late_counts(clock, capsys) -> None:
    with progress_bars.ConsoleProgress() as progress:
        for done in range(101):  # every op is sent to the device and loaded once
            progress.advance("measuring", done, 500)
            clock[0] += 10
        for done in range(101, 301):
            progress.advance("measuring", done, 500)
            clock[0] += 1
    assert capsys.readouterr().err.splitlines()[-1] == "measuring: 291 of 500, about 209 s left"


def test_what_was_left_out_for_one_reason_is_one_line(capsys) -> None:
    console.note_left_out([("conv 1", "old"), ("conv 2", "old"), ("pool", "incomplete"), ("conv 3", "old")])
    console.note_left_out([(f"conv {number}", "old") for number in range(5)])
    assert capsys.readouterr().err.splitlines() == [
        "left out: conv 1, conv 2, conv 3: old",
        "left out: pool: incomplete",
        "left out: conv 0, conv 1, conv 2 and 2 more: old",
    ]


def test_headings_wrap_at_spaces(capsys) -> None:
    console.show_table("found", [{"target_latency_ms": 1.0, "name": "a" * 60}])
    assert "target latency" in capsys.readouterr().out


HOSTILE = "Board [/rev2] \x1b[2J[fe80::1]\u202e"
SHOWN = "Board [/rev2] \\x1b[2J[fe80::1]\\u202e"


def test_text_of_a_device_is_neither_obeyed_nor_read_as_markup(capsys) -> None:
    console.say(HOSTILE)
    console.note(HOSTILE)
    console.show_facts(HOSTILE, {HOSTILE: HOSTILE})
    console.show_table(HOSTILE, [{HOSTILE: HOSTILE}])
    shown = capsys.readouterr()
    flat = "".join(part.strip(" │┃┏┓┡┩└┘━─┳╇┼┴┌┐┬\n") for part in shown.out.splitlines())
    assert shown.err == SHOWN + "\n"
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    assert shown.out.count("[/rev2]") >= 6
    assert "[fe80::1]" in flat


def test_a_heading_is_never_broken_inside_a_word(capsys, monkeypatch) -> None:
    row = {"estimator": "steady", "measurements": 52, "networks_left_out": 3, "error": 1.0}
    for width in (80, 60, 40, 20):
        monkeypatch.setenv("COLUMNS", str(width))
        console.show_table("t", [row, row])
        out = capsys.readouterr().out
        assert all(word in out for name in row for word in name.split("_")), out


def test_a_target_stays_in_one_piece_where_columns_become_lines(capsys, monkeypatch) -> None:
    row = {"target": "here/onnxruntime-t1-fp32-b1", "validation_accuracy_mean": 0.5, "random_accuracy_mean": 0.25}
    monkeypatch.setenv("COLUMNS", "60")
    console.show_table("t", [{**row, **{f"latency_ms_{n}": n for n in range(7)}}] * 3)
    assert capsys.readouterr().out.count("here/onnxruntime-t1-fp32-b1") == 3


def test_a_target_is_broken_only_where_its_table_does_not_fit(capsys, monkeypatch) -> None:
    row = {
        "target": "here/onnxruntime-t1-fp32-b1",
        "from": "measured here",
        "models": "lookup, xgboost",
        "spaces": "a b",
    }
    for width, fits in ((80, True), (62, True), (44, False)):
        monkeypatch.setenv("COLUMNS", str(width))
        console.show_table("t", [row] * 2)
        assert (capsys.readouterr().out.count(row["target"]) == 2) is fits
