"""The live view in a real browser, on a wide screen and on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from latkit.layout.jobs import Job, recorded
from latkit.progress import SILENT
from latkit.serve.server import Server
from tests.report.test_browser import HOSTILE
from tests.serve.conftest import JOBS
from tests.waiting import PATIENCE_S


def wait(browser: Any, script: str) -> None:
    """Until a script returns a true value."""
    WebDriverWait(browser, PATIENCE_S, 0.1).until(lambda driver: driver.execute_script(f"return {script}"))


def severe(browser: Any) -> list[Any]:
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(autouse=True)
def _leave_the_page(browser: Any) -> Iterator[None]:
    """Other tests share the browser: none of them sees the page's messages."""
    severe(browser)
    yield
    browser.get("about:blank")
    severe(browser)


@pytest.mark.parametrize("width", [1300, 420])
def test_fifty_jobs_fit_and_a_change_arrives(browser: Any, live: Server, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(live.url)
        wait(browser, f"document.title.startsWith('{JOBS} running')")
        assert browser.execute_script(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        wait(browser, f"document.querySelectorAll('#running progress').length == {JOBS}")
        wait(browser, "document.getElementById('connection').textContent == 'live'")
        text = browser.find_element(By.TAG_NAME, "body").text
        for phrase in ("measuring: 7 of 100 conv 32×3×3", "min left", HOSTILE):
            assert phrase in text
        assert not browser.find_elements(By.CSS_SELECTOR, "img, [onerror]")
        first = "document.querySelector('#running .row')"
        browser.execute_script(f"{first}.kept = true")
        job = Job("search", ("pi4/tflite-t4-fp32-b1",), "overnight")
        with recorded(live.site.reports.workspace.root, job, SILENT) as callbacks:
            callbacks.progress.advance("search", 3, 8, "accuracy 91.2 %")
            wait(browser, f"document.title.startsWith('{JOBS + 1} running')")
            wait(browser, f"{first}.textContent.includes('search overnight')")
            wait(browser, f"{first}.textContent.includes('search: 3 of 8 accuracy 91.2 %')")
            assert browser.execute_script("return document.querySelectorAll('#running .row')[1].kept")  # not replaced
        wait(browser, f"document.title.startsWith('{JOBS} running')")
        wait(browser, "document.getElementById('ended').textContent.includes('search overnight')")
        assert severe(browser) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_profile_opens_and_its_figures_are_drawn(browser: Any, live: Server) -> None:
    browser.get(live.url)
    wait(browser, "document.title.includes(' running')")
    browser.execute_script("document.querySelector('#profiles a').click()")
    drawn = "[...document.querySelectorAll('.plotly-graph-div')]"
    wait(browser, f"{drawn}.length && {drawn}.every(one => one.querySelector('.main-svg'))")
    assert "model.onnx on made/onnxruntime-t1-fp32-b1" in browser.title
    assert severe(browser) == []
    with pytest.raises(Exception, match="document is sandboxed"):
        browser.execute_script("return localStorage.length")  # a report has an origin of its own


def test_the_end_of_the_server_is_shown(browser: Any, live: Server) -> None:
    with Server(live.site.reports.workspace, "127.0.0.1", 0) as short:
        threading.Thread(target=short.serve_forever, args=(0.05,), daemon=True).start()
        browser.get(short.url)
        wait(browser, "document.getElementById('connection').className == 'on'")
        short.shutdown()
    wait(browser, "document.getElementById('connection').className == 'off'")
