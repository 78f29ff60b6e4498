"""Plain values -> TOML text: what of a config stands in a file, and in the report of a run."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(table: dict[str, Any]) -> str:
    """Return a table of plain values, without None in it, as TOML."""
    lines: list[str] = []
    _write_table(lines, (), table)
    return "\n".join(lines).strip() + "\n"


def _write_table(lines: list[str], path: tuple[str, ...], table: dict[str, Any]) -> None:
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    arrays = {key: value for key, value in table.items() if _is_table_array(value)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if _is_line(path, value)]
    for key, value in tables.items():
        if any(_is_line((*path, key), item) for item in value.values()):
            lines += ["", f"[{_header((*path, key))}]"]
        _write_table(lines, (*path, key), value)
    for key, rows in arrays.items():
        for row in rows:
            lines += ["", f"[[{_header((*path, key))}]]"]
            lines += [f"{_key(name)} = {_value(value)}" for name, value in row.items()]


def _is_line(path: tuple[str, ...], value: Any) -> bool:
    # What is no table, and no list of bouts or doses without one.
    is_table = isinstance(value, dict) or _is_table_array(value)
    return not is_table and not (value == [] and path == ("protocol",))


def _is_table_array(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _header(path: tuple[str, ...]) -> str:
    return ".".join(_key(key) for key in path)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}"
    return repr(value)
