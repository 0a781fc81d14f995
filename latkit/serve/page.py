"""The document of the live view: the reports' style, one script, and a policy that allows nothing else."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from http import HTTPStatus

from latkit.report.figures.style import CSS
from latkit.report.html import Html, element, join
from latkit.report.page import Frame, Heading, framed
from latkit.serve.view import PAGE, SECTIONS, View

STYLE = (
    CSS
    + """
:root { --good: #17795a; --bad: #b3261e; --busy: #0b6bb8; }
@media (prefers-color-scheme: dark) { :root { --good: #58c9a0; --bad: #ff8a80; --busy: #6cb2ee; } }
main h2 { margin-top: 32px; }
#connection { color: var(--soft); }
#connection::before {
  content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%; margin-right: 7px;
  background: var(--soft);
}
#connection.on::before { background: var(--good); }
#connection.off { color: var(--bad); } #connection.off::before { background: var(--bad); }
.tiles { grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); margin-top: 20px; }
.rows { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.row {
  display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr) minmax(150px, 2fr); gap: 2px 22px;
  padding: 9px 14px; align-items: start;
}
.row + .row { border-top: 1px solid var(--line); }
.row > div { min-width: 0; overflow-wrap: anywhere; font-size: 13px; line-height: 1.45; color: var(--soft); }
.row b { color: var(--ink); font-size: 14px; font-weight: 600; }
.row b, .row span { display: block; }
.row b a { text-decoration: none; } .row b a:hover { text-decoration: underline; }
.row em { font-style: normal; color: var(--ink); font-variant-numeric: tabular-nums; }
.row .said { color: var(--warn); }
.row .end { text-align: right; font-variant-numeric: tabular-nums; }
.row .end b { font-size: 13.5px; }
.none { color: var(--soft); margin: 0; padding: 11px 14px; max-width: none; font-size: 14px; }
.badge { font-style: normal; font-weight: 600; font-size: 13px; white-space: nowrap; color: var(--soft); }
.badge.good { color: var(--good); } .badge.bad { color: var(--bad); }
.badge.busy { color: var(--busy); } .badge.warn { color: var(--warn); }
progress {
  appearance: none; display: block; width: 100%; height: 6px; margin: 4px 0 6px; border: 0; border-radius: 3px;
  overflow: hidden; background: var(--line);
}
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 3px; }
progress::-moz-progress-bar { background: var(--accent); border-radius: 3px; }
@media (max-width: 560px) {
  .row { grid-template-columns: minmax(0, 1fr) auto; gap: 4px 12px; padding: 9px 12px; }
  .row .end { grid-column: 2; grid-row: 1; max-width: 150px; }
  .row .how { grid-column: 1 / 3; } .row .how:empty { display: none; }
  .tiles { grid-template-columns: 1fr 1fr 1fr; }
  .tile { padding: 8px 10px; }
}
"""
)

SCRIPT = """
'use strict';
const shown = new Map(), name = document.querySelector('h1').textContent;
const connection = document.getElementById('connection');
let ahead = 0;

function ago(seconds) {
  if (seconds < 60) return Math.max(0, Math.round(seconds)) + ' s';
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return minutes + ' min';
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? hours + ' h ' + minutes % 60 + ' min' : Math.round(hours / 24) + ' days';
}

function tick() {
  const now = Date.now() / 1000 - ahead;
  for (const one of document.querySelectorAll('time[data-at]')) {
    const at = Number(one.dataset.at), kind = one.dataset.kind;
    const text = kind === 'left' ? (at > now ? ago(at - now) + ' left' : 'about to end')
      : kind === 'ago' ? ago(now - at) + ' ago' : ago(now - at);
    if (one.title === '') one.title = one.textContent;
    if (one.textContent !== text) one.textContent = text;
  }
}

function made(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function replace(id, rows) {
  const box = document.getElementById(id), old = new Map();
  for (const node of [...box.children]) {
    if ('key' in node.dataset) old.set(node.dataset.key, node); else node.remove();  // what the server wrote
  }
  rows.forEach(([key, html], place) => {
    const mark = id + ' ' + key;
    let node = old.get(key);
    old.delete(key);
    if (!node || shown.get(mark) !== html) {
      const fresh = made(html), focused = node && node.contains(document.activeElement);
      fresh.dataset.key = key;
      shown.set(mark, html);
      if (node) node.replaceWith(fresh);
      if (focused && fresh.querySelector('a')) fresh.querySelector('a').focus();
      node = fresh;
    }
    if (box.children[place] !== node) box.insertBefore(node, box.children[place] || null);
  });
  for (const [key, node] of old) {
    node.remove();
    shown.delete(id + ' ' + key);
  }
}

function receive(message) {
  const {now, lists} = JSON.parse(message.data);
  ahead = Date.now() / 1000 - now;
  for (const id in lists) {
    if (document.getElementById(id)) replace(id, lists[id]);
  }
  const running = document.querySelectorAll('#running .row').length;
  document.title = (running ? running + ' running – ' : '') + name + ' – latkit';
  tick();
}

const events = new EventSource('events');
events.addEventListener('view', receive);
events.onopen = () => { connection.className = 'on'; connection.textContent = 'live'; };
events.onerror = () => {
  connection.className = 'off';
  connection.textContent = 'not connected: latkit serve has ended, or is being started again';
};
setInterval(tick, 1000);
tick();
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hash(SCRIPT)}",
        f"style-src {_hash(STYLE)}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy of the view: its own script and style by their hashes, and its own events."""

REPORT_POLICY = "; ".join(
    (
        "sandbox allow-scripts allow-downloads",
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""That of a report: it may draw its figures. It has an origin of its own, and reaches neither the view nor a network.

A search's stored report may come from somebody else, so its scripts are not trusted.
"""


def live_page(name: str, view: View) -> Html:
    """The page, with what there is to see at this moment: it can be read without its script."""
    heading = Heading("Live view", name, "What runs in this workspace, who holds its devices, and what it has found.")
    parts = [
        element("p", "connecting", id="connection", role="status"),
        _list("tiles", view, "tiles"),
        _list("troubles", view, ""),
    ]
    for id_, (title, _) in SECTIONS.items():
        parts.append(element("section", element("h2", title), _list(id_, view, "rows"), id=f"at-{id_}"))
    parts.append(
        element(
            "p",
            element("a", "Make the report of the whole workspace", href=PAGE),
            ". A report is made when it is opened, which takes this machine some seconds of a core.",
        )
    )
    anchors = [(title, f"at-{id_}") for id_, (title, _) in SECTIONS.items()]
    end = element("script", Html(SCRIPT))
    frame = Frame(style=STYLE, end=end, note="This page only shows; it changes nothing.")
    return framed(heading, join(parts), anchors, frame)


def error_page(status: int, reason: str, home: str) -> Html:
    """Why a page cannot be shown. `home`: the address of the live view; empty for who may not know it."""
    back = element("p", element("a", "back to the live view", href=home)) if home else ""
    heading = Heading("Live view", HTTPStatus(status).phrase, f"{reason}.")
    return framed(heading, join([back]), (), Frame(style=STYLE, note="Nothing was changed."))


def _list(id_: str, view: View, class_: str) -> Html:
    return element("div", *(html for _, html in view[id_]), id=id_, class_=class_)


def event(now_s: float, lists: View) -> bytes:
    """A server-sent event with lists that have changed. `now_s`: seconds since 1970, by this machine's clock."""
    document = json.dumps({"now": now_s, "lists": lists})
    return f"event: view\ndata: {document}\n\n".encode()
