"""`exsim report`: one page of every kind of run, safe against what its files hold, whole or not there."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from exsim.cli import main
from exsim.outputs.files import prepare_run_folder, write_run
from exsim.outputs.run_record import build_record

PNG = b"\x89PNG\r\n\x1a\n" + base64.b64decode(
    "AAAADUlIRFIAAAABAAAAAQgGAAAAHxXEiQAAAA1JREFUeNpjZPj/nwEABAgBAgM/z3oAAAAASUVORK5CYII="
)
SUMMARY = b"analyte,unit,baseline,peak,time_of_peak_h\nIL6,pg/mL,1,79.31570754,3.6\nTNF,pg/mL,1.4,3.21,\n"


class _Page(HTMLParser):
    """What a browser would find: words, pictures, addresses, and what would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.running: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        self.running += [tag] * (tag in ("script", "iframe", "object", "embed", "form"))
        self.running += [name for name in found if name.startswith("on")]
        if tag == "img":
            self.pictures.append(found)
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def _run(folder: Path, command: str = "simulate", files: dict | None = None, **record: object) -> Path:
    """Write a run as `exsim.outputs.files` does, with little in it."""
    facts = {
        "command": command,
        "config": {"schema": 1, "model": "il6_axis", "output": {"until": "8 h"}},
        "input_hashes": {"/home/someone/secret/marathon.toml": "ab" * 32},
        "seed": 7,
        "device": "cpu: cpu",
        "dtype": "float64",
        "solver": {"method": "tsit5", "rtol": 1e-6, "atol": 1e-9, "status": "done"},
        "timing": {"started": "2026-11-28T11:53:47+00:00", "wall_s": 1.91},
        "title": "What does a marathon do?",
    }
    prepare_run_folder(folder)
    made = {"summary.csv": SUMMARY, "figure.png": PNG} if files is None else files
    write_run(folder, made, build_record(**(facts | record)))
    return folder


def _report(folder: Path, *more: str) -> _Page:
    assert main(["report", str(folder), *more]) == 0
    return _Page((folder / "report.html").read_text(encoding="utf-8"))


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["report", *map(str, arguments)]) == 3
    return capsys.readouterr().err


# ---- what is on the page -----------------------------------------------------------------------------


