"""Arguments, dispatch, and what each ending of a command looks like to the user."""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ExsimError, InputError, OutputError, RefusedError
from ..version import __version__
from .convert_options import add_convert
from .stopping import EXIT_SIGINT, EXIT_SIGTERM, Terminated, stopping_in_time

EXIT_BUG, EXIT_USAGE = 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"exsim: {message}\n  See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="exsim",
        description="Mechanistic simulation of exerkine kinetics: bouts of exercise in, time courses out.",
    )
    parser.add_argument("--version", action="version", version=f"exsim {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    simulate = commands.add_parser("simulate", help="run configs: curves, a table and a picture of each")
    simulate.add_argument("config", nargs="+", type=Path, help="run configuration (TOML)")
    simulate.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/<config name>)")
    simulate.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="replace a value of the config, e.g. protocol.bout.0.duration='4 h'",
    )
    simulate.add_argument("--overwrite", action="store_true", help="replace an earlier run")
    simulate.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    simulate.set_defaults(body=_simulate)

    sweep = commands.add_parser("sweep", help="many draws of a config, into a store that can be resumed")
    sweep.add_argument("config", type=Path, help="run configuration (TOML) with [sweep]")
    sweep.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/<config name>)")
    sweep.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="replace a value of the config, e.g. sweep.draws=1000",
    )
    sweep.add_argument("--resume", action="store_true", help="go on with a sweep that was stopped")
    sweep.add_argument("--overwrite", action="store_true", help="replace an earlier sweep")
    sweep.add_argument(
        "--shard", default="1/1", metavar="I/N", help="the I-th of N shares of one sweep, e.g. of a job array"
    )
    sweep.add_argument(
        "--break-lock", action="store_true", help="take over from a process on another machine that died"
    )
    sweep.add_argument(
        "--other-versions", action="store_true", help="go on although versions of programs differ"
    )
    sweep.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    sweep.set_defaults(body=_sweep)

    fit = commands.add_parser("fit", help="parameters from lab data, and what the data can tell")
    fit.add_argument("config", type=Path, help="configuration of a fit (TOML)")
    fit.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/<config name>)")
    fit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="replace a value of the config, e.g. fit.starts=8",
    )
    fit.add_argument("--resume", action="store_true", help="go on with a fit that was stopped")
    fit.add_argument("--overwrite", action="store_true", help="replace an earlier fit")
    fit.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    fit.set_defaults(body=_fit)
    sample = commands.add_parser("sample", help="the posterior of a fit, of one subject or of a population")
    sample.add_argument("config", type=Path, help="configuration of a fit, with [sample] or without (TOML)")
    sample.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/<config name>)")
    sample.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="replace a value of the config, e.g. sample.draws=1000",
    )
    sample.add_argument("--resume", action="store_true", help="go on with what was stopped")
    sample.add_argument("--overwrite", action="store_true", help="replace an earlier posterior")
    sample.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    sample.set_defaults(body=_sample)

    check = commands.add_parser("check", help="read configs, models and data and list every problem")
    check.add_argument("file", nargs="+", type=Path)
    check.add_argument(
        "--model", default="il6_axis", help="whose analytes lab data are held against (default: il6_axis)"
    )
    check.set_defaults(body=_check)

    models = commands.add_parser("models", help="the shipped models, or the card of one")
    models.add_argument("name", nargs="?")
    models.set_defaults(body=_models)

    validate = commands.add_parser("validate", help="a model against published evidence")
    validate.add_argument("model")
    validate.add_argument("--evidence", type=Path, metavar="FILE", help="another table of evidence (CSV)")
    validate.add_argument("--out", type=Path, metavar="DIR", help="where the table and the figure go")
    validate.set_defaults(body=_validate)

    convert = add_convert(commands)
    convert.set_defaults(body=_convert)

    report = commands.add_parser("report", help="one HTML page of a finished run")
    report.add_argument("folder", type=Path, metavar="RUN_DIR", help="folder of a run")
    report.add_argument("--out", type=Path, metavar="FILE", help="the page (default: RUN_DIR/report.html)")
    report.set_defaults(body=_report)

    doctor = commands.add_parser("doctor", help="versions, devices, float64, caches")
    doctor.set_defaults(body=_doctor)

    for command in (simulate, sweep, fit, sample, check, convert, models, validate, report, doctor):
        command.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    for command in (simulate, sweep, fit, sample, check, convert, validate):
        command.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _simulate(arguments: argparse.Namespace) -> int:
    from .simulate import simulate

    return simulate(arguments)


