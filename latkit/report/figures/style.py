"""The style of the page: plain, light or dark as the reader's system is, and one column on a phone."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1b2430; --soft: #5d6978; --line: #e1e5ea; --accent: #0b6bb8;
  --warn: #8a5a00; --warn-paper: #fff6e0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1a2027; --ink: #e5e9ee; --soft: #98a4b1; --line: #2c343d; --accent: #6cb2ee;
    --warn: #f0c674; --warn-paper: #2b2517;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
main, header.top, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header.top { padding-top: 36px; }
header.top p { color: var(--soft); margin: 4px 0 0; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.02em; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 21px; letter-spacing: -.01em; margin: 44px 0 12px; overflow-wrap: anywhere; }
h3 { font-size: 16px; margin: 30px 0 8px; }
h4 { font-size: 14px; margin: 20px 0 6px; color: var(--soft); }
p { margin: 6px 0 12px; max-width: 92ch; }
a { color: var(--accent); }
a.term { color: inherit; text-decoration: underline dotted; text-underline-offset: 3px; }
header.top p.lede { color: var(--ink); font-size: 16px; margin-top: 10px; }
dt[id] { scroll-margin-top: 12px; }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 16px; }
nav a {
  text-decoration: none; border: 1px solid var(--line); background: var(--card); border-radius: 999px;
  padding: 3px 12px; font-size: 13px; overflow-wrap: anywhere;
}
code { font: 13px/1.4 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
section.subject { border-top: 1px solid var(--line); margin-top: 48px; }
.notice {
  background: var(--warn-paper); color: var(--warn); border-radius: 8px; padding: 9px 14px; max-width: none;
  overflow-wrap: anywhere;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); gap: 10px; margin: 14px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 11px 14px; }
.tile b {
  display: block; font-size: 20px; line-height: 1.3; letter-spacing: -.01em; font-variant-numeric: tabular-nums;
}
.tile span { color: var(--soft); font-size: 12.5px; line-height: 1.35; display: block; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 12px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 12px; }
.pair > dl { margin: 0; align-content: start; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr)); gap: 12px; }
figure, .sheet {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; margin: 0 0 12px;
  min-width: 0;
}
.cards > figure, .maps > figure { margin: 0; }
figcaption { font-size: 13px; font-weight: 600; }
figcaption + p, .remark { color: var(--soft); font-size: 13px; margin: 2px 0 6px; }
dl {
  display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0 0 12px; padding: 12px 14px;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll {
  overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin-bottom: 12px;
}
figure .scroll { border: 0; margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { padding: 6px 14px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
th { color: var(--soft); font-weight: 600; font-size: 12.5px; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.word { min-width: 92px; }
th button { all: unset; cursor: pointer; font: inherit; }
th button:focus-visible { outline: 2px solid var(--accent); border-radius: 3px; }
th[aria-sort=descending] button::after { content: " ↓"; } th[aria-sort=ascending] button::after { content: " ↑"; }
.scroll.tall { max-height: 640px; overflow: auto; }
.scroll.tall thead th { position: sticky; top: 0; background: var(--card); }
.filter { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; max-width: none; }
.filter input {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 4px 10px; min-width: min(100%, 260px);
}
.filter output { color: var(--soft); font-size: 13px; }
details { margin-bottom: 12px; }
summary { cursor: pointer; color: var(--accent); margin-bottom: 8px; font-size: 14px; }
.scale { display: flex; align-items: center; gap: 8px; font-size: 12.5px; color: var(--soft); margin: 0 0 10px; }
.scale i { display: block; width: 160px; height: 10px; border-radius: 5px; }
.bar { display: inline-block; height: 9px; border-radius: 3px; background: var(--accent); vertical-align: middle; }
svg.net { display: block; }
svg.net text { font: 12px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: var(--ink); }
svg.net text.on { fill: #10202e; font-weight: 600; }
svg.net text.soft { fill: var(--soft); font-size: 11px; }
svg.net .line { stroke: var(--soft); stroke-width: 1.5; fill: none; }
svg.net .skip { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 4 3; fill: var(--card); }
.js-plotly-plot .xtick text, .js-plotly-plot .ytick text, .js-plotly-plot .g-xtitle text,
.js-plotly-plot .g-ytitle text, .js-plotly-plot .legendtext, .js-plotly-plot .annotation-text {
  fill: var(--soft) !important;
}
.js-plotly-plot .gridlayer path { stroke: var(--line) !important; }
footer { color: var(--soft); font-size: 13px; padding-top: 40px; padding-bottom: 40px; }
@media (max-width: 560px) {
  main, header.top, footer { padding-left: 14px; padding-right: 14px; }
  h1 { font-size: 22px; } h2 { font-size: 18px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 7px; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .maps { grid-template-columns: 1fr 1fr; }
  th, td { padding: 6px 10px; }
  td.word { min-width: 128px; } td.word + td.word { min-width: 240px; }
}
"""
