"""The bytes of a config -> checked text -> plain TOML values, and the place of every key in it."""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, Problem
from .shipped import shipped_configs, shipped_models
from .toml_lines import KeyPath, line_of, repeated_keys

#: A config is a page of text: more than this is something else (bytes).
MAX_CONFIG_BYTES = 1_000_000
# tomllib takes time in proportion to the square of the parts of one dotted key.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_MANY_PARTS = re.compile(rf"(?<![\w.-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{64}}")
# Tables whose keys are the model's names, which may be digits.
_FREE_TABLES = ("parameter", "baseline")
_KEY_PART = r'(?:"[^"]+"|[^."\s][^."]*)'
_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")
_QUOTES = 'text stands in quotes, and so does a number with a unit: model = "il6_axis", duration = "60 min"'


@dataclass(frozen=True)
class Override:
    """One `--set KEY=VALUE`: as written, and the key that it replaces."""

    text: str
    path: KeyPath


@dataclass(frozen=True)
class ConfigSource:
    """A config file as read: name, text, hash, what was repaired, and what `--set` replaced."""

    file: str
    text: str
    sha256: str
    repairs: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()

    def problem(self, message: str, path: KeyPath = (), hint: str | None = None) -> Problem:
        """Return a problem with its place: the override that gave the value, or file and line.

        A key that is missing has the line of the table in which it belongs.
        """
        key = ".".join(str(part) for part in path) or None
        inside = [
            item.text for item in self.overrides if item.path[: len(path)] == path and item.path != path
        ]
        for override in reversed(self.overrides):
            if path[: len(override.path)] == override.path:
                return Problem(message, f"--set {override.text}", None, key, hint)
        if inside and path:
            message += f" (with --set {', --set '.join(inside)})"
        line = None
        for length in range(len(path), 0, -1):
            line = line_of(self.text, path[:length])
            if line is not None:
                break
        return Problem(message, self.file, line, key, hint)


def read_source(path: Path) -> ConfigSource:
    """Read the text of a config. Raises ConfigError for a file that is missing, huge or not UTF-8."""
    file = str(path)
    try:
        if not path.is_file():
            raise ConfigError(Problem(*_no_file(path)))
        with path.open("rb") as stream:
            raw = stream.read(MAX_CONFIG_BYTES + 1)
        size = max(path.stat().st_size, len(raw))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(Problem(f"cannot be read: {reason}", file)) from error
    if size > MAX_CONFIG_BYTES:
        hint = "a config is a page of TOML; is this a data file?"
        raise ConfigError(
            Problem(f"{size:,} bytes: a config has at most {MAX_CONFIG_BYTES:,}", file, hint=hint)
        )
    repairs = []
    text = _decoded(raw, file)
    if text.startswith("\ufeff"):
        text = text[1:]
        repairs.append("byte order mark taken off")
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        repairs.append("line ends CRLF read as LF")
    return ConfigSource(file, text, hashlib.sha256(raw).hexdigest(), tuple(repairs))


