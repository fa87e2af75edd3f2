"""Command lines in this process."""

import sys

import pytest

from port104.service import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command line: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["port104", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        return (0 if code is None else code), *capsys.readouterr()

    return run