def test_the_page_has_title_table_picture_config_files_and_versions(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run"))
    for found in (
        "What does a marathon do?",
        "exsim simulate · model il6_axis · 2026-11-28 11:53 UTC",
        "79.32",
        "time of peak (h)",
        'model = "il6_axis"',
        "ab" * 32,
        "seed",
        "tsit5, rtol 1e-06, atol 1e-09",
        "cpu: cpu, float64",
        "jax ",
        "The integration reached its end",
    ):
        assert found in page.text, found
    assert page.open == []


def test_pictures_are_in_the_page_and_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run"))
    (picture,) = page.pictures
    assert base64.b64decode((picture["src"] or "").removeprefix("data:image/png;base64,")) == PNG
    assert picture["alt"]
    assert all(address.startswith("data:") for address in page.addresses)
    assert page.running == []


def test_a_file_is_named_without_the_folders_of_its_owner(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run"))
    assert "marathon.toml" in page.text
    assert "secret" not in page.text


def test_numbers_that_do_not_exist_are_dashes(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run"))
    assert re.search(r"3\.21 – ", page.text)


def test_unicode_stands_as_it_was_written(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run", title="Läufer in 東京, 5 µg/h — IL-1β"))
    assert "Läufer in 東京, 5 µg/h — IL-1β" in page.text


def test_a_run_without_a_title_is_called_by_its_folder(tmp_path: Path) -> None:
    folder = _run(tmp_path / "my_marathon", title="")
    assert _report(folder).text.count("my_marathon") >= 1


def test_a_long_table_is_cut_and_says_where_the_rest_is(tmp_path: Path) -> None:
    rows = "analyte,peak\n" + "".join(f"A{number},{number}\n" for number in range(250))
    page = _report(_run(tmp_path / "run", files={"summary.csv": rows.encode()}))
    assert "50 more rows are in summary.csv." in page.text
    assert "A199" in page.text
    assert "A200" not in page.text


@pytest.mark.parametrize(
    "protocol",
    [
        {"bout": [{"start": "0 h", "duration": "1 h", "intensity": 0.8, "modality": "running"}]},
        {
            "bout": [
                {
                    "start": "0 h",
                    "intensity": "75 %HRR",
                    "modality": "cycling",
                    "intervals": {"work": "4 min", "rest": "3 min", "repeats": 4},
                    "repeat": {"every": "24 h", "times": 7},
                }
            ]
        },
        {"intake": [{"carbohydrate": "60 g/h", "start": "0 h", "duration": "2 h"}]},
        {"infusion": [{"target": "IL6", "rate": "8 ug/h", "start": "end + 1 h", "duration": "3 h"}]},
        {"bolus": [{"target": "LPS", "dose": "0.06 ng/kg", "time": "2 h"}]},
    ],
)
def test_what_was_done_is_said_in_words(tmp_path: Path, protocol: dict) -> None:
    config = {"schema": 1, "model": "models/mine", "protocol": protocol}
    page = _report(_run(tmp_path / "run", config=config))
    said = {
        "bout": ("running at intensity 0.8, from 0 h for 1 h", "4 times 4 min of work with 3 min of rest"),
        "intake": ("carbohydrate 60 g/h, from 0 h for 2 h",),
        "infusion": ("IL6 8 ug/h, from end + 1 h for 3 h",),
        "bolus": ("LPS 0.06 ng/kg at 2 h",),
    }
    assert any(words in page.text for words in said[next(iter(protocol))])


def test_a_command_that_is_not_known_yet_is_reported_with_its_tables_and_pictures(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run", command="new", files={"new.csv": b"a,b\n1,2\n", "x.png": PNG}))
    assert "exsim new" in page.text
    assert "new.csv" in page.text
    assert len(page.pictures) == 1


# ---- what is not to be trusted -----------------------------------------------------------------------

FIT = {
    "converged": True,
    "reasons": [],
    "starts": 8,
    "starts_agreeing": 5,
    "starts_ended": {"converged": 8},
    "gradient_check": {"gradient": 0.001, "differences": 0.001},
    "fisher_rank": 2,
    "free_numbers": 2,
    "measurements": 40,
    "not_identifiable": {},
    "at_bound": {},
    "flat_directions": [],
}
PARAMETERS = (
    b"parameter,value,lower,upper,unit,standard_error,at_bound,identifiable\n"
    b"release_gain,1756.15,1321.07,inf,ng/h/kg,,,practically not\n"
    b"sd[IL6],0.21,0.17,0.27,dimensionless,0.02,,identifiable\n"
)
STARTS = b"start,begun_log_density,reached_log_density,distance_to_best,iterations,ended,failed\n" + b"".join(
    f"{number},-90,-26.6,{(number * 7) % 12 / 10},3,converged,false\n".encode() for number in range(12)
)


def _fit(folder: Path, failures: dict | None = None, **facts: object) -> _Page:
    files = {"parameters.csv": PARAMETERS, "starts.csv": STARTS, "fit.png": PNG}
    return _report(_run(folder, "fit", files, fit=FIT | facts, failures=failures or {}))


def _box(page: _Page, title: str) -> str:
    return page.text[page.text.index(title) :].partition("What was found")[0]


def test_a_good_fit_says_what_was_looked_at(tmp_path: Path) -> None:
    page = _fit(tmp_path / "run")
    assert "Not to be trusted" not in page.text
    assert "5 of 8 starts end within 0.1" in _box(page, "Nothing failed")


def test_a_fit_that_did_not_converge_opens_with_that_and_why(tmp_path: Path) -> None:
    page = _fit(tmp_path / "run", converged=False, reasons=["the budget of 5 s was spent"])
    said = _box(page, "Not to be trusted")
    assert "The fit is not converged." in said
    assert "The budget of 5 s was spent." in said
    assert "Nothing failed" not in page.text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"not_identifiable": {"V": "practically not", "W": "practically not"}}, "not identifiable: V, W."),
        ({"not_identifiable": {"V": "structurally not"}}, "Structurally not identifiable: V."),
        ({"flat_directions": ["CL * V^-1"]}, "A flat direction: CL * V^-1 can change"),
        ({"at_bound": {"CL": "upper"}}, "CL ends at its upper bound"),
        ({"starts": 1, "starts_agreeing": 1}, "There was one start"),
        ({"starts_agreeing": 1}, "One of 8 starts reached the best"),
    ],
)
def test_each_doubt_about_a_fit_is_said_up_front(tmp_path: Path, facts: dict, words: str) -> None:
    assert words in _box(_fit(tmp_path / "run", **facts), "Not to be trusted")


def test_failed_starts_are_counted_with_their_reasons(tmp_path: Path) -> None:
    page = _fit(tmp_path / "run", failures={"the solver stopped": 2, "no number": 1})
    assert "3 of 8 starts failed (2: the solver stopped; 1: no number)." in _box(page, "Not to be trusted")


def test_estimates_have_an_interval_and_a_verdict_in_words(tmp_path: Path) -> None:
    page = _fit(tmp_path / "run")
    assert "1756 above 1321 ng/h/kg practically not identifiable –" in page.text
    assert "sd[IL6] 0.21 0.17 to 0.27 identifiable 0.02" in page.text


def test_numbers_without_a_profile_rest_on_the_curvature(tmp_path: Path) -> None:
    bare = PARAMETERS.replace(b"practically not", b"not profiled").replace(b"inf", b"2000")
    page = _report(_run(tmp_path / "run", "fit", {"parameters.csv": bare}, fit=FIT))
    assert "Not profiled: release_gain." in _box(page, "Not to be trusted")


def test_the_ten_best_starts_are_shown_the_best_first(tmp_path: Path) -> None:
    page = _fit(tmp_path / "run")
    assert "2 more rows are in starts.csv." in page.text
    table = page.text[page.text.index("The best starts") :]
    assert re.search(r"ended +0 −90 −26.6 0 3 converged +7 −90 −26.6 0.1 3", table)


def test_what_is_fitted_is_said_in_words(tmp_path: Path) -> None:
    config = {
        "model": "il6_axis",
        "data": {"file": "lab/run.csv", "ignore": ["CRP"]},
        "condition": [{"name": "race", "protocol": "../marathon.toml"}, {"name": "rest", "protocol": None}],
        "observable": [
            {"analyte": "IL6", "noise": "lognormal", "sd": {"lower": 0.05, "upper": 1.0}},
            {"analyte": "TNF", "noise": "normal", "sd": "data", "formula": "TNF / 2", "batch": "factor"},
            {"analyte": "IL10", "noise": "additive_proportional", "sd": "1 pg/mL", "proportional": 0.1},
        ],
        "fit": {"free": ["release_gain"], "starts": 1, "optimiser": "hybrid"},
    }
    page = _report(_run(tmp_path / "run", "fit", {}, fit=FIT, config=config))
    for words in (
        "data run.csv",
        "left out CRP",
        "condition race as in marathon.toml",
        "condition rest the protocol of the config",
        "lognormal, sd estimated between 0.05 and 1.0",
        "normal, sd as the data give it, of TNF / 2, with a factor for each batch",
        "sd 1 pg/mL, proportional 0.1",
        "1 start, hybrid",
    ):
        assert words in page.text, words


SAMPLE = {
    "trusted": True,
    "complete": True,
    "reasons": [],
    "chains": 2,
    "draws": 500,
    "draws_asked": 500,
    "numbers": 2,
    "measurements": 40,
    "divergences": [0, 3],
    "cut_trajectories": [0, 0],
    "e_fmi": [0.98, None],
    "acceptance": [0.9, 0.8],
    "step_size": [0.5, 0.25],
    "stress": {"draws": 1000, "failed": {}, "seconds": 5.1},
    "loo": {"elpd": -29.006, "se": 6.27, "p_loo": 2.34, "rows_unsure": 3},
}
POSTERIOR = (
    b"name,mean,sd,median,lower,upper,unit,r_hat,ess_bulk,ess_tail,mcse_mean,contraction\n"
    b"release_gain,1749.2,251.7,1727.1,1317.3,2305.4,ng/h/kg,1.00361,4970.2,3140.9,3.4,0.951\n"
    b"sd[IL6],0.21,0.03,0.2,0.15,0.27,dimensionless,,,,,\n"
)


def _sample(folder: Path, failures: dict | None = None, **facts: object) -> _Page:
    files = {
        "summary.csv": POSTERIOR,
        "bands.png": PNG,
        "trace.png": PNG,
        "prior_posterior.png": PNG,
        "prior_posterior_2.png": PNG,
    }
    config = {
        "model": "il6_axis",
        "fit": {"free": ["release_gain"], "starts": 8, "optimiser": "hybrid"},
        "sample": {"warmup": 400},
        "population": {
            "effect": [{"parameter": "release_gain"}, {"parameter": "CL_IL6"}],
            "covariate": [{"name": "vo2max", "on": "release_gain"}],
        },
    }
    whole = {"sample": SAMPLE | facts, "config": config, "failures": failures or {}}
    return _report(_run(folder, "sample", files, **whole))


def test_a_good_posterior_says_what_was_looked_at(tmp_path: Path) -> None:
    page = _sample(tmp_path / "run")
    assert "Not to be trusted" not in page.text
    assert "The chains agree, none is stuck, and none diverged" in _box(page, "Nothing failed")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"trusted": False}, "Take none of their numbers for an estimate."),
        ({"trusted": False, "reasons": ["3 of 1000 draws diverged"]}, "3 of 1000 draws diverged."),
        ({"trusted": False, "reasons": ["chain 2 of 8 is stuck"]}, "Chain 2 of 8 is stuck."),
        ({"complete": False}, "exsim sample CONFIG --resume goes on."),
    ],
)
def test_each_doubt_about_draws_is_said_up_front(tmp_path: Path, facts: dict, words: str) -> None:
    page = _sample(tmp_path / "run", **facts)
    assert words in _box(page, "Not to be trusted")
    assert "Nothing failed" not in page.text


