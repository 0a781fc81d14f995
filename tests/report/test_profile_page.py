"""The page of profiles in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from latkit.errors import UsageError
from latkit.report.profile_page import write_profile_page
from tests.report.made_profiles import made_op, made_profile
from tests.report.test_browser import HOSTILE, figures, open_page, text_of


def shown_names(browser: webdriver.Chrome) -> list[str]:
    rows = browser.find_elements(By.CSS_SELECTOR, ".sortable tbody tr")
    return [row.find_elements(By.TAG_NAME, "td")[1].text for row in rows if row.is_displayed()]


def test_one_profile(browser: webdriver.Chrome, tmp_path: Path) -> None:
    write_profile_page([made_profile()], tmp_path / "one.html")
    assert open_page(browser, tmp_path / "one.html") == []
    assert figures(browser) == 3  # treemap, timeline, pacing
    text = text_of(browser)
    for phrase in ("made.onnx on made/onnxruntime", "80 % of the time is Conv", "every 7.00 ms", "2.00 ×", "3 of 7"):
        assert phrase in text
    script = "return [...document.querySelectorAll('.treemaplayer text')].map(each => each.textContent)"
    areas = browser.execute_script(script)
    assert any("stem" in area for area in areas)
    assert any("runtime overhead" in area for area in areas)


def test_the_table_sorts_and_filters(browser: webdriver.Chrome, tmp_path: Path) -> None:
    write_profile_page([made_profile()], tmp_path / "one.html")
    open_page(browser, tmp_path / "one.html")
    assert shown_names(browser) == ["stem", "middle", "head"]
    browser.execute_script(
        "document.documentElement.style.scrollBehavior = 'auto';"
        "document.querySelector('.sortable').scrollIntoView({block: 'center'})"
    )
    for _ in range(2):
        browser.find_element(By.XPATH, "//th/button[text()='time']").click()
    assert shown_names(browser) == ["head", "middle", "stem"]
    browser.find_element(By.XPATH, "//th/button[text()='op']").click()
    assert shown_names(browser) == ["stem", "middle", "head"]
    field = browser.find_element(By.CSS_SELECTOR, ".sortable input")
    field.send_keys("conv")
    assert shown_names(browser) == ["stem", "middle"]
    assert browser.find_element(By.CSS_SELECTOR, ".sortable output").text == "2 of 3 ops, 80.0 % of the time"


def test_two_models_side_by_side_and_a_sweep(browser: webdriver.Chrome, tmp_path: Path) -> None:
    write_profile_page([made_profile(threads=1), made_profile(threads=2, median=50_000.0)], tmp_path / "two.html")
    assert open_page(browser, tmp_path / "two.html") == []
    assert figures(browser) == 2 + 1 + 2 * 3  # latency and throughput by threads, time by kind, two profiles
    text = text_of(browser)
    for phrase in ("Side by side", "−50.0 %", "Median latency by threads", "−25,000 ms"):
        assert phrase in text


def test_hostile_names_are_escaped(browser: webdriver.Chrome, tmp_path: Path) -> None:
    op = made_op(HOSTILE, HOSTILE, 1.0, 1.0, placement=HOSTILE)
    hostile = made_profile(HOSTILE, ops=(op,), fallbacks=(), notes=(HOSTILE,), runtime=HOSTILE, delegate=HOSTILE)
    write_profile_page([hostile, made_profile()], tmp_path / "page.html")
    assert open_page(browser, tmp_path / "page.html") == []
    assert "owned" not in browser.title
    assert not browser.find_elements(By.CSS_SELECTOR, "img, [onerror]")
    assert HOSTILE in text_of(browser)


def test_the_page_fits_the_width_of_a_phone(browser: webdriver.Chrome, tmp_path: Path) -> None:
    write_profile_page([made_profile(), made_profile(threads=2)], tmp_path / "page.html")
    phone = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        open_page(browser, tmp_path / "page.html")
        assert browser.execute_script("return document.documentElement.scrollWidth") == 400
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_page_needs_a_profile_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one profile"):
        write_profile_page([], tmp_path / "page.html")
    with pytest.raises(UsageError, match="expected a folder"):
        write_profile_page([made_profile()], tmp_path / "none" / "page.html")
