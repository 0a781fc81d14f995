"""Checks of a phone's state before it is measured, with remedies."""

from __future__ import annotations

from collections.abc import Iterator

from latkit.devices.android.phone import THERMAL_STATUS_NAMES, PhoneState
from latkit.devices.check import Check

MIN_BATTERY_PERCENT = 30
"""Below this battery level, phones save power."""
HOT_BATTERY_C = 40.0


def check_phone(state: PhoneState) -> Iterator[Check]:
    """The checks of the phone's state, with a remedy for each that affects measurements."""
    yield _screen(state)
    yield _point("battery saver", state.battery_saver, "off", "on", "turn it off: Settings, Battery, Battery Saver")
    yield _battery(state)
    yield _heat(state)


def check_emulated(emulated: bool) -> Check:
    """An emulator is not a failure, but its latencies must not be taken for a phone's."""
    if not emulated:
        return Check("hardware", True, "a real device")
    return Check(
        "hardware", None, "emulated", "every record and report says so; measure what is to count on a real phone"
    )


def _screen(state: PhoneState) -> Check:
    if state.screen_on is None:
        return Check("screen", None, "not reported by the phone", "keep it on: Android slows down a phone that sleeps")
    if not state.screen_on:
        return Check("screen", False, "off", "wake it and unlock it: Android slows down what runs while it sleeps")
    if state.stays_awake:
        return Check("screen", True, "on, and stays on")
    remedy = "Settings, Developer options, Stay awake; or: adb shell svc power stayon true"
    return Check("screen", None, "on, but goes off by itself", remedy)


def _battery(state: PhoneState) -> Check:
    if state.battery_percent is None:
        return Check("battery", None, "not reported by the phone", "plug it in")
    found = f"{state.battery_percent} %, {'charging' if state.charging else 'not charging'}"
    if state.battery_percent < MIN_BATTERY_PERCENT:
        return Check("battery", False, found, f"charge it to {MIN_BATTERY_PERCENT} %: with less, phones save power")
    if not state.charging:
        return Check("battery", None, found, "plug it in, for it may run for hours")
    return Check("battery", True, found)


def _heat(state: PhoneState) -> Check:
    remedy = "let it cool: out of its case and the sun, on a hard surface; latkit waits for it before each round"
    degrees = "" if state.battery_c is None else f", battery at {state.battery_c:.0f} °C"
    if state.thermal_status is None:
        remedy = "before Android 10 only the kernel's sensors count; if set by hand: adb shell cmd thermalservice reset"
        return Check("heat", None, f"throttling: unknown{degrees}", remedy)
    word = THERMAL_STATUS_NAMES[min(state.thermal_status, len(THERMAL_STATUS_NAMES) - 1)]
    hot = state.battery_c is not None and state.battery_c >= HOT_BATTERY_C
    cool = state.thermal_status == 0 and not hot
    return Check("heat", cool, f"throttling: {word}{degrees}", "" if cool else remedy)


def _point(name: str, bad: bool | None, good_word: str, bad_word: str, remedy: str) -> Check:
    if bad is None:
        return Check(name, None, "not reported by the phone", remedy)
    return Check(name, not bad, bad_word if bad else good_word, remedy if bad else "")
