"""A fit to published evidence: what each row becomes, how far off it may be, and what cannot be used."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from exsim.api import FitStudy, read_fit
from exsim.cli import main
from exsim.errors import ConfigError, EvidenceError
from exsim.fit_problem import FitRows

from .fit_files import HEAD

COLUMNS = "id,study,config,compare_config,analyte,quantity,time_h,value,low,high,unit,use"
FREE = '[fit]\nfree = ["release_gain"]\n'
DATA = '[data]\nevidence = "evidence.csv"\n'
FOLD = "A,Ostrowski 1998 J Physiol,marathon,,IL6,fold_after_end,0,62.9,,,fold,calibrate"


def _write(folder: Path, *rows: str, data: str = DATA, fit: str = FREE, head: str = "") -> Path:
    (folder / "evidence.csv").write_text("\n".join([COLUMNS, *rows]) + "\n", encoding="utf-8")
    path = folder / "fit.toml"
    path.write_text(HEAD + head + data + fit, encoding="utf-8")
    return path


def _read(folder: Path, *rows: str, data: str = DATA, fit: str = FREE, head: str = "") -> FitStudy:
    return read_fit(_write(folder, *rows, data=data, fit=fit, head=head))


def _row(folder: Path, row: str, data: str = DATA) -> FitRows:
    return _read(folder, row, data=data).problem.rows


@pytest.mark.parametrize(
    ("row", "quantity", "time_h", "value", "scale"),
    [
        (FOLD, "fold", 3.43, 62.9, 0.3),
        (
            "A,S,marathon,,IL6,concentration_after_start,1,0.04,0.02,0.08,ng/mL,calibrate",
            "level", 1.0, 40.0, math.log(4) / 3.92,
        ),
        ("A,S,marathon,,IL6,fold_after_start,1,5,,,,calibrate", "fold", 1.0, 5.0, 0.3),
        ("A,S,marathon,,TNF,peak_fold,,230,,,%,calibrate", "peak_fold", 0.0, 2.3, 0.3),
        (
            "A,S,marathon,,TNF,time_of_peak_after_end,,30,,,min,calibrate",
            "time_of_peak", 3.43, 0.5, 0.5 / 1.96,
        ),
        (
            "A,S,marathon,,TNF,time_of_peak_after_end,,,0,1,h,calibrate",
            "time_of_peak", 3.43, 0.5, 0.5 / 1.96,
        ),
        (
            "A,S,marathon,,TNF,unchanged,,1,,,fold,calibrate",
            "unchanged", 0.0, 1.0, math.log(1.25 / 0.8) / 3.92,
        ),
        (
            "A,S,marathon,,TNF,unchanged,,1,0.5,2,fold,calibrate",
            "unchanged", 0.0, 1.0, math.log(4) / 3.92,
        ),
        (
            "A,S,lps_0.3_rest,,TNF,concentration_after_start,2,11.9,,,pg/mL,calibrate",
            "level", 2.0, 11.9, 0.3,
        ),
        (
            "A,S,il6_infusion_3h,,IL6,fold_after_end,0.5,11.9,,,fold,calibrate",
            "fold", 3.5, 11.9, 0.3,
        ),
    ],
)  # fmt: skip
def test_a_row_of_evidence_is_a_row_of_the_fit(
    row: str, quantity: str, time_h: float, value: float, scale: float, tmp_path: Path
) -> None:
    rows = _row(tmp_path, row)
    assert rows.quantity == (quantity,)
    found = (rows.time_h[0], rows.value[0], rows.scale[0])
    assert found == pytest.approx((time_h, value, scale))
    assert (rows.compared[0], rows.line[0]) == (-1, 2)


def test_a_ratio_has_the_run_that_it_is_compared_with_and_the_time_there(tmp_path: Path) -> None:
    row = "A,S,cycling_180min,marathon,IL6,ratio,1,0.6,0.5,0.71,ratio,calibrate"
    problem = _read(tmp_path, row).problem
    assert [item.name for item in problem.simulations] == ["cycling_180min", "marathon"]
    rows = problem.rows
    assert (rows.simulation[0], rows.compared[0]) == (0, 1)
    assert (rows.time_h[0], rows.compared_time_h[0]) == pytest.approx((4.0, 4.43))
    assert rows.scale[0] == pytest.approx(math.log(0.71 / 0.5) / 3.92)


def test_a_share_removed_counts_from_the_bolus_of_each_run(tmp_path: Path) -> None:
    row = "A,S,lps_0.06_cycling,lps_0.06_rest,TNF,share_removed,,0.9,,,share,calibrate"
    problem = _read(tmp_path, row).problem
    rows = problem.rows
    assert (rows.time_h[0], rows.compared_time_h[0]) == (2.5, 2.5)
    assert rows.scale[0] == pytest.approx(0.3 / 1.96)
    assert problem.observables[0].family == "normal"


def test_each_analyte_is_one_observable_for_each_family_of_noise(tmp_path: Path) -> None:
    problem = _read(
        tmp_path, FOLD, FOLD.replace("A,", "B,", 1).replace("end,0", "end,1"),
        "C,S,marathon,,IL6,time_of_peak_after_end,,0,,,h,calibrate",
    ).problem  # fmt: skip
    assert [(item.name, item.family) for item in problem.observables] == [
        ("IL6", "lognormal"),
        ("IL6 (normal)", "normal"),
    ]
    assert problem.rows.observable.tolist() == [0, 0, 1]
    assert all(item.scale is None for item in problem.observables)


def test_simulations_look_as_long_as_their_run_configs(tmp_path: Path) -> None:
    (simulation,) = _read(tmp_path, FOLD).problem.simulations
    assert simulation.name == "marathon"
    assert simulation.spec.output.until.to("h") == 8
    assert simulation.spec.subject.body_mass.to("kg") == 72


def test_what_the_config_says_of_the_person_holds_in_every_run(tmp_path: Path) -> None:
    study = _read(tmp_path, FOLD, head='[subject]\nbody_mass = "60 kg"\n')
    assert study.problem.simulations[0].spec.subject.body_mass.to("kg") == 60


def test_a_config_beside_the_table_goes_before_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "marathon.toml").write_text(
        'schema = 1\nmodel = "il6_axis"\n[[protocol.bout]]\nstart = "0 h"\nduration = "2 h"\n'
        'intensity = 0.7\n[output]\nuntil = "5 h"\n'
    )
    study = _read(tmp_path, FOLD)
    assert study.problem.rows.time_h.tolist() == [2.0]
    assert set(study.data_hashes) == {"evidence.csv", "marathon"}


def test_only_rows_of_the_chosen_uses_are_taken(tmp_path: Path) -> None:
    rows = (FOLD, FOLD.replace("A,", "B,", 1).replace("calibrate", "predict"))
    assert len(_read(tmp_path, *rows).problem.rows) == 1
    both = DATA + 'use = ["calibrate", "predict"]\n'
    assert len(_read(tmp_path, *rows, data=both).problem.rows) == 2


def test_the_sd_of_the_config_is_for_rows_without_an_interval(tmp_path: Path) -> None:
    other = "B,S,marathon,,IL6,fold_after_end,1,30,20,45,fold,calibrate"
    rows = _read(tmp_path, FOLD, other, data=DATA + "sd = 0.5\n").problem.rows
    np.testing.assert_allclose(rows.scale, [0.5, math.log(45 / 20) / 3.92])


def test_every_study_has_a_factor_for_its_levels_and_folds_alone(tmp_path: Path) -> None:
    rows = (
        FOLD,
        "B,Ostrowski 1998 J Physiol,marathon,,TNF,time_of_peak_after_end,,0.5,,,h,calibrate",
        "C,Starkie 2003 FASEB J,marathon,,TNF,peak_fold,,2,,,fold,calibrate",
        "D,Starkie 2003 FASEB J,marathon,,TNF,unchanged,,1,,,fold,calibrate",
    )
    problem = _read(tmp_path, *rows, fit=FREE + "study_sd = 0.4\n").problem
    assert [item.name for item in problem.free] == [
        "release_gain", "scale[Ostrowski 1998]", "scale[Starkie 2003]",
    ]  # fmt: skip
    assert problem.rows.factor.tolist() == [1, -1, 2, -1]
    assert problem.rows.group[0] == "Ostrowski 1998 J Physiol"


def test_two_studies_of_one_author_and_year_are_told_apart(tmp_path: Path) -> None:
    rows = (FOLD, FOLD.replace("A,", "B,", 1).replace("J Physiol", "J Physiol (treadmill)"))
    problem = _read(tmp_path, *rows, fit=FREE + "study_sd = 0.4\n").problem
    assert [item.name for item in problem.free[1:]] == [
        "scale[Ostrowski 1998 J Physiol]",
        "scale[Ostrowski 1998 J Physiol (treadmill)]",
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("B,S,nowhere,,IL6,peak_fold,,2,,,fold,calibrate", 'no config "nowhere" beside the table'),
        ("B,S,marathon,,IL66,peak_fold,,2,,,fold,calibrate", 'the model has no analyte "IL66"'),
        ("B,S,marathon,,IL6,peek,,2,,,fold,calibrate", 'quantity "peek" is not known'),
        ("B,S,marathon,,IL6,peak_fold,,2,,,h,calibrate", 'unit "h" does not fit'),
        ("B,S,marathon,,IL6,fold_after_end,20,2,,,fold,calibrate", "23.43 h lies outside the simulation"),
        ("B,S,marathon,marathon,IL6,share_removed,,1,,,share,calibrate", "needs a bolus in both configs"),
        ("B,S,lps_0.3_rest,,IL6,fold_after_end,1,2,,,fold,calibrate", "no bout or infusion that ends"),
        ("B,S,marathon,,IL6,fold_after_end,,2,,,fold,calibrate", "fold_after_end needs time_h"),
    ],
)
def test_a_row_that_cannot_be_used_is_a_warning_with_its_reason(
    row: str, reason: str, tmp_path: Path
) -> None:
    study = _read(tmp_path, FOLD, row)
    assert len(study.problem.rows) == 1
    (warning,) = (item for item in study.warnings if "evidence.csv:3 B is not used: " in item)
    assert reason in warning


def test_a_table_of_which_no_row_can_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no row to calibrate on can be used(.|\n)*predict"):
        _read(tmp_path, FOLD.replace("calibrate", "predict"))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'there is no table "evidenze.csv"(.|\n)*"evidence.csv"'):
        _read(tmp_path, FOLD, data=DATA.replace("evidence.csv", "evidenze.csv"))


def test_a_wrong_table_is_an_error_of_evidence(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="is not a number"):
        _read(tmp_path, FOLD.replace("62.9", "many"))


def test_evidence_has_no_subjects(tmp_path: Path) -> None:
    fit = FREE + '[[fit.parameter]]\nname = "release_gain"\nper = "subject"\n'
    with pytest.raises(ConfigError, match="has groups, not subjects"):
        _read(tmp_path, FOLD, fit=fit)


def test_a_number_for_each_run(tmp_path: Path) -> None:
    fit = FREE + '[[fit.parameter]]\nname = "release_gain"\nper = "condition"\n'
    rows = (FOLD, "B,S,cycling_180min,,IL6,peak_fold,,5,,,fold,calibrate")
    problem = _read(tmp_path, *rows, fit=fit).problem
    assert [item.name for item in problem.free] == ["release_gain[marathon]", "release_gain[cycling_180min]"]


def test_what_is_wrong_in_a_run_config_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "race.toml").write_text('schema = 1\nmodel = "il6_axis"\n[output]\nuntil = "8 kg"\n')
    assert main(["check", str(_write(tmp_path, FOLD.replace("marathon", "race")))]) == 3
    assert f"{tmp_path / 'race.toml'}:4  output.until" in capsys.readouterr().out


def test_the_shipped_evidence_makes_a_problem(root: Path, tmp_path: Path) -> None:
    table = (root / "models" / "il6_axis" / "evidence.csv").read_text(encoding="utf-8")
    (tmp_path / "evidence.csv").write_text(table, encoding="utf-8")
    path = tmp_path / "fit.toml"
    path.write_text(HEAD + DATA + '[fit]\nfree = ["release_gain", "CL_IL6"]\nstudy_sd = 0.4\n')
    problem = read_fit(path).problem
    assert len(problem.rows) == 24
    assert len(problem.simulations) == 11
    assert np.isfinite(problem.rows.scale).all()
    assert np.isfinite(problem.rows.time_h).all()
