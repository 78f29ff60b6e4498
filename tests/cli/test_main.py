"""Arguments of `exsim`: what is asked for wrongly, and what holds for every command."""

from __future__ import annotations

import pytest

from exsim.cli import main


def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "usage: exsim" in printed.err
    assert "simulate" in printed.err


def test_only_commands_with_something_to_leave_out_take_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    takes = []
    for command in ("simulate", "check", "convert", "models", "validate", "report", "doctor"):
        assert main([command, "--help"]) == 0
        if "--quiet" in capsys.readouterr().out:
            takes.append(command)
    assert takes == ["simulate", "check", "convert", "validate"]
