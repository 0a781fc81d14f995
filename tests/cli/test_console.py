"""Progress where stderr is no terminal: a line now and then, with an estimate of the time left."""

import pytest

from latkit.cli import console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_it_tells_every_ten_seconds_how_long_it_will_take(clock, capsys) -> None:
    with console.ConsoleProgress() as progress:
        for done in range(1, 31):
            progress.advance("measuring", done, 100)
            clock[0] += 1
    assert capsys.readouterr().err.splitlines() == [
        "measuring: 11 of 100, about 89 s left",
        "measuring: 21 of 100, about 79 s left",
    ]


def test_a_phase_that_starts_again_is_estimated_anew(clock, capsys) -> None:
    with console.ConsoleProgress() as progress:
        progress.advance("exporting", 1, 20)
        clock[0] = 1000
        progress.advance("exporting", 1, 20)
        clock[0] = 1010
        progress.advance("exporting", 11, 20)
    assert capsys.readouterr().err.splitlines() == ["exporting: 11 of 20, about 9 s left"]


def test_steps_that_were_done_before_do_not_make_it_look_fast(clock, capsys) -> None:
    with console.ConsoleProgress() as progress:
        progress.advance("measuring", 501, 600)
        clock[0] = 10
        progress.advance("measuring", 511, 600)
    assert capsys.readouterr().err.splitlines() == ["measuring: 511 of 600, about 89 s left"]
