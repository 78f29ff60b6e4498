"""The documentation is run: its commands, its Python, the output and the pictures that it shows.

What a page can hold, and how it is tried in an empty folder with copies of `configs/` and `models/`:

* ```toml NAME (or antimony, csv): a file that the reader writes; written under that name.
* ```console: after `$ `, `exsim ...`, `make TARGET`, `cp A B` or `echo $?`; then what is shown.
* ```python: run in the order of the page, in one namespace; a ```text block behind it is its output.
* ```sh: installing; not run, but its make targets must exist.
* `<!-- slow -->` before a block: run under the marker slow alone.
* `<!-- drawn -->` before a block or a picture, after that: of random draws, in which another processor rounds
  otherwise. Numbers within 25 %, a picture of the same size.
* `<!-- picture: PATH -->` before a picture: the file that the page's commands leave at PATH.

Shown output must agree word for word, numbers within 2 %; a line `...` stands for any lines, a last
word `...` for the rest of a line. `EXSIM_UPDATE_DOCS=1 pytest tests/test_docs.py -m ""` writes what
is shown, and the pictures, anew.
"""

from __future__ import annotations

import difflib
import io
import math
import os
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
UPDATE = os.environ.get("EXSIM_UPDATE_DOCS") == "1"
#: Numbers that are shown may differ by this share: far more than rounding, less than a reader would see.
TOLERANCE = 0.02
#: And these by this: what is known of some hundred draws.
OF_DRAWS = 0.25
#: A picture made by the same matplotlib may differ in this share of its pixels.
PIXELS = 1e-3

_FENCE = re.compile(
    r"^(?P<slow><!-- slow -->\n)?(?P<drawn><!-- drawn -->\n)?"
    r"```(?P<kind>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$",
    re.M | re.S,
)
_PICTURE = re.compile(
    r"^(?P<slow><!-- slow -->\n)?(?P<drawn><!-- drawn -->\n)?"
    r"(?:<!-- picture: (?P<made>\S+) -->\n)?!\[[^\]]*\]\((?P<file>[^)]+)\)",
    re.M,
)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page: its language, the name of the file it is, and where it stands."""

    kind: str
    name: str | None
    text: str
    slow: bool
    drawn: bool
    span: tuple[int, int]
    #: True if nothing but blank lines lies between the block before and this one.
    follows: bool


def _blocks(page: str) -> list[Block]:
    blocks: list[Block] = []
    for match in _FENCE.finditer(page):
        follows = bool(blocks) and not page[blocks[-1].span[1] + 3 : match.start()].strip()
        blocks.append(
            Block(
                kind=match["kind"],
                name=match["name"],
                text=match["text"],
                slow=match["slow"] is not None,
                drawn=match["drawn"] is not None,
                span=match.span("text"),
                follows=follows,
            )
        )
    return blocks


def _page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ---- what is shown against what is there ----------------------------------------------------------------


def _same_word(shown: str, found: str, tolerance: float) -> bool:
    try:
        return math.isclose(float(shown), float(found), rel_tol=tolerance)
    except ValueError:
        return shown == found


def _same_line(shown: str, found: str, tolerance: float = TOLERANCE) -> bool:
    wanted, words = shown.split(), found.split()
    if wanted and wanted[-1] == "..." and len(words) >= len(wanted) - 1:
        wanted, words = wanted[:-1], words[: len(wanted) - 1]
    return len(wanted) == len(words) and all(
        _same_word(word, other, tolerance) for word, other in zip(wanted, words, strict=True)
    )


def _difference(shown: str, found: str, tolerance: float = TOLERANCE) -> str:
    """Return the first line that is shown and not there, or ""."""
    lines, place, anywhere = found.strip("\n").split("\n"), 0, False
    for line in shown.strip("\n").split("\n"):
        if line.strip() == "...":
            anywhere = True
            continue
        matching = [
            number for number in range(place, len(lines)) if _same_line(line, lines[number], tolerance)
        ]
        if not matching or (not anywhere and matching[0] != place):
            return line or "(a blank line)"
        place, anywhere = matching[0] + 1, False
    return "" if anywhere or place == len(lines) else f"(nothing after line {place})"


def _renewed(shown: str, found: str) -> str:
    """Return what is shown with the numbers of what is there; lines left out stay left out."""
    if "..." not in shown.split():
        return found.strip("\n") + "\n" if found.strip() else ""
    lines, result = found.strip("\n").split("\n"), []
    for line in shown.strip("\n").split("\n"):
        alike = (
            difflib.get_close_matches(line, lines, n=1, cutoff=0.3) if line.strip() not in ("", "...") else []
        )
        exact = any(_same_line(line, other) for other in lines)
        cut = line.split()[-1:] == ["..."]
        result.append(alike[0] if alike and not exact and not cut else line)
    return "\n".join(result) + "\n"


# ---- running a page -------------------------------------------------------------------------------------


@contextmanager
def _as_a_new_process() -> Iterator[None]:
    """Put back what a command sets for its process: precision and the cache of compiled programs."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    names = (
        "jax_enable_x64",
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def _exsim(arguments: list[str]) -> tuple[int, str]:
    from exsim.cli import main

    terminal = io.StringIO()
    with _as_a_new_process(), redirect_stdout(terminal), redirect_stderr(terminal):
        code = main(arguments)
    return code, terminal.getvalue()


