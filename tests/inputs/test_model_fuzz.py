"""Model files that nobody would write: a ModelSpec or one of exsim's errors, in bounded time, never a crash.

200 examples a run; EXSIM_FUZZ_EXAMPLES takes more before a release. What ends the process (the
loaders are C++) fails the whole run, which is what it should do.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exsim.errors import ExsimError
from exsim.inputs.model_files import load_model
from exsim.inputs.shipped import shipped_folder
from exsim.model_spec import ModelSpec

EXAMPLES = int(os.environ.get("EXSIM_FUZZ_EXAMPLES", "200"))
#: The contract says 2 s; the type checks of this test room slow every call of exsim down.
MAX_CPU_S = 4.0
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

ANTIMONY = """function hill(x, K, n)
  x^n / (K^n + x^n)
end
model m
  unit time_unit = 3600 second; unit per_h = 1 / 3600 second
  compartment c = 2
  species S in c = 3, $B in c = 1
  substanceOnly species T in c = 0
  k = 0.5 per_h; K = 2; t_on = 1
  J: S -> 2 T; k * hill(S, K, 2) * c
  total := S + T / c
  y = total; y' = piecewise(k, time >= t_on && time < 2 * t_on, -k * y)
  E: at (time >= t_on), t0=false: T = T + 1, K = 3
end
"""
WORDS = st.sampled_from(
    [
        ";", "\n", "=", ":=", "'", "->", "=>", "-o", "(", ")", ",", "{", "}", "@", "$", "A:", ".", "*",
        "-", "^", "!", "at", "model", "end", "function", "compartment", "species", "substanceOnly",
        "unit", "has", "in", "is", "x", "const", "import", "time", "1e400", "k", "\\", "`", "é", "\x01",
        "%", "&&", "||", "piecewise", "delay", "//", "/*", "*/", "#", '"a"', "'b'", "S.sboTerm",
    ]
)  # fmt: skip
TAGS = st.sampled_from(
    [
        "<apply>", "</apply>", "<ci>x</ci>", "<cn>", "</cn>", "<bvar>", "<lambda>", "<piecewise>",
        "<piece>", "<times/>", "<delay/>", '<species id="S"/>', "<algebraicRule/>", "<event>", "</event>",
        "<notes>", "<annotation>", "<!DOCTYPE a>", "<![CDATA[", "]]>", "<?x?>", "<!--", "-->", "&lt;",
        "&", '"', "\x00", "é", 'id="k"', 'constant="true"', 'level="1"', 'level="2"', 'version="5"',
        'required="true"', "1e999", "NaN", 'xmlns:x="http://foo"',
    ]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, text: str, pieces: st.SearchStrategy[str]) -> str:
    """Return a text with up to eight pieces of it taken out, doubled, or replaced by something else."""
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.sampled_from([0, 0, 1, 1, 3, 20, 100])))
        kept = text[start:stop]
        new = draw(st.one_of(pieces, st.just(""), st.just(kept * 3), st.text(max_size=4)))
        text = text[:start] + new + text[stop:]
    return text


def survives(name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        started = time.process_time()
        try:
            model = load_model(path)
        except ExsimError as error:
            problems = getattr(error, "problems", ())
            lines = text.count("\n") + text.count("\r") + 1
            wrong = [
                p for p in problems if not p.message or (p.line is not None and not 1 <= p.line <= lines)
            ]
            model = None
        else:
            wrong = []
        assert not wrong
        assert model is None or isinstance(model, ModelSpec)
        assert time.process_time() - started < MAX_CPU_S


@FUZZ
@given(damaged(ANTIMONY, WORDS))
def test_damaged_antimony_gives_a_model_or_an_error(text: str) -> None:
    survives("m.ant", text)


SBML = (shipped_folder("models") / "two_compartment" / "model.xml").read_text(encoding="utf-8")


@FUZZ
@given(damaged(SBML, TAGS))
def test_damaged_sbml_gives_a_model_or_an_error(text: str) -> None:
    survives("m.xml", text)


@FUZZ
@given(st.text(max_size=300))
def test_any_text_gives_a_model_or_an_error(text: str) -> None:
    survives("m.ant", text)
    survives("m.xml", text)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b"\x00" * 100, b"<" * 1000, b"model m\n  x = 1" + b"\x80", b"\xef\xbb\xbf"]
)
@pytest.mark.parametrize("name", ["m.ant", "m.xml"])
def test_bytes_that_are_no_text_give_an_error(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ExsimError) as caught:
        load_model(tmp_path / name)
    assert caught.value.exit_code == 3
