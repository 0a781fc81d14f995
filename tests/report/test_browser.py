"""The page in a real browser: it draws all figures, logs no error and makes no network request."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from latkit.evaluation.validation import Validation
from latkit.report import write_report
from latkit.report.formatting import percent
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.report.conftest import TARGET

HOSTILE = "<img src=x onerror=\"document.title='owned'\">&'\"</script><script>document.title='owned'</script>"


def open_page(browser: webdriver.Chrome, path: Path) -> list[str]:
    """Open a page, wait until its figures are drawn, and return its further requests."""
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get(path.as_uri())
    drawn = "return document.readyState == 'complete' && [...document.querySelectorAll('.plotly-graph-div')]"
    WebDriverWait(browser, 30).until(
        lambda driver: driver.execute_script(
            f"{drawn}.every(figure => figure.querySelector('.main-svg .trace, .main-svg .hm'))"
        )
    )
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert path.as_uri() in sent
    return [url for url in sent if url != path.as_uri() and not url.startswith(("data:", "about:"))]


def text_of(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def figures(browser: webdriver.Chrome) -> int:
    return len(browser.find_elements(By.CSS_SELECTOR, ".js-plotly-plot"))


def test_target(browser: webdriver.Chrome, workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "target.html"
    write_report(workspace, TARGET, path)
    assert open_page(browser, path) == []
    assert figures(browser) == 4  # a heat map, the scatter, the curve of networks, the reference over time
    text = text_of(browser)
    (validation_file,) = workspace.target_dir(TARGET).glob("validation-*.json")
    validation = Validation.load(validation_file)
    assert percent(validation.mape_percent) in text
    assert percent(validation.repeatability_mape_percent) in text
    worst = max(validation.results, key=lambda row: abs(row.error_percent))
    for phrase in (workspace.device("here").facts.model, str(TARGET), worst.name, "lookup", "xgboost", "linear 8 > 10"):
        assert phrase in text
    cells = browser.find_elements(By.CSS_SELECTOR, ".maps .heatmaplayer text")
    assert len(cells) == 4
    assert all(float(cell.text) > 0 for cell in cells)


def test_search(browser: webdriver.Chrome, workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "search.html"
    write_report(workspace, "digits", path)
    assert open_page(browser, path) == []
    assert figures(browser) == 7
    text = text_of(browser)
    for phrase in (
        "target latency",
        "predicted",
        "measured",
        "accuracy on test images",
        str(TARGET),
        "256 training images",
    ):
        assert phrase in text
    assert browser.find_elements(By.CSS_SELECTOR, "svg.net rect")


def test_series(browser: webdriver.Chrome, series: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "series.html"
    write_report(series, "both", path)
    assert open_page(browser, path) == []
    assert figures(browser) == 2 + 2 * 7  # accuracy against latency on either target, and the figures of two searches
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.beside g")) == 2 * 6
    text = text_of(browser)
    for phrase in (
        "★ 1.00 ms",
        "Not measured: mobilenet on there/tflite-t1-fp32-b1: the device is <gone>",
        "Holds: digits",
    ):
        assert phrase in text


def test_a_complete_workspace_fits_the_width_of_a_phone(
    browser: webdriver.Chrome, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "all.html"
    write_report(workspace, None, path)
    phone = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        assert open_page(browser, path) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") == 400
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert figures(browser) == 11
    text = text_of(browser)
    for phrase in ("here", "digits", "unfinished", "not finished"):
        assert phrase in text


def test_hostile_names_are_escaped(browser: webdriver.Chrome, workspace: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(workspace.root, copy)
    (validation_file,) = copy.glob("measurements/*/*/validation-*.json")
    validation = Validation.load(validation_file)
    rows = [row.model_copy(update={"name": HOSTILE}) for row in validation.results]
    validation.model_copy(update={"space": HOSTILE, "left_out": [HOSTILE], "results": rows}).save(validation_file)
    device = workspace.device("here")
    facts = device.facts.model_copy(update={"model": HOSTILE})
    device.model_copy(update={"facts": facts}).write(copy / "devices", replace=True)
    history = copy / "search" / "digits" / "history.json"
    history.write_text(history.read_text().replace('"body1"', '"<b onclick=alert(1)>body1</b>"'))
    path = tmp_path / "hostile.html"
    write_report(Workspace(copy), None, path)
    assert open_page(browser, path) == []
    assert "owned" not in browser.title
    assert not browser.find_elements(By.CSS_SELECTOR, "img, [onerror], [onclick]")
    assert text_of(browser).count(HOSTILE) > len(rows)
    assert "<b onclick=alert(1)>body1</b>" in browser.execute_script(
        "return [...document.querySelectorAll('.ytick text')].map(label => label.textContent).join()"
    )


def test_one_file_without_addresses(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "all.html"
    write_report(workspace, None, path)
    page = path.read_text(encoding="utf-8")
    outside_scripts = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href|action|data)\s*=\s*["']?(https?:)?//""", outside_scripts)
    assert not re.search(r"<script[^>]*\ssrc", page)
    assert "@import" not in outside_scripts
    assert "url(" not in outside_scripts
    assert page.count("plotly.js v") == 1


def test_device_known_by_name_only(workspace: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(workspace.root, copy)
    (copy / "devices" / "here.toml").unlink()
    write_report(Workspace(copy), Target("here", "onnxruntime"), tmp_path / "page.html")
    assert "is not registered in this workspace" in (tmp_path / "page.html").read_text(encoding="utf-8")