def test_a_posterior_is_shown_in_numbers_and_pictures_with_how_the_chains_went(tmp_path: Path) -> None:
    page = _sample(tmp_path / "run", failures={"the step budget was spent": 12})
    for words in (
        "The posterior in numbers",
        "release_gain 1749 251.7 1727 1317 to 2305 ng/h/kg 1.004 4970 3141 0.95",
        "sd[IL6] 0.21 0.03 0.2 0.15 to 0.27 – – – –",
        "draws 2 chains of 500",
        "divergences of each chain 0, 3",
        "E-FMI of each chain 0.98, –",
        "draws from the prior 1000; failed: 12: the step budget was spent",
        "LOO elpd −29.01 ± 6.27, p_loo 2.34; rows with Pareto k over 0.7: 3",
        "own of each person release_gain, CL_IL6",
        "covariates vo2max on release_gain",
        "NUTS, 2 chains of 500 draws after 400 of warm-up",
    ):
        assert words in page.text, words
    assert page.text.index("The posterior in numbers") < page.text.index("How the chains went")


def test_a_picture_of_a_posterior_has_its_own_caption_and_further_sheets_that_of_the_first(
    tmp_path: Path,
) -> None:
    captions = [str(picture["alt"]) for picture in _sample(tmp_path / "run").pictures]
    assert "median curve of the posterior" in captions[0]
    assert captions[1].startswith("Left: the chains")
    assert captions[2].startswith("What was known before (grey)")
    assert captions[3] == captions[2]
    bands = _report(_run(tmp_path / "sweep", "sweep", {"bands.png": PNG})).pictures
    assert str(bands[0]["alt"]).startswith("Percentiles over time, of all draws")


