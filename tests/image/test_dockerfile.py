"""The Dockerfile keeps to its rules; test_steps.py carries out its steps."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from image.dockerfile import FILE, ROOT, instructions, sent_to_the_builder
from lacking import lacking


@pytest.fixture(scope="module")
def steps():
    try:
        return instructions()
    except ImportError:
        lacking("what reads Dockerfiles is not installed: make chart")


@pytest.fixture(scope="module")
def last(steps):
    """The stage that runs."""
    begins = max(index for index, (instruction, _) in enumerate(steps) if instruction == "FROM")
    return steps[begins:]


def values(steps, wanted):
    return [value for instruction, value in steps if instruction == wanted]


def test_the_linter_finds_nothing():
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        lacking("hadolint is not installed: make chart")
    done = subprocess.run([linter, FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_stands_on_the_base_that_is_given(steps):
    assert [value.split(" AS ")[0] for value in values(steps, "FROM")] == ["${BASE}", "${BASE}"]
    assert values(steps, "ARG")[0].startswith("BASE=debian:")


def test_it_runs_as_a_user_by_number_whom_the_chart_knows(last):
    [user] = values(last, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    chart = (ROOT / "charts" / "port104" / "values.yaml").read_text()
    assert f"runAsUser: {user.split(':')[0]}\n" in chart
    assert f"fsGroup: {user.split(':')[1]}\n" in chart


def test_it_is_started_without_a_shell_between(last):
    assert [json.loads(value) for value in values(last, "ENTRYPOINT")] == [["port104"]]
    assert [json.loads(value) for value in values(last, "CMD")] == [["start"]]
    [health] = values(last, "HEALTHCHECK")
    assert health.endswith('CMD ["port104", "status"]')
    assert values(last, "STOPSIGNAL") == ["SIGTERM"]


def test_the_builder_gets_what_the_wheel_is_made_of_and_no_more():
    sent = {path.as_posix() for path in sent_to_the_builder()}
    assert {
        "pyproject.toml",
        "native/pdata.c",
        "engine/port104/native/link.py",
        "engine/port104/py.typed",
    } <= sent
    assert not {path for path in sent if path.startswith(("tests/", "native/tests/", "docs/", ".git"))}
