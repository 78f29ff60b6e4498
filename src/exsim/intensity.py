"""What a bout's intensity means: every way to write it becomes one fraction.

The fraction is of VO2max for whole-body exercise, of Wmax for knee extension and of one
repetition maximum (1RM) for resistance exercise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ConfigError, Problem, UnitError, did_you_mean
from .spec import TALK_TEST_FRACTION_OF_VO2MAX, BoutSpec, SubjectSpec
from .units import Quantity, factor

#: Oxygen uptake at rest, one metabolic equivalent (ACSM, Guidelines for Exercise Testing and Prescription).
RESTING_OXYGEN_UPTAKE = Quantity(3.5, "mL/kg/min")
#: A heart rate above this is impossible.
MAX_HEART_RATE = Quantity(250.0, "1/min")

#: What "80 %..." may be a share of, by the word after the sign.
SHARES = {
    "vo2max": "VO2max",
    "vo2peak": "VO2max",
    "hrr": "HRR",
    "vo2r": "HRR",
    "hrmax": "HRmax",
    "wmax": "Wmax",
    "1rm": "1RM",
}
_ACCEPTED = (
    'accepted: 0.8, "80 %VO2max", "75 %HRR", "150 beats/min", "40 %Wmax", "70 %1RM", '
    '"low", "moderate", "high"'
)
#: Words of other scales for the same classes.
_OTHER_WORDS = {"light": "low", "easy": "low", "vigorous": "high", "hard": "high", "medium": "moderate"}
_SHARE = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*%\s*([A-Za-z0-9]{2,10})")


@dataclass(frozen=True)
class _Meaning:
    """A number and what it is a share of; "fraction" for a bare number, "bpm" for a heart rate."""

    value: float
    of: str


def _fail(message: str, hint: str | None = None) -> ConfigError:
    return ConfigError(Problem(message, key="intensity", hint=hint))


def _read(intensity: float | str) -> _Meaning:
    if not isinstance(intensity, str):
        return _Meaning(float(intensity), "fraction")
    text = intensity.strip()
    if text.lower() in TALK_TEST_FRACTION_OF_VO2MAX:
        return _Meaning(TALK_TEST_FRACTION_OF_VO2MAX[text.lower()], "VO2max")
    share = _SHARE.fullmatch(text) if len(text) < 60 else None
    if share is not None and share[2].lower() in SHARES:
        return _Meaning(float(share[1]) / 100, SHARES[share[2].lower()])
    if share is not None:
        hint = did_you_mean(share[2], sorted(set(SHARES.values())))
        raise _fail(f'"{text}": unknown reference "%{share[2]}"', hint)
    if re.fullmatch(r"[A-Za-z_ ]{1,20}", text):
        meant = _OTHER_WORDS.get(text.lower())
        hint = did_you_mean(text, list(TALK_TEST_FRACTION_OF_VO2MAX))
        raise _fail(f'unknown word "{text}"', f'Did you mean "{meant}"?  {hint}' if meant else hint)
    squeezed = _SHARE.fullmatch(re.sub(r"[\s_.]", "", text)) if len(text) < 60 else None
    if squeezed is not None and "%" in text and squeezed[2].lower() in SHARES:
        number = text.partition("%")[0].strip()
        raise _fail(f'"{text}" is not an intensity', f'write "{number} %{SHARES[squeezed[2].lower()]}"')
    return _Meaning(_heart_rate(text), "bpm")


def _heart_rate(text: str) -> float:
    try:
        quantity = Quantity.parse(text)
    except UnitError as error:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise _fail(f'"{shown}" is not an intensity', _ACCEPTED) from error
    if quantity.unit == "%":
        raise _fail(f'"{text}" does not say of what', 'write e.g. "80 %VO2max" or "75 %HRR"')
    try:
        factor(quantity.unit, "W")
    except UnitError:
        pass
    else:
        hint = 'write it as a share of the maximum: "80 %VO2max", or "40 %Wmax" for knee extension'
        raise _fail(f'"{text}" is a power: exsim does not know the maximal power of the subject', hint)
    try:
        rate = quantity.to("1/min")
    except UnitError as error:
        raise _fail(
            f'"{text}" is not an intensity: {error.problems[0].message.split(",")[0]}', _ACCEPTED
        ) from error
    if not 0 < rate <= MAX_HEART_RATE.magnitude:
        raise _fail(f'"{text}" is an impossible heart rate', f"between 0 and {MAX_HEART_RATE} beats")
    return rate


def _given(subject: SubjectSpec, intensity: float | str, *names: str) -> list[Quantity]:
    missing = [f"subject.{name}" for name in names if getattr(subject, name) is None]
    if missing:
        examples = {
            "subject.vo2max": 'vo2max = "55 mL/kg/min"',
            "subject.resting_heart_rate": 'resting_heart_rate = "55 beats/min"',
            "subject.maximal_heart_rate": 'maximal_heart_rate = "190 beats/min"',
        }
        raise _fail(
            f'"{intensity}" needs {" and ".join(missing)}',
            "write under [subject], e.g. " + ", ".join(examples[name] for name in missing),
        )
    return [getattr(subject, name) for name in names]


def _from_reserve(fraction: float, bout: BoutSpec, subject: SubjectSpec) -> float:
    """Return the fraction of VO2max that is a fraction of the reserve between rest and maximum.

    VO2 = rest + fraction (max - rest), rest 3.5 mL/kg/min; %HRR equals %VO2 reserve (Swain & Leutholtz
    1997, Med Sci Sports Exerc 29:410).
    """
    (maximum,) = _given(subject, bout.intensity, "vo2max")
    rest, most = RESTING_OXYGEN_UPTAKE.magnitude, maximum.to("mL/kg/min")
    if most <= rest:
        raise _fail(f"subject.vo2max is {maximum}, not above the uptake at rest, {RESTING_OXYGEN_UPTAKE}")
    return (rest + fraction * (most - rest)) / most


def _reserve_of_heart_rate(rate: float, bout: BoutSpec, subject: SubjectSpec) -> float:
    resting, maximal = _given(subject, bout.intensity, "resting_heart_rate", "maximal_heart_rate")
    low, high = resting.to("1/min"), maximal.to("1/min")
    if low >= high:
        raise _fail(f"subject.resting_heart_rate ({resting}) is not below maximal_heart_rate ({maximal})")
    if not low <= rate <= high:
        raise _fail(
            f'"{bout.intensity}" lies outside the heart rates of the subject',
            f"between {resting} and {maximal}",
        )
    return (rate - low) / (high - low)


def intensity_fraction(bout: BoutSpec, subject: SubjectSpec) -> float:
    """Return a bout's intensity as a fraction: of VO2max, of Wmax (knee extension) or of 1RM (resistance).

    A heart rate becomes a fraction of the heart-rate reserve, which is taken as the same fraction of the
    VO2 reserve. Raises ConfigError, with key "intensity", where the text is no intensity, does not fit the
    modality, is impossible (below 0 or above 100 %), or needs values of the subject that are missing.
    """
    meaning = _read(bout.intensity)
    own = {"knee_extension": "Wmax", "resistance": "1RM"}.get(bout.modality)
    shown = f'"{bout.intensity}"' if isinstance(bout.intensity, str) else f"{bout.intensity:g}"
    if own is not None and meaning.of not in ("fraction", own):
        raise _fail(
            f"{shown} does not fit {bout.modality}", f'write a share of its own maximum, e.g. "40 %{own}"'
        )
    if own is None and meaning.of in ("Wmax", "1RM"):
        needed = {"Wmax": "knee_extension", "1RM": "resistance"}[meaning.of]
        raise _fail(
            f"{shown} is for {needed}, not for {bout.modality}", 'write e.g. "80 %VO2max" or "75 %HRR"'
        )
    if meaning.of != "bpm" and not 0.0 <= meaning.value <= 1.0:
        hint = f"write {meaning.value / 100:g} for {meaning.value:g} %" if 2 <= meaning.value <= 100 else None
        if meaning.of != "fraction":
            hint = None
        raise _fail(f"{shown} lies outside 0 to 100 % of the maximum", hint)
    fraction = meaning.value
    if meaning.of == "HRmax":
        (maximal,) = _given(subject, bout.intensity, "maximal_heart_rate")
        fraction = _reserve_of_heart_rate(meaning.value * maximal.to("1/min"), bout, subject)
    elif meaning.of == "bpm":
        fraction = _reserve_of_heart_rate(meaning.value, bout, subject)
    return _from_reserve(fraction, bout, subject) if meaning.of in ("HRR", "HRmax", "bpm") else fraction