def test_draws_of_a_sweep_that_failed_are_counted(tmp_path: Path) -> None:
    failures = {"the step budget was spent": 12}
    folder = _run(tmp_path / "run", "sweep", failures=failures, solver={"method": "tsit5", "draws": 300})
    assert "12 of 300 draws failed and are left out of every table (12: the" in _report(folder).text


def test_a_validation_counts_misses_and_what_could_not_be_scored(tmp_path: Path) -> None:
    scores = (
        b"id,use,study,analyte,quantity,time_h,target,low,high,unit,model,log_fold_error,verdict,reason\n"
        b"C1,predict,Keller,IL6,ratio,0,0.6,0.5,0.71,ratio,0.2,-1.0986,outside,\n"
        b"C2,predict,Keller,IL6,fold_after_end,2,,,,fold,,,not scored,no config\n"
        b"C3,calibrate,Keller,IL6,peak_fold,,2,,,fold,2.1,0.05,within 2x,\n"
    )
    summary = [
        {"use": "predict", "cases": 2, "scored": 1, "share_within_2x": 0.0, "log_cases": 1},
        {"use": "calibrate", "cases": 1, "scored": 1, "share_inside": 1.0, "interval_cases": 1},
    ]
    files = {"scores.csv": scores, "forest.png": PNG}
    failed = {"solver": {"failed": {"a.toml": "a.toml could not be solved"}}, "failures": {"not solved": 1}}
    page = _report(_run(tmp_path / "run", "validate", files, summary=summary, seed=None, **failed))
    said = _box(page, "What the model misses")
    assert "Of 2 numbers to predict, the model misses 1." in said
    assert "Of 2 numbers to predict, 1 could not be scored." in said
    assert "1 simulation failed (1: not solved)." in said
    assert "A.toml could not be solved." in said
    assert "IL6 ratio, 0 h 0.6 (0.5 to 0.71) 0.2 ratio outside −1.10" in page.text
    assert "1 of 2 cases scored; 0% of 1 within a factor of 2" in page.text
    assert "100% of 1 inside their interval" in page.text
    assert "none: nothing is left to chance" in page.text