def _recipe(target: str) -> list[str]:
    """Return the exsim commands that a make target runs."""
    makefile = (ROOT / "Makefile").read_text()
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.M)
    assert rule, f"the Makefile has no target {target}"
    return [line.split("/exsim ", 1)[1] for line in rule[1].splitlines() if "/exsim " in line]


class _Page:
    """A page that is run from top to bottom in the current folder."""

    def __init__(self, path: Path, slow: bool) -> None:
        self.path, self.slow = path, slow
        self.text = path.read_text(encoding="utf-8")
        self.names: dict = {}
        self.code = 0
        self.changes: list[tuple[tuple[int, int], str]] = []

    def run(self) -> None:
        printed = ""
        for block in _blocks(self.text):
            if block.slow and not self.slow:
                printed = ""
            elif block.kind in ("toml", "antimony", "csv") and block.name:
                Path(block.name).parent.mkdir(parents=True, exist_ok=True)
                Path(block.name).write_text(block.text, encoding="utf-8")
            elif block.kind == "python":
                printed = self.run_python(block)
            elif block.kind == "text" and block.follows and printed:
                self.compare(block.span, block.text, printed, block.drawn)
            elif block.kind == "console":
                self.run_console(block)

    def run_python(self, block: Block) -> str:
        # Blank lines before the code: a traceback names the line of the page.
        line = self.text.count("\n", 0, block.span[0])
        script = Path(f"{self.path.stem}.md.py")
        script.write_text("\n" * line + block.text, encoding="utf-8")
        out = io.StringIO()
        with redirect_stdout(out):
            self.names.update(runpy.run_path(str(script), init_globals=self.names))
        script.unlink()
        return out.getvalue()

    def run_console(self, block: Block) -> None:
        parts = re.split(r"^\$ (.*)\n", block.text, flags=re.M)
        start = block.span[0] + len(parts[0])
        for command, shown in zip(parts[1::2], parts[2::2], strict=True):
            start += len(f"$ {command}\n")
            self.compare((start, start + len(shown)), shown, self.run_command(command), block.drawn)
            start += len(shown)
        assert self.code == 0, f"{block.text}\nends with exit code {self.code}, and echo $? does not show it"

    def run_command(self, command: str) -> str:
        words = shlex.split(command, comments=True)
        if words[:2] == ["echo", "$?"]:
            code, self.code = self.code, 0
            return f"{code}\n"
        assert self.code == 0, f"exit code {self.code} before: {command}"
        if words[0] == "cp":
            shutil.copy(words[1], words[2])
            return ""
        commands = [shlex.split(line) for line in _recipe(words[1])] if words[0] == "make" else [words[1:]]
        assert words[0] in ("make", "exsim"), f"{self.path.name}: cannot run {command}"
        output = ""
        for arguments in commands:
            self.code, printed = _exsim(arguments)
            output += printed
        return output

    def compare(self, span: tuple[int, int], shown: str, found: str, drawn: bool) -> None:
        if not shown.strip():
            return
        if UPDATE:
            self.changes.append((span, _renewed(shown, found)))
            return
        missing = _difference(shown, found, OF_DRAWS if drawn else TOLERANCE)
        line = self.text.count("\n", 0, span[0]) + 1
        assert not missing, f"{_page_id(self.path)}:{line} shows\n{missing}\nand it is now\n{found}"

    def pictures(self) -> None:
        for match in _PICTURE.finditer(self.text):
            file = self.path.parent / match["file"]
            if match["made"] and (self.slow or not match["slow"]):
                if UPDATE:
                    shutil.copyfile(match["made"], file)
                most = 0.5 if match["drawn"] else PIXELS
                assert _pixels_that_differ(file, Path(match["made"])) <= most, f"{file.name} is out of date"
            assert file.is_file(), f"{_page_id(self.path)} shows {match['file']}, which is not there"

    def rewrite(self) -> None:
        for (start, end), new in sorted(self.changes, reverse=True):
            self.text = self.text[:start] + new + self.text[end:]
        self.path.write_text(self.text, encoding="utf-8")


