"""What the tests of inputs share: a config that must be refused, a config that must be read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from exsim.cli import main
from exsim.inputs.config import LoadedConfig, check_against_model, read_config
from exsim.inputs.model_files import load_model

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a function that checks a text, which must end in exit 3, and gives what was printed."""

    def run(text: str | bytes, *words: str, lines: tuple[int, ...] = ()) -> str:
        path = tmp_path / "run.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        code = main(["check", str(path)])
        captured = capsys.readouterr()
        printed = captured.out + captured.err
        assert code == 3, printed
        assert "Traceback" not in printed
        assert os.listdir(tmp_path) == ["run.toml"]
        for word in words:
            assert word in printed
        for line in lines:
            assert re.search(rf"^{re.escape(str(path))}:{line}\s", printed, re.MULTILINE), printed
        return printed

    return run


@pytest.fixture
def accepted(tmp_path: Path) -> Callable[..., tuple[LoadedConfig, list[str]]]:
    """Return a function that reads a text and its model, and gives the config and its warnings."""

    def run(text: str | bytes, name: str = "run.toml") -> tuple[LoadedConfig, list[str]]:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        config = read_config(path)
        return config, check_against_model(config, load_model(config.spec.model, tmp_path))

    return run
