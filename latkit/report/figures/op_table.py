"""A table that a reader sorts by its headings and filters by a text. The script holds no text of a file."""

from __future__ import annotations

import html
from collections.abc import Sequence

from latkit.report.html import Html, element, join

SORTABLE = "sortable"
"""The class of these tables. A page that contains one needs the script once."""

Value = tuple[object, float | None]
"""What is shown, and the number to sort by; None sorts by the text."""


def sortable_table(columns: Sequence[str], rows: Sequence[Sequence[Value]], noun: str, total: int = -1) -> Html:
    """The table with its filter. `total`: the column whose shown sum is reported beside the count; -1 for none."""
    head = element("tr", *(_heading(name, rows, number) for number, name in enumerate(columns)))
    body = [element("tr", *(_cell(value) for value in row)) for row in rows]
    filter_field = Html(
        f'<input type="search" placeholder="filter {html.escape(noun)}" aria-label="filter {html.escape(noun)}">'
    )
    bar = element("p", filter_field, element("output", f"{len(rows)} {noun}"), class_="filter")
    content = element("div", element("table", element("thead", head), element("tbody", *body)), class_="scroll tall")
    return element("div", bar, content, class_=SORTABLE, data_noun=noun, data_total=total)


def _heading(name: str, rows: Sequence[Sequence[Value]], number: int) -> Html:
    class_ = "number" if any(row[number][1] is not None for row in rows) else "word"
    return element("th", element("button", name, type="button"), class_=class_, aria_sort="none")


def _cell(value: Value) -> Html:
    shown, number = value
    if number is None:
        return element("td", shown, class_="word")
    return element("td", shown, class_="number", data_value=repr(float(number)))


SCRIPT = """
for (const box of document.querySelectorAll('.sortable')) {
  const body = box.querySelector('tbody'), heads = [...box.querySelectorAll('th')];
  const output = box.querySelector('output'), field = box.querySelector('input');
  const total = Number(box.dataset.total), rows = [...body.rows];
  const value = (row, column) => {
    const cell = row.cells[column];
    return 'value' in cell.dataset ? Number(cell.dataset.value) : null;
  };
  heads.forEach((head, column) => head.addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') !== 'descending';
    heads.forEach(other => other.setAttribute('aria-sort', 'none'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const order = (a, b) => {
      const x = value(a, column), y = value(b, column);
      if (x === null && y === null) {
        return b.cells[column].textContent.localeCompare(a.cells[column].textContent, undefined, {numeric: true});
      }
      return x === null ? 1 : y === null ? -1 : y - x;
    };
    body.append(...[...rows].sort((a, b) => down ? order(a, b) : order(b, a)));
  }));
  field.addEventListener('input', () => {
    const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0, sum = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
      if (!row.hidden) {
        shown += 1;
        sum += total >= 0 ? value(row, total) || 0 : 0;
      }
    }
    const share = total >= 0 ? ', ' + sum.toFixed(1) + ' % of the time' : '';
    output.textContent = shown + ' of ' + rows.length + ' ' + box.dataset.noun + share;
  });
}
"""


def table_script() -> Html:
    """Sorting and filtering, included once at the end of a page."""
    return join([Html(f"<script>{SCRIPT}</script>")])
