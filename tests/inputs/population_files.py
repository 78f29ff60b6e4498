"""A config of people who differ, with its tables, in parts that a test can exchange."""

from __future__ import annotations

from pathlib import Path

from exsim.api import SampleStudy, read_sample

from .fit_files import DATA, RACE, fit_text, table_text, write

BIKE = '[[condition]]\nname = "bike"\nprotocol = "cycling_60min"\n'
FREE_FOUR = '[fit]\nfree = ["release_gain", "CL_IL6", "subject.baseline.IL6", "V_IL6"]\n'
PEOPLE_OF = '[population]\nsubjects = "people.csv"\n'
RELEASE = '[[population.effect]]\nparameter = "release_gain"\n'
CLEARANCE = '[[population.effect]]\nparameter = "CL_IL6"\n'
#: R02 comes first, and the first condition is not that of the first row.
MEASURED = table_text(
    "R02,bike,0,h,IL6,1,pg/mL",
    "R02,race,end,h,IL6,81,pg/mL",
    "R01,race,end,h,IL6,71,pg/mL",
    "R03,race,end,h,IL6,90,pg/mL",
    "R03,bike,end,h,IL6,4,pg/mL",
    "R01,bike,end,h,IL6,3,pg/mL",
    "R02,bike,end,h,IL6,3,pg/mL",
)
PEOPLE = "subject,body_mass [kg],sex,age,place\nR01,60,f,30,1\nR02,75,m,25,1\nR03,80,m,44,0\nR09,99,m,70,0\n"


def covariate(name: str, on: str, *keys: str) -> str:
    """Return the text of a covariate."""
    return "\n".join([f'[[population.covariate]]\nname = "{name}"\non = "{on}"', *keys]) + "\n"


def response(name: str, analyte: str, *keys: str) -> str:
    """Return the text of a class of responses, below a fold of 20 where no key says otherwise."""
    head = f'[[population.class]]\nname = "{name}"\nanalyte = "{analyte}"'
    return "\n".join([head, *(keys or ["below = 20"])]) + "\n"


BOTH = PEOPLE_OF + RELEASE + CLEARANCE
MASS = covariate("body_mass", "release_gain")


def population_text(
    population: str = BOTH + MASS, fit: str = FREE_FOUR, condition: str = RACE + BIKE, data: str = DATA
) -> str:
    """Return the text of a config of people in two conditions."""
    return fit_text(data=data, condition=condition, fit=fit + population)


def write_all(folder: Path, text: str, people: str | bytes | None = PEOPLE, table: str = MEASURED) -> Path:
    """Write a config, its measurements and its people into a folder; return the path of the config."""
    path = write(folder, text, table)
    if people is not None:
        (folder / "people.csv").write_bytes(people if isinstance(people, bytes) else people.encode())
    return path


def read_all(folder: Path, text: str, people: str = PEOPLE, table: str = MEASURED) -> SampleStudy:
    """Write a config and its tables, and read them."""
    return read_sample(write_all(folder, text, people, table))