def _no_file(path: Path) -> tuple[str, str, None, None, str | None]:
    if path.is_dir():
        return "is a folder, not a config file", str(path), None, None, "name a .toml file in it"
    if path.exists():
        return "is not a regular file", str(path), None, None, None
    from ..errors import nearest

    beside = sorted(item.name for item in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    match = nearest(path.name, beside)
    hint = f'Did you mean "{path.parent / match}"?' if match else None
    if hint is None and path.name == str(path):
        hint = _hint_for_name(str(path))
    return "there is no such file", str(path), None, None, hint


def _hint_for_name(name: str) -> str:
    from ..errors import nearest

    if name in shipped_models():
        return f'"{name}" is a model: name a config with model = "{name}" in it, or see exsim models {name}'
    known = sorted({Path(item).stem for item in shipped_configs()})
    match = nearest(name, known) or nearest(name, shipped_models())
    guess = f'Did you mean "{match}"?  ' if match else ""
    return f"{guess}(shipped: {', '.join(known)}; or give a path)"


def _decoded(raw: bytes, file: str) -> str:
    save = "save the file as UTF-8"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(
            Problem("the file is in UTF-16 (it starts with its byte order mark)", file, hint=save)
        )
    if b"\x00" in raw[:1000]:
        raise ConfigError(
            Problem("the file holds zero bytes: it is in UTF-16 or is not text", file, hint=save)
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8"
        guess = raw[error.start : error.start + 1].decode("latin-1")
        hint = f'the file is probably in Latin-1 or Windows-1252, where that byte is "{guess}"; {save}'
        raise ConfigError(Problem(found, file, line, hint=hint)) from error


def parse(source: ConfigSource) -> dict[str, Any]:
    """Return the values of a config. Raises ConfigError with file and line where it is not TOML."""
    many = _MANY_PARTS.search(source.text)
    if many is not None:
        line = source.text.count("\n", 0, many.start()) + 1
        raise ConfigError(Problem("a key of more than 64 parts", source.file, line))
    try:
        values = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_problems(source, str(error))) from error
    except RecursionError as error:
        raise ConfigError(Problem("arrays or tables are nested too deeply", source.file)) from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise ConfigError(Problem(f"a value cannot be read: {error}", source.file)) from error
    twins = [
        source.problem(f'"{key}" and another key differ only by Unicode normal form', path)
        for path, key in _unicode_twins(values)
    ]
    if twins:
        raise ConfigError(twins)
    return values


def _syntax_problems(source: ConfigSource, message: str) -> list[Problem]:
    position = _POSITION.search(message)
    what = _POSITION.sub("", message).replace(" (at end of document)", " at the end of the file")
    if message.startswith(("Cannot overwrite", "Cannot declare")):
        repeats = repeated_keys(source.text)
        if repeats:
            return [
                Problem(
                    f"given twice (first on line {repeat.first_line})",
                    source.file,
                    repeat.line,
                    ".".join(str(part) for part in repeat.path),
                    "keep one of them",
                )
                for repeat in repeats
            ]
    lines = source.text.split("\n")
    number = int(position[1]) if position else len(lines)
    column = f"column {position[2]}: " if position else ""
    line = lines[number - 1].strip() if number <= len(lines) else ""
    shown = line if len(line) <= 100 else line[:97] + "..."
    quoted = (
        f"\n    {shown.encode('unicode_escape').decode() if not shown.isprintable() else shown}"
        if shown
        else ""
    )
    hint = _QUOTES if what.startswith(("Invalid value", "Expected newline or end")) else None
    return [Problem(f"not TOML: {column}{what}{quoted}", source.file, number, hint=hint)]


def _unicode_twins(values: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    stack: list[tuple[KeyPath, Any]] = [((), values)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, list):
            stack.extend(
                ((*path, index), item) for index, item in enumerate(value) if isinstance(item, dict | list)
            )
        elif isinstance(value, dict):
            seen: set[str] = set()
            for key, item in value.items():
                plain = unicodedata.normalize("NFC", key)
                if plain in seen:
                    yield (*path, key), key
                seen.add(plain)
                if isinstance(item, dict | list):
                    stack.append(((*path, key), item))


# ---- --set -------------------------------------------------------------------------------------------


def apply_overrides(
    source: ConfigSource, values: dict[str, Any], overrides: Sequence[str]
) -> tuple[ConfigSource, dict[str, Any], list[Problem]]:
    """Return source and values with `--set` strings applied in their order, and what is wrong with these.

    `protocol.bout.0.duration=4 h` replaces one value; a value is read as TOML, and as text where it is
    not TOML.
    """
    problems: list[Problem] = []
    done: list[Override] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        parts = _override_keys(key.strip())
        if not equals or not parts:
            hint = "write e.g. --set protocol.bout.0.duration='4 h'"
            problems.append(Problem("is not KEY=VALUE", f"--set {text}", hint=hint))
            continue
        changed = _replaced(values, parts, _override_value(value.strip()))
        if isinstance(changed, str):
            problems.append(Problem(changed, f"--set {text}", key=key.strip()))
            continue
        values, path = changed
        done.append(Override(text, path))
    return replace(source, overrides=tuple(done)), values, problems


def _override_keys(key: str) -> list[str]:
    if not re.fullmatch(rf"{_KEY_PART}(?:\.{_KEY_PART})*", key):
        return []
    parts = [part.strip('"').strip() for part in re.findall(_KEY_PART, key)]
    # Parameter ids may hold dots ("R1.k"): all that follows belongs to the id.
    for table in (["parameter"], ["subject", "baseline"]):
        if parts[: len(table)] == table and len(parts) > len(table) + 1:
            return [*table, ".".join(parts[len(table) :])]
    return parts


def _override_value(text: str) -> Any:
    if len(text) < 10_000:
        try:
            read = tomllib.loads(f"value = {text}")
            if list(read) == ["value"]:
                return read["value"]
        except (ValueError, RecursionError):
            pass
    return text


def _replaced(values: Any, parts: list[str], new: Any) -> tuple[Any, KeyPath] | str:
    # Copies what it changes: the values of the file stay as they were read.
    if not parts:
        return new, ()
    part = parts[0]
    if isinstance(values, list):
        if not part.isascii() or not part.isdigit() or int(part) >= len(values):
            count = (
                f"there are {len(values)}, numbered from 0" if len(values) > 1 else "there is one, entry 0"
            )
            count = count if values else "there are none"
            return f'no entry "{part}": {count}'
        inner = _replaced(values[int(part)], parts[1:], new)
        if isinstance(inner, str):
            return inner
        index = int(part)
        return [*values[:index], inner[0], *values[index + 1 :]], (index, *inner[1])
    if not isinstance(values, dict):
        return f'"{part}" is asked for inside a plain value'
    if part not in values and len(parts) > 1 and parts[1].isdigit() and part not in _FREE_TABLES:
        return f'no entry "{parts[1]}": there are none'
    inner = _replaced(values.get(part, {} if len(parts) > 1 else None), parts[1:], new)
    return inner if isinstance(inner, str) else ({**values, part: inner[0]}, (part, *inner[1]))