def _pixels_that_differ(kept: Path, made: Path) -> float:
    """Return the share of pixels that differ plainly; 0 where another matplotlib drew the kept picture."""
    from PIL import Image

    with Image.open(kept) as first, Image.open(made) as second:
        if first.info.get("Software") != second.info.get("Software"):
            return 0.0
        a, b = (np.asarray(image.convert("L"), dtype=int) for image in (first, second))
    return 1.0 if a.shape != b.shape else float(np.mean(np.abs(a - b) > 64))


_HAS_SLOW = [page for page in PAGES if "<!-- slow -->" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    ("page", "slow"),
    [
        *(pytest.param(page, False, id=_page_id(page)) for page in PAGES),
        *(
            pytest.param(page, True, id=f"{_page_id(page)} in full", marks=pytest.mark.slow)
            for page in _HAS_SLOW
        ),
    ],
)
def test_a_page_does_what_it_shows(
    page: Path,
    slow: bool,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for folder in ("configs", "models"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("EXSIM_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "compiled"))
    trial = _Page(page, slow)
    trial.run()
    trial.pictures()
    if UPDATE:
        trial.rewrite()


# ---- nothing is left out, nothing leads nowhere ----------------------------------------------------------


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, heading = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{target} is not there"
        assert path.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert not heading or heading in _anchors(path), f"{target}: no such heading"


def test_the_readme_leads_to_every_page() -> None:
    targets = _LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {_page_id(page) for page in PAGES} - {"README.md"} <= set(targets)


def _help(*command: str) -> str:
    return _exsim([*command, "--help"])[1]


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (\w+) ", _help(), re.M)
    assert len(commands) >= 5
    for command in commands:
        section = re.search(rf"^## `exsim {command}\b.*?(?=^## |\Z)", text, re.M | re.S)
        assert section, f"docs/commands.md has no section on exsim {command}"
        for option in set(re.findall(r"--[a-z]+", _help(command))) - {"--help"}:
            common = re.search(r"^## Options of every command.*?(?=^## |\Z)", text, re.M | re.S)
            assert common
            assert f"`{option}" in section[0] + common[0], f"exsim {command} {option} is not documented"


def test_make_targets_and_files_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"(?:^\$ |^|`)make ([a-z-]+)", text, re.M):
            assert re.search(rf"^{target}:", makefile, re.M), f"{page.name}: make {target}"
        for file in re.findall(r"`((?:configs|models|src|tests|docs|benchmarks|schema)/[\w./-]+)`", text):
            assert (ROOT / file).exists(), f"{page.name}: {file}"


def test_what_is_shown_is_held_against_what_is_there() -> None:
    found = "a 1.00 b\nIL6 79.3 pg/mL\nend 3"
    assert _difference("...\nIL6 79.9 pg/mL\n...", found) == ""
    assert _difference("a 1.01 ...\n...\nend 3", found) == ""
    assert _difference("...\nIL6 84 pg/mL\n...", found) == "IL6 84 pg/mL"
    assert _difference("a 1.00 b\nend 3", found) == "end 3"
    assert _difference("a 1.00 b", found) == "(nothing after line 1)"
    assert _difference("...\nIL6 84 pg/mL\n...", found, OF_DRAWS) == ""
    assert _renewed("...\nIL6 84 pg/mL\n...", found) == "...\nIL6 79.3 pg/mL\n...\n"