def test_a_fit_to_evidence_shows_the_model_against_it(tmp_path: Path) -> None:
    scores = (
        b"id,use,study,analyte,quantity,time_h,target,low,high,unit,model,log_fold_error,verdict,reason\n"
        b"C3,calibrate,Keller,IL6,peak_fold,,2,,,fold,2.1,0.05,within 2x,\n"
    )
    summary = [{"use": "calibrate", "cases": 1, "scored": 1, "median_abs_log_error": 0.05}]
    files = {"parameters.csv": PARAMETERS, "scores.csv": scores}
    evidence = {"before": summary, "after": summary}
    page = _report(_run(tmp_path / "run", "fit", files, fit=FIT, evidence=evidence))
    assert "C3 calibrate Keller IL6 peak fold 2 2.1 fold within 2x +0.05" in page.text
    assert "to calibrate, after the fit 1 of 1 cases scored; median |ln error| 0.050" in page.text


def test_warnings_and_repairs_of_the_record_are_shown(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run", warnings=["the mass is odd"], repairs=["line ends made the same"]))
    assert "the mass is odd" in _box(page, "Warnings")
    assert "Repaired in reading line ends made the same" in page.text


def test_an_integration_that_stopped_is_not_to_be_trusted(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run", solver={"status": "the step budget was spent"}))
    assert "The integration ended with: the step budget was spent." in _box(page, "Not to be trusted")


def test_a_file_that_was_changed_or_lost_after_the_run_is_named(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", files={"summary.csv": SUMMARY, "figure.png": PNG, "a.csv": b"a\n1\n"})
    (folder / "summary.csv").write_bytes(SUMMARY.replace(b"79", b"7900"))
    (folder / "figure.png").unlink()
    (folder / "a.csv").write_bytes(b"a,b\n1\n")
    said = _box(_report(folder), "Not to be trusted")
    assert "summary.csv was changed after the run" in said
    assert "figure.png is not there" in said
    assert "a.csv is no table" in said


def test_a_picture_that_is_none_is_left_out_and_named(tmp_path: Path) -> None:
    page = _report(_run(tmp_path / "run", files={"figure.png": b"<svg onload='alert(1)'/>"}))
    assert "figure.png is no picture" in _box(page, "Not to be trusted")
    assert page.pictures == []


# ---- what stands in files cannot run -----------------------------------------------------------------

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\0"


def test_text_of_files_cannot_run(tmp_path: Path) -> None:
    rows = f'analyte,"{EVIL[:-1].replace(chr(34), chr(34) * 2)}"\n{"<b>x</b>"},1\n'.encode()
    folder = _run(
        tmp_path / "run",
        files={"summary.csv": rows, "figure.png": PNG},
        title=EVIL,
        config={"label": EVIL, "model": EVIL, EVIL: {EVIL: [EVIL]}},
        warnings=[EVIL],
        repairs=[EVIL],
        input_hashes={EVIL: EVIL},
        failures={EVIL: 3},
    )
    page = _report(folder)
    assert page.running == []
    assert [picture["src"] for picture in page.pictures] != ["x"]
    assert len(page.pictures) == 1
    assert "<script>alert(1)</script>" in page.text


def test_a_record_reads_no_file_outside_its_folder(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run")
    (tmp_path / "secret.csv").write_text("a\nPASSWORD\n")
    (folder / "linked.csv").symlink_to(tmp_path / "secret.csv")
    path = folder / "run.json"
    record = json.loads(path.read_text())
    record["files"] |= {"../secret.csv": "0" * 64, "linked.csv": "0" * 64, str(tmp_path / "secret.csv"): ""}
    path.write_text(json.dumps(record))
    page = _report(folder)
    assert "PASSWORD" not in page.text
    assert "linked.csv is not there, or is no plain file" in page.text


# ---- where it goes, and what is no run ---------------------------------------------------------------


def test_json_names_the_page_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _run(tmp_path / "run")
    assert main(["report", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(folder / "report.html")}
    assert main(["report", str(folder), "--out", str(tmp_path / "new" / "mail.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "mail.html")
    assert (tmp_path / "new" / "mail.html").read_bytes() == (folder / "report.html").read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


def test_a_report_is_replaced_and_another_file_never(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _run(tmp_path / "run")
    _report(folder)
    first = (folder / "report.html").stat().st_mtime_ns
    _report(folder)
    assert (folder / "report.html").stat().st_mtime_ns > first
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not a report of exsim" in _refused(capsys, folder, "--out", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "linked.html").symlink_to(folder / "report.html")
    assert "is a link" in _refused(capsys, folder, "--out", tmp_path / "linked.html")
    assert "is a folder" in _refused(capsys, folder, "--out", tmp_path)


def test_a_new_run_takes_the_report_of_the_older_one_away(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run")
    _report(folder)
    prepare_run_folder(folder, overwrite=True)
    write_run(folder, {"summary.csv": SUMMARY}, {"command": "simulate"})
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "summary.csv"]


def test_a_page_of_somebody_else_in_a_run_folder_stays(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run")
    (folder / "report.html").write_text("<p>my notes</p>")
    prepare_run_folder(folder, overwrite=True)
    write_run(folder, {"summary.csv": SUMMARY}, {"command": "simulate"})
    assert (folder / "report.html").read_text() == "<p>my notes</p>"


def test_a_disk_that_is_full_leaves_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _run(tmp_path / "run")

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["report", str(folder)]) == 6
    assert "No space left" in capsys.readouterr().err
    assert not (folder / "report.html").exists()
    assert not list(folder.glob("*.partial"))


def test_a_folder_that_is_not_there_names_the_runs_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "marathon")
    said = _refused(capsys, tmp_path / "marathn")
    assert "there is no such folder" in said
    assert str(tmp_path / "marathon") in said
    assert "give the folder of a run" in _refused(capsys, tmp_path / "no" / "where")


def test_the_folder_of_runs_names_what_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(7):
        _run(tmp_path / f"run{number}")
    said = _refused(capsys, tmp_path)
    assert "it is no run of exsim" in said
    assert str(tmp_path / "run0") in said
    assert "and 2 more" in said


def test_an_empty_folder_says_what_a_run_folder_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "what simulate, sweep, fit, sample or validate left" in _refused(capsys, tmp_path)


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _run(tmp_path / "run")
    assert f"give its folder: exsim report {folder}" in _refused(capsys, folder / "run.json")
    (tmp_path / "a.txt").write_text("a")
    assert "is a file, not the folder of a run" in _refused(capsys, tmp_path / "a.txt")


@pytest.mark.parametrize("text", ["{", '{"program": "other"}', "[]"])
def test_a_record_of_another_program_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "run.json").write_text(text)
    assert "not the record of a run of exsim" in _refused(capsys, tmp_path)


@pytest.mark.parametrize(("name", "command"), [("fit.journal", "fit"), ("journal", "sweep")])
def test_a_run_that_is_not_finished_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    (tmp_path / name).mkdir()
    said = _refused(capsys, tmp_path)
    assert f"the {command} that was begun here is not finished" in said
    assert f"exsim {command} CONFIG --out {tmp_path} --resume" in said


def test_a_report_loads_neither_jax_nor_what_draws(root: Path, tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", "fit", {"parameters.csv": PARAMETERS, "fit.png": PNG}, fit=FIT)
    heavy = ("jax", "diffrax", "equinox", "xarray", "pandas", "matplotlib", "pydantic")
    code = (
        "import sys\nfrom exsim.cli import main\nmain(['report', sys.argv[1]])\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert done.stdout.splitlines()[-1] == "[]"
