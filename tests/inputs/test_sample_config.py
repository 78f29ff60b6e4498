"""[sample] of a config for a fit, and what a sampler wants of it that a search does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exsim.api import read_fit, read_sample
from exsim.cli import main
from exsim.errors import ConfigError
from exsim.fit_problem import SampleSettings, SearchSettings
from exsim.inputs.config import is_sample_config, read_fit_config, to_toml

from .fit_files import FREE, HEADER, IL6, fit_text, line_of, table_text, write

SAMPLE = "[sample]\n"
_NORMAL = '[[observable]]\nanalyte = "IL6"\nnoise = "normal"\n'
BLANK = _NORMAL + 'sd = 2.0\nbatch = "factor and offset"\n'
NPX = _NORMAL + "sd = 0.3\n"
_RELEASE = '[[fit.parameter]]\nname = "release_gain"\n'


def test_what_the_config_does_not_say_is_as_in_the_settings(tmp_path: Path) -> None:
    study = read_sample(write(tmp_path, fit_text()))
    assert study.settings == SampleSettings(SearchSettings())
    assert study.population is None
    assert study.seed is None


def test_what_the_config_says_becomes_settings(tmp_path: Path) -> None:
    said = "chains = 4\nwarmup = 100\ndraws = 200\ntarget_acceptance = 0.9\nmax_depth = 8\n"
    said += "stress = 50\nseed = 3\n"
    text = fit_text(fit=FREE + 'starts = 7\nbudget = "2 min"\nseed = 5\n' + SAMPLE + said)
    study = read_sample(write(tmp_path, text), ["sample.draws=300"])
    search = SearchSettings(starts=7, budget_s=120.0, seed=5)
    assert study.settings == SampleSettings(search, 4, 100, 300, 0.9, 8, 3, 50)


@pytest.mark.parametrize(
    ("head", "fit", "sample", "seed", "of_search"),
    [
        ("seed = 1\n", "seed = 2\n", "seed = 3\n", 3, 2),
        ("seed = 1\n", "seed = 2\n", "", 1, 2),
        ("seed = 1\n", "", "", 1, 1),
        ("", "seed = 2\n", "", 2, 2),
        ("", "", "seed = 0\n", 0, 0),
    ],
)
def test_the_seed_of_sampling_goes_before_that_of_the_config_and_that_before_the_fit(
    head: str, fit: str, sample: str, seed: int, of_search: int, tmp_path: Path
) -> None:
    study = read_sample(write(tmp_path, fit_text(head=head, fit=FREE + fit + SAMPLE + sample)))
    assert (study.seed, study.settings.seed, study.settings.search.seed) == (seed, seed, of_search)


def test_a_seed_that_was_drawn_is_that_of_search_and_chains(tmp_path: Path) -> None:
    study = read_sample(write(tmp_path, fit_text())).with_seed(11)
    assert (study.seed, study.settings.seed, study.settings.search.seed) == (11, 11, 11)


def test_a_fit_passes_sample_over(tmp_path: Path) -> None:
    plain = read_fit(write(tmp_path, fit_text()))
    study = read_fit(write(tmp_path, fit_text(fit=FREE + SAMPLE + "chains = 2\n")))
    assert study.problem.free == plain.problem.free
    assert study.warnings == plain.warnings


def test_a_config_with_sample_written_as_toml_and_read_again_is_equal(tmp_path: Path) -> None:
    path = write(tmp_path, fit_text(fit=FREE + SAMPLE + "chains = 2\ntarget_acceptance = 0.9\n"))
    assert is_sample_config(path)
    spec = read_fit_config(path).spec
    (tmp_path / "again.toml").write_text(to_toml(spec), encoding="utf-8")
    assert read_fit_config(tmp_path / "again.toml").spec == spec


def test_numbers_that_outnumber_the_data_may_be_flat_between_bounds(tmp_path: Path) -> None:
    text = fit_text(fit='[fit]\nfree = ["release_gain", "CL_IL6"]\n' + _RELEASE + 'prior = "none"\n')
    path = write(tmp_path, text, table_text("R01,race,end,h,IL6,81,pg/mL"))
    with pytest.raises(ConfigError, match="2 numbers are free, and 1 datum tells of them"):
        read_fit(path)
    (warning,) = read_sample(path).warnings
    assert "2 numbers are free, and 1 datum tells of them: what the data do not tell" in warning


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        (fit_text(fit=FREE + SAMPLE + "chains = 0\n"), "chains", ("out of range", "at least 1")),
        (fit_text(fit=FREE + SAMPLE + "warmup = 0\n"), "warmup", ("out of range", "at least 1")),
        (fit_text(fit=FREE + SAMPLE + "draws = 3\n"), "draws", ("out of range", "at least 4")),
        (fit_text(fit=FREE + SAMPLE + "stress = 1\n"), "stress", ("out of range", "at least 2")),
        (fit_text(fit=FREE + SAMPLE + "max_depth = 16\n"), "max_depth", ("out of range", "at most 15")),
        (
            fit_text(fit=FREE + SAMPLE + 'sampler = "chees"\nchains = 4\n'),
            "[sample]",
            ('4 chains are too few for sampler = "chees"', "give it 8 or more"),
        ),
        (fit_text(fit=FREE + SAMPLE + 'sampler = "cheese"\n'), "sampler", ('"cheese"', "chees")),
        (
            fit_text(fit=FREE + SAMPLE + "target_acceptance = 1.0\n"),
            "target_acceptance",
            ("out of range", "at most 0.999"),
        ),
        (fit_text(fit=FREE + SAMPLE + "seed = -1\n"), "seed", ("out of range", "at least 0")),
        (
            fit_text(fit=FREE + SAMPLE + "chain = 4\n"),
            "chain =",
            ('unknown key "chain"', 'Did you mean "chains"?'),
        ),
        # ---- priors
        (
            fit_text(fit=FREE + _RELEASE + 'scale = "logit"\nprior = "none"\n' + SAMPLE),
            'name = "release_gain"',
            ("release_gain is flat on a logit scale without an end", "write a prior under [[fit.parameter]]"),
        ),
        # ---- batches
        (
            fit_text(observable=BLANK, fit=FREE + SAMPLE),
            "batch",
            (
                "the best factor and offset of a batch are worked out",
                'write noise = "lognormal" and batch = "factor"',
            ),
        ),
    ],
)
def test_what_cannot_be_sampled_is_said_with_line_and_way_out(
    text: str,
    part: str,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    units = table_text(
        *(f"R0{n},race,end,h,IL6,{80 + n},AU,p1" for n in range(1, 5)), header=HEADER + ",batch"
    )
    path = write(tmp_path, text, units if "batch" in text else None)
    assert main(["check", str(path)]) == 3
    printed = capsys.readouterr().out
    for word in words:
        assert word in printed, printed
    assert re.search(rf"^{re.escape(str(path))}:{line_of(text, part)}\s", printed, re.MULTILINE), printed


def test_a_flat_logit_and_a_blank_may_be_fitted_and_are_refused_together_by_a_sampler(tmp_path: Path) -> None:
    text = fit_text(
        observable=BLANK,
        fit=FREE + _RELEASE + 'scale = "logit"\nprior = "none"\n',
    )
    rows = [f"R0{n},race,end,h,IL6,{80 + n},AU,p1" for n in range(1, 5)]
    path = write(tmp_path, text, table_text(*rows, header=HEADER + ",batch"))
    read_fit(path)
    with pytest.raises(ConfigError) as caught:
        read_sample(path)
    assert len(caught.value.problems) == 2


def test_a_prior_makes_a_logit_proper(tmp_path: Path) -> None:
    fit = FREE + _RELEASE + 'scale = "logit"\nprior = "uniform"\n'
    (number,) = read_sample(write(tmp_path, fit_text(fit=fit))).problem.free
    assert (number.scale, number.prior is not None) == ("logit", True)


def test_factors_of_studies_are_sampled(tmp_path: Path) -> None:
    rows = ("R01,race,end,h,IL6,81,fold,p1", "R02,race,end,h,IL6,71,fold,p2")
    table = table_text(*rows, header=HEADER + ",batch")
    study = read_sample(write(tmp_path, fit_text(fit=FREE + "study_sd = 0.4\n"), table))
    assert [item.name for item in study.problem.free] == ["release_gain", "scale[p1]", "scale[p2]"]


@pytest.mark.parametrize(("unit", "mode"), [("fold", "factor"), ("NPX", "offset")])
def test_factors_of_batches_are_sampled(unit: str, mode: str, tmp_path: Path) -> None:
    rows = [f"R0{n},race,end,h,IL6,{5 + n},{unit},p{2 - n % 2}" for n in (1, 2, 3)]
    noise = IL6 if unit == "fold" else NPX
    text = fit_text(observable=f'{noise}batch = "{mode}"\n')
    path = write(tmp_path, text, table_text(*rows, header=HEADER + ",batch"))
    problem = read_sample(path).problem
    assert [item.name for item in problem.free[1:]] == ["scale[IL6, p1]", "scale[IL6, p2]"]
    assert problem.rows.factor.tolist() == [1, 2, 1]
    assert (problem.rows.batch == -1).all()
    assert problem.observables[0].batch is None
    # A fit works them out, as before.
    assert len(read_fit(path).problem.free) == 1


def test_a_sampler_for_many_chains_has_many(tmp_path: Path) -> None:
    settings = read_sample(write(tmp_path, fit_text(fit=FREE + SAMPLE + 'sampler = "chees"\n'))).settings
    assert (settings.sampler, settings.chains, settings.draws) == ("chees", 32, 250)
    assert settings.target_acceptance == 0.651
    text = fit_text(fit=FREE + SAMPLE + 'sampler = "chees"\nchains = 64\n')
    assert read_sample(write(tmp_path, text)).settings.chains == 64
