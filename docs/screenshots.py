"""Make the pictures of the README anew: python docs/screenshots.py WORKSPACE (needs latkit[all] and Chromium).

Profiles MobileNetV2 on this machine, measures a small space, searches it, and photographs the pages, and the live view
while more is done. What WORKSPACE has already is not done again. The figures on the pictures are those of the machine
that made them.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from latkit import build_module
from latkit.zoo import mobilenet_v2

IMAGES = Path(__file__).parent / "images"
TARGET, SPACE = "here/onnxruntime", "proxyless-tiny"
WIDTH, HEIGHT, MARGIN = 1180, 800, 24
SECONDS_OF_WORK = 60
"""How long the jobs of the live view have worked on its picture."""


def latkit(folder: Path, *argv: str) -> None:
    """Run a command in the workspace."""
    subprocess.run([sys.executable, "-m", "latkit", *argv], cwd=folder, check=True)  # noqa: S603


def prepare(folder: Path) -> None:
    """Make what is missing: the workspace, the model file, the search."""
    if not (folder / "devices" / "here.toml").exists():
        latkit(folder, "init")
        latkit(folder, "device", "add", "here", "--local")
    model = folder / "mobilenet_v2.onnx"
    if not model.exists():
        module = build_module(mobilenet_v2()).eval()
        torch.onnx.export(module, (torch.zeros(1, 3, 224, 224),), model, dynamo=False)
    if not (folder / "search" / "first" / "result.json").exists():
        latkit(folder, "collect", "space", TARGET, "--space", SPACE)
        latkit(folder, "fit", TARGET, "--space", SPACE)
        search = ("--space", SPACE, "--data", "digits", "--latency-ms", "0.3", "--quick", "--name", "first")
        latkit(folder, "search", TARGET, *search)


PLACE = """
const heading = [...document.querySelectorAll('h1, h2')].find(one => one.textContent == arguments[0]);
const last = [...document.querySelectorAll(arguments[1])].find(one => heading.compareDocumentPosition(one) & 4);
return [heading.getBoundingClientRect().top + scrollY, last.getBoundingClientRect().bottom + scrollY];
"""
"""Where a heading begins on its page, and where the first element after it ends that a selector names."""


def photograph(address: str, picture: Path, heading: str, last: str) -> None:
    """Take a picture of a page, from this heading to the end of the first `last`, a CSS selector, after it."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    driver = shutil.which("chromedriver") or "chromedriver"  # without a path, selenium looks for one on the internet
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.set_window_size(WIDTH, HEIGHT)
        browser.get(address)
        browser.execute_async_script("setTimeout(arguments[0], 1500)")  # the figures are drawn
        top, bottom = browser.execute_script(PLACE, heading, last)
        clip = {"x": 0, "y": top - MARGIN, "width": WIDTH, "height": bottom - top + 1.4 * MARGIN, "scale": 1}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        picture.write_bytes(base64.b64decode(shot["data"]))
    finally:
        browser.quit()


def photograph_live(folder: Path) -> None:
    """Take a picture of the live view while a collection and a search are running."""
    search = ["search", TARGET, "--space", SPACE, "--data", "digits", "--latency-ms", "0.3", "--name", "second"]
    commands = [search, ["collect", "space", TARGET, "--space", "proxyless-mobile"]]
    argv = [sys.executable, "-m", "latkit"]
    shutil.rmtree(folder / "search" / "second", ignore_errors=True)
    running = [subprocess.Popen([*argv, *command], cwd=folder) for command in commands]  # noqa: S603
    serve = [*argv, "serve", "--port", "0"]
    running.append(subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True))  # noqa: S603
    try:
        assert running[-1].stdout is not None
        address = running[-1].stdout.readline().strip()
        time.sleep(SECONDS_OF_WORK)
        photograph(address, IMAGES / "live.png", folder.resolve().name, "#at-devices")
    finally:
        for process in running:
            process.terminate()


def main(folder: Path) -> None:
    """Write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder)
    latkit(folder, "profile", TARGET, "mobilenet_v2.onnx", "--html", "profile.html")
    latkit(folder, "report", "first", "-o", "first.html")
    photograph((folder / "profile.html").resolve().as_uri(), IMAGES / "profile.png", "Where the time goes", "figure")
    photograph((folder / "first.html").resolve().as_uri(), IMAGES / "report.png", "The derived network", "dl")
    photograph_live(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
