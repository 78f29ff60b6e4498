"""Which line of a TOML text each key stands on: `tomllib` does not say.

One pass over the text, in time proportional to its length, that knows only as much of TOML as
is needed to follow keys: headers, dotted and quoted keys, strings that span lines, arrays and
inline tables. Text that is not TOML gives no line at all, never a wrong one.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import Literal, NamedTuple

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r]++|#[^\n]*+)*+")
_BLANK_AND_NEWLINES = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
# Numbers, booleans, dates: a date may hold one blank between day and clock time.
_BARE_VALUE = re.compile(r"[^\s,\[\]{}#\"'=]++(?: \d\d:[^\s,\[\]{}#\"'=]++)?")


class RepeatedKey(NamedTuple):
    """A key or table that the text gives twice: where it stands, and where it stood first."""

    path: KeyPath
    line: int
    first_line: int


class _NotToml(Exception):
    """The text is not TOML from here on."""


class _Node:
    """A table or array: the line on which it was written first, and what lies under it.

    `kind` is "implied" for a table that only a longer key has named so far.
    """

    __slots__ = ("children", "kind", "line")

    def __init__(self, line: int, kind: Literal["implied", "table", "tables", "array", "inline"]) -> None:
        self.line = line
        self.kind = kind
        #: key or index -> node, or the line of a plain value
        self.children: dict[str | int, _Node | int] = {}


class _Scan:
    """One pass over a text: where it stands, and what it has found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 1 if text.startswith("\ufeff") else 0
        self._counted_to = 0
        self._line = 1
        self.root = _Node(1, "table")
        self.repeated: list[RepeatedKey] = []

    def line(self) -> int:
        """Return the line of the present position; the pass only ever goes forward."""
        self._line += self.text.count("\n", self._counted_to, self.position)
        self._counted_to = self.position
        return self._line

    def at(self, token: str) -> bool:
        return self.text.startswith(token, self.position)

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise _NotToml
        self.position = match.end()
        return match[0]

    def expect(self, token: str) -> None:
        if not self.at(token):
            raise _NotToml
        self.position += len(token)

    def dotted_key(self) -> list[str]:
        """Read `a."b c".d` and return its parts."""
        parts = []
        while True:
            self.take(_BLANK)
            quoted = self.at('"') or self.at("'")
            parts.append(_unquoted(self.take(_STRING)) if quoted else self.take(_BARE_KEY))
            self.take(_BLANK)
            if not self.at("."):
                return parts
            self.position += 1


def _unquoted(key: str) -> str:
    if key.startswith(('"""', "'''")):
        raise _NotToml
    if key.startswith("'") or "\\" not in key:
        return key[1:-1]
    try:
        return next(iter(tomllib.loads(f"{key} = 0")))
    except tomllib.TOMLDecodeError as error:
        raise _NotToml from error


def _table_under(parent: _Node, key: str, line: int) -> _Node:
    """Return the table `key`, made if it is new; of an array of tables the last one."""
    child = parent.children.get(key)
    if child is None:
        child = parent.children[key] = _Node(line, "implied")
    if isinstance(child, _Node) and child.kind == "tables":
        child = child.children[len(child.children) - 1]
    if isinstance(child, int) or child.kind in ("array", "inline"):
        raise _NotToml
    return child


def _header(scan: _Scan) -> tuple[_Node, KeyPath]:
    """Read `[a.b]` or `[[a.b]]`; return the table that the lines after it belong to."""
    line = scan.line()
    closing = "]]" if scan.at("[[") else "]"
    scan.position += len(closing)
    keys = scan.dotted_key()
    scan.expect(closing)
    parent = scan.root
    for key in keys[:-1]:
        parent = _table_under(parent, key, line)
    if closing == "]]":
        tables = parent.children.setdefault(keys[-1], _Node(line, "tables"))
        if isinstance(tables, int) or tables.kind != "tables":
            raise _NotToml
        table = tables.children[len(tables.children)] = _Node(line, "table")
        return table, tuple(keys)
    table = _table_under(parent, keys[-1], line)
    if table.kind == "table":
        scan.repeated.append(RepeatedKey(tuple(keys), line, table.line))
    else:
        table.kind, table.line = "table", line
    return table, tuple(keys)


def _key_and_value(scan: _Scan, table: _Node, path: KeyPath) -> _Node | None:
    """Read `a.b = value`; return the node of an array or inline table that it opens."""
    line = scan.line()
    keys = scan.dotted_key()
    scan.expect("=")
    scan.take(_BLANK)
    for key in keys[:-1]:
        table = _table_under(table, key, line)
    known = table.children.get(keys[-1])
    if known is not None:
        first_line = known if isinstance(known, int) else known.line
        scan.repeated.append(RepeatedKey((*path, *keys), line, first_line))
    return _value(scan, table, keys[-1], line)


def _value(scan: _Scan, parent: _Node, key: str | int, line: int) -> _Node | None:
    """Read a plain value, or the bracket that opens an array or inline table, whose node is returned."""
    if scan.at("[") or scan.at("{"):
        opened = parent.children[key] = _Node(line, "array" if scan.at("[") else "inline")
        scan.position += 1
        return opened
    scan.take(_STRING if scan.at('"') or scan.at("'") else _BARE_VALUE)
    parent.children[key] = line
    return None


def _follow(scan: _Scan) -> None:
    """Go through the whole text. Raises _NotToml where it cannot be followed."""
    table: _Node = scan.root
    path: KeyPath = ()
    unclosed: list[_Node] = []
    while True:
        scan.take(_BLANK_AND_NEWLINES)
        opened = None
        if not unclosed:
            if scan.position >= len(scan.text):
                return
            if scan.at("["):
                table, path = _header(scan)
            else:
                opened = _key_and_value(scan, table, path)
        elif scan.at("]" if unclosed[-1].kind == "array" else "}"):
            scan.position += 1
            unclosed.pop()
        elif unclosed[-1].kind == "inline":
            opened = _key_and_value(scan, unclosed[-1], ())
        else:
            opened = _value(scan, unclosed[-1], len(unclosed[-1].children), scan.line())
        if opened is not None:
            unclosed.append(opened)
        elif unclosed:
            scan.take(_BLANK_AND_NEWLINES)
            if scan.at(","):
                scan.position += 1
            elif not scan.at("]" if unclosed[-1].kind == "array" else "}"):
                raise _NotToml
        else:
            scan.take(_BLANK)
            if scan.position < len(scan.text):
                scan.expect("\n")


@lru_cache(maxsize=4)
def _scanned(text: str) -> _Scan:
    scan = _Scan(text)
    try:
        _follow(scan)
    except _NotToml:
        scan.root = _Node(1, "table")
    return scan


def line_of(text: str, path: KeyPath) -> int | None:
    """Return the 1-based line on which a key stands: `line_of(text, ("protocol", "bout", 0, "start"))`.

    For an array of tables the path without an index is its first header, with an index the header of
    that table; an element of an array is where it begins. None where the key is not in the text, or
    where the text is not TOML.
    """
    node: _Node | int = _scanned(text).root
    if not path:
        return None
    for key in path:
        if isinstance(node, int) or key not in node.children:
            return None
        node = node.children[key]
    return node if isinstance(node, int) else node.line


def repeated_keys(text: str) -> tuple[RepeatedKey, ...]:
    """Return the keys and tables that a text gives twice (which TOML forbids), in their order."""
    return tuple(_scanned(text).repeated)
