"""Pieces of a page of HTML. Whatever is not `Html` already is escaped: no text of a file can run."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

from ..files import REPORT_MARK
from .reading import Table

#: Text that is HTML: made in this module alone.
Html = NewType("Html", str)

#: Tables show so many rows; the file has the rest.
MOST_ROWS = 200

#: What a browser may do with the page: show the pictures and the style that are in it, and nothing else.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light; --ink: #222; --grey: #5f6368; --line: #d9dce0; --pale: #f5f6f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 3rem; color: var(--ink); background: #fff;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .7rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; }
.under, figcaption, .note, footer { color: var(--grey); font-size: .9rem; }
.box { border-left: .35rem solid; border-radius: .2rem; padding: .7rem 1rem; margin: 1.2rem 0; }
.box h2 { border: 0; margin: 0 0 .3rem; padding: 0; font-size: 1.05rem; }
.box ul { margin: .3rem 0; padding-left: 1.2rem; }
.bad { border-color: #b3261e; background: #fdf1f0; }
.good { border-color: #00684f; background: #eef7f4; }
.mild { border-color: #b26a00; background: #fdf6ea; }
.table { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .3rem .7rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; border-bottom-color: #9a9a9a; }
td { white-space: nowrap; }
td.wide { white-space: normal; min-width: 10rem; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number.bad, td.bad { color: #b3261e; background: none; font-weight: 600; }
td.good { color: #00684f; background: none; }
td.good, td.bad { border-color: var(--line); }
td.hash { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .75rem;
  white-space: normal; word-break: break-all; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: .6rem 0; }
dt { color: var(--grey); }
dd { margin: 0; min-width: 0; }
figure { margin: 1.4rem 0; }
figure img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line);
  border-radius: .2rem; }
figcaption { margin-top: .4rem; max-width: 48rem; }
pre { background: var(--pale); border: 1px solid var(--line); border-radius: .2rem; padding: .8rem 1rem;
  font: .8rem/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .7rem; }
@media (max-width: 40rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .box, figure, tr { break-inside: avoid; }
  h1, h2, h3 { break-after: avoid; }
  .box { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .table { overflow: visible; }
  table { font-size: 7.5pt; }
  td, td.wide { white-space: normal; min-width: 0; }
  figure img { max-height: 11.5cm; width: auto; }
  footer { margin-top: 1rem; }
}
"""


def page(title: str, version: str, parts: Iterable[Html]) -> bytes:
    """Return a whole page, UTF-8. It asks for nothing from outside, and runs nothing."""
    body = "\n".join(parts)
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'{REPORT_MARK} {_text(version)}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
    return text.encode("utf-8", "replace")


def _text(value: object) -> str:
    # A null has no place in HTML; other characters stand as they are, in UTF-8.
    return escape(str(value).replace("\0", "\ufffd"))


def heading(level: int, text: str, under: str = "") -> Html:
    """Return a heading; `under` is a line below it."""
    line = f'\n<p class="under">{_text(under)}</p>' if under else ""
    return Html(f"<h{level}>{_text(text)}</h{level}>{line}")


def paragraph(text: str, kind: str = "") -> Html:
    """Return a paragraph; `kind` is a class of the style, such as "note"."""
    return Html(f'<p class="{kind}">{_text(text)}</p>' if kind else f"<p>{_text(text)}</p>")


def box(kind: str, title: str, sentences: Sequence[str]) -> Html:
    """Return sentences in a box that is "bad", "mild" or "good"."""
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    inside = f"<ul>{items}</ul>" if items else ""
    return Html(f'<section class="box {kind}"><h2>{_text(title)}</h2>{inside}</section>')


def pairs(items: Iterable[tuple[str, str]]) -> Html:
    """Return names and what they are, side by side."""
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in items)
    return Html(f"<dl>{rows}</dl>")


def preformatted(text: str) -> Html:
    """Return text with its line ends, in letters of one width."""
    return Html(f"<pre>{_text(text)}</pre>")


def picture(name: str, png: bytes, caption: str) -> Html:
    """Return a picture that is in the page itself, with its caption."""
    data = base64.b64encode(png).decode("ascii")
    return Html(
        f'<figure><img alt="{_text(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{_text(caption)} <small>{_text(name)}</small></figcaption></figure>"
    )


def table(content: Table, name: str = "", kinds: dict[str, str] | None = None, most: int = MOST_ROWS) -> Html:
    """Return a table: four digits, a dash where there is no number, the first `most` rows.

    `name` is the file that has the rest; `kinds` gives a cell of that text a class of the style.
    """
    numeric = [_is_numeric(content.column(column)) for column in content.columns]
    head = "".join(
        f'<th scope="col"{_class("number" if number else "")}>{_text(_heading(column))}</th>'
        for column, number in zip(content.columns, numeric, strict=True)
    )
    body = "".join(f"<tr>{_cells(row, numeric, kinds or {})}</tr>" for row in content.rows[:most])
    left = len(content.rows) - most
    more = f'<p class="note">{left:,} more rows are in {_text(name)}.</p>' if left > 0 else ""
    return Html(
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    )


def hashes(items: Iterable[tuple[str, str]]) -> Html:
    """Return a table of files and their SHA-256."""
    rows = "".join(f'<tr><td>{_text(n)}</td><td class="hash">{_text(h)}</td></tr>' for n, h in items)
    return Html(
        '<div class="table"><table><thead><tr><th scope="col">file</th><th scope="col">SHA-256</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def footer(version: str) -> Html:
    """Return the end of the page."""
    said = f"Written by exsim {version}. A simulation is what a model says, and no measurement."
    return Html(f"<footer>{_text(said)}</footer>")


def _heading(column: str) -> str:
    # time_of_peak_h -> time of peak (h)
    name = column.removesuffix("_h")
    return name.replace("_", " ") + (" (h)" if name != column else "")


def _class(*kinds: str) -> str:
    named = " ".join(kind for kind in kinds if kind)
    return f' class="{named}"' if named else ""


def _cells(row: Sequence[str], numeric: Sequence[bool], kinds: dict[str, str]) -> str:
    return "".join(
        f"<td{_class('number' if number else 'wide' if len(cell) > 24 else '', kinds.get(cell, ''))}>"
        f"{_text(number_text(cell) if number else cell)}</td>"
        for cell, number in zip(row, numeric, strict=True)
    )


def _is_numeric(cells: Sequence[str]) -> bool:
    # A column without any entry too: its cells are numbers that do not exist.
    return all(_number(cell) is not None for cell in cells if cell)


def _number(cell: str) -> float | None:
    try:
        return float(cell.replace("−", "-"))
    except ValueError:
        return None


def number_text(cell: str) -> str:
    """Return the number of a cell with four digits, "–" for none, "∞" for one without end."""
    found = _number(cell)
    if found is None or cell[0] in "+−":
        # No number, or one that was made for a reader already.
        return cell or "–"
    if math.isnan(found):
        return "–"
    if math.isinf(found):
        return "∞" if found > 0 else "−∞"
    if cell.lstrip("-").isdecimal():
        return cell.replace("-", "−")
    rounded = float(f"{found:.4g}")
    plain = rounded == 0 or 1e-4 <= abs(rounded) < 1e7
    return (f"{rounded:.10g}" if plain else f"{rounded:.3e}").replace("-", "−")
