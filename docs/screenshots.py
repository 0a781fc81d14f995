"""Make the pictures of the README anew: python docs/screenshots.py WORKSPACE (needs latkit[all] and Chromium).

Profiles MobileNetV2 on this machine, measures a small space, searches it, and photographs the pages, and the live view
while more is done. What WORKSPACE has already is not done again. The figures on the pictures are those of the machine
that made them.
"""

from __future__ import annotations

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
WIDTH, HEIGHT = 1180, 800
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


def photograph(address: str, picture: Path, heading: str, height: int = HEIGHT) -> None:
    """Take a picture of a page, from the section with this heading on."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    driver = shutil.which("chromedriver") or "chromedriver"  # without a path, selenium looks for one on the internet
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.set_window_size(WIDTH, height)
        browser.get(address)
        find = f"[...document.querySelectorAll('h1, h2')].find(one => one.textContent == '{heading}')"
        browser.execute_script(f"document.documentElement.style.scrollBehavior = 'auto'; {find}.scrollIntoView()")
        browser.execute_async_script("setTimeout(arguments[0], 1500)")  # the figures are drawn
        browser.save_screenshot(str(picture))
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
        photograph(address, IMAGES / "live.png", folder.resolve().name, 900)
    finally:
        for process in running:
            process.terminate()


def main(folder: Path) -> None:
    """Write all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder)
    latkit(folder, "profile", TARGET, "mobilenet_v2.onnx", "--html", "profile.html")
    latkit(folder, "report", "first", "-o", "first.html")
    photograph((folder / "profile.html").resolve().as_uri(), IMAGES / "profile.png", "Where the time goes")
    photograph((folder / "first.html").resolve().as_uri(), IMAGES / "report.png", "The derived network")
    photograph_live(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
