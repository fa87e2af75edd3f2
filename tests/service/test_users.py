"""`port104 user`: the file that it keeps."""

import io
import stat
import sys

import pytest

from cheap_hash import cheap
from port104.registry import passcodes
from port104.registry.passcodes import parse


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch):
    monkeypatch.setattr("port104.service.commands.users.hash_passcode", cheap)


@pytest.fixture
def run(run, monkeypatch, tmp_path):
    """Runs `port104 user ...` on a file: (exit code, standard output, standard error)."""

    def run_user(*arguments, passcode=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(passcode))
        return run("user", *arguments, "--file", tmp_path / "users")

    return run_user


def test_a_user_is_added_changed_listed_and_removed(run, tmp_path):
    file = tmp_path / "users"
    assert run("add", "ct2", passcode="first word\n") == (0, f"added ct2 in {file}\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("add", "ct1", passcode="another word\n")[0] == 0
    assert run("list") == (0, "ct1\nct2\n", "")
    file.chmod(0o640)
    assert run("add", "ct2", passcode="second word\r\n") == (0, f"changed ct2 in {file}\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert passcodes.Users(parse(file.read_text())).knows("ct2", b"second word")
    assert run("remove", "ct2") == (0, f"removed ct2 from {file}\n", "")
    assert run("list")[1] == "ct1\n"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "passcode", "code", "message"),
    [
        (("add", "a:b"), "long enough", 2, "a user name is printable text without a colon"),
        (("add", "a"), "short", 2, "at least 8 characters"),
        (("remove", "nobody"), "", 2, "there is no user nobody"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(run, tmp_path, arguments, passcode, code, message):
    run("add", "ct1", passcode="first word\n")
    before = (tmp_path / "users").read_bytes()
    left, _, error = run(*arguments, passcode=passcode)
    assert (left, message in error) == (code, True)
    assert (tmp_path / "users").read_bytes() == before


def test_a_file_that_is_missing_or_faulty_is_named(run, tmp_path):
    assert run("list")[0] == 1
    (tmp_path / "users").write_text("ct1\n")
    for arguments in (("list",), ("add", "ct2"), ("remove", "ct1")):
        code, _, error = run(*arguments, passcode="long enough\n")
        assert code == 2
        assert "line 1: it has no colon" in error