def _sweep(arguments: argparse.Namespace) -> int:
    from .sweep import sweep

    return sweep(arguments)


def _fit(arguments: argparse.Namespace) -> int:
    from .fit import fit

    return fit(arguments)


def _sample(arguments: argparse.Namespace) -> int:
    from .sample import sample

    return sample(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from .check import check

    return check(arguments.file, arguments.model, json_output=arguments.json, quiet=arguments.quiet)


def _convert(arguments: argparse.Namespace) -> int:
    from .convert import convert

    return convert(arguments)


def _models(arguments: argparse.Namespace) -> int:
    from .models import models

    return models(arguments.name, json_output=arguments.json)


def _validate(arguments: argparse.Namespace) -> int:
    from .validate import validate

    return validate(
        arguments.model,
        arguments.evidence,
        json_output=arguments.json,
        out_dir=arguments.out,
        quiet=arguments.quiet,
    )


def _report(arguments: argparse.Namespace) -> int:
    from .report import report

    return report(arguments.folder, arguments.out, json_output=arguments.json)


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import doctor

    return doctor(json_output=arguments.json)


def run(argv: list[str]) -> int:
    """Parse and run one command; every ending becomes an exit code and a message on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without UTF-8 shows a question mark for a letter that it lacks.
            stream.reconfigure(errors="replace")
    code = 0
    try:
        code = _parsed_and_run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout went away (| head): not an error, and nothing more to say.
        _throw_away_output()
    except OSError as error:
        _throw_away_output()
        print(f"exsim: what it prints could not be written: {error.strerror}", file=sys.stderr)
        return OutputError.exit_code
    return code


def _throw_away_output() -> None:
    # What waits in the buffer would fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parsed_and_run(argv: list[str]) -> int:
    parser = _parser()
    if not argv:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as ending:
        return int(ending.code or 0)
    try:
        with stopping_in_time():
            return _guarded(arguments.body, arguments)
    except KeyboardInterrupt:
        return _stopped("interrupted", EXIT_SIGINT, arguments)
    except Terminated:
        return _stopped("terminated", EXIT_SIGTERM, arguments)


def _guarded(body: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    try:
        return body(arguments)
    except ExsimError as error:
        if arguments.debug:
            traceback.print_exc()
        _complain(error, as_json=arguments.json)
        return error.exit_code
    except Exception as error:  # a bug of exsim: the one place where anything at all is caught
        if arguments.debug or _is_of_stdout(error):
            raise
        report = _bug_report()
        print(
            f"exsim: a bug in exsim: {type(error).__name__}: {error}\n  Please send {report}", file=sys.stderr
        )
        return EXIT_BUG


def _stopped(how: str, code: int, arguments: argparse.Namespace) -> int:
    goes_on = ", and --resume goes on" if "resume" in arguments else ""
    print(f"exsim: {how}; nothing half-written was left{goes_on}", file=sys.stderr)
    return code


def _is_of_stdout(error: Exception) -> bool:
    # What exsim reads and writes by name is an ExsimError by now.
    full = (errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EIO)
    return isinstance(error, OSError) and error.filename is None and error.errno in full


def _complain(error: ExsimError, *, as_json: bool) -> None:
    if not as_json:
        print(
            f"exsim: {error}" if not isinstance(error, InputError | RefusedError) else str(error),
            file=sys.stderr,
        )
        return
    problems: list[dict[str, Any]] = (
        [vars(problem) for problem in error.problems]
        if isinstance(error, InputError | RefusedError)
        else [{"message": str(error)}]
    )
    print(json.dumps({"error": type(error).__name__, "exit_code": error.exit_code, "problems": problems}))


def _bug_report() -> Path:
    handle, name = tempfile.mkstemp(prefix="exsim-bug-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write(f"exsim {__version__}\npython {sys.version}\narguments {sys.argv[1:]}\n\n")
        traceback.print_exc(file=file)
    return Path(name)
