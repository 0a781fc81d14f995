"""Answers requests until `quit` or the end of stdin."""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading

from .agent import Agent
from .conversation import LineWriter, answer_line, end_with_host, private_stdout
from .loaders import add_loader

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # otherwise onnxruntime leaves files in the home folder


def main() -> None:
    """Answer requests until `quit` or the end of stdin."""
    parser = argparse.ArgumentParser(description="latkit's agent; see docs/agent-protocol.md")
    parser.add_argument("--models", required=True, help="folder of the model files, named by their SHA-256")
    parser.add_argument("--loader", action="append", default=[], metavar="NAME=FILE", help="a further runtime")
    arguments = parser.parse_args()
    for text in arguments.loader:
        add_loader(*text.split("=", 1))
    models = arguments.models
    os.makedirs(models, exist_ok=True)  # noqa: PTH103
    writer, agent = LineWriter(private_stdout()), Agent(models)
    incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=end_with_host, args=(sys.stdin.buffer, incoming.put), daemon=True).start()
    while not agent.ended:
        line = incoming.get()
        writer.set_busy(True)
        answer = answer_line(agent, line)
        writer.set_busy(False)
        writer.write_line(answer)
    os._exit(0)  # runtimes may hang in their own clean-up
