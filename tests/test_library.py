"""`import port104`: the examples of docs/library.md run, and what the page lists is there."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pydicom.data
import pytest

import port104
from engine_process import engine

PAGE = (Path(__file__).parents[1] / "docs" / "library.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = [pydicom.data.get_testdata_file(name, read=False) for name in ("CT_small.dcm", "MR_small.dcm")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with engine(tmp_path_factory.mktemp("library") / "storage", scp={"operationsWindow": 4}) as started:
        yield started


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(server, number, capsys, tmp_path):
    given = {"HOST": "127.0.0.1", "PORT": server.port, "FILES": FILES, "FOLDER": tmp_path}
    failures = []

    def run():
        try:
            exec(compile(EXAMPLES[number], "docs/library.md", "exec"), given)
        except BaseException as failure:
            failures.append(failure)
            raise

    thread = threading.Thread(target=run)  # pytest-trio's own loop is none of the example's business
    thread.start()
    thread.join(30)
    assert failures == []
    said = capsys.readouterr().out
    expected = {
        0: "MR_small.dcm success",
        3: "called AE title not recognized (1/1/7)",
        4: f"PORT104 1.3.6.1.4.1.5962.1.2.4.20040826185059.5457 {tmp_path}/instances/",
        5: "PORT104 1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322 1.2.840.10008.1.2.1 ",
    }
    assert expected.get(number, "") in said


def test_what_was_sent_is_there(server):
    stored = {pydicom.dcmread(path).SOPInstanceUID for path in server.stored_files()}
    assert stored == {pydicom.dcmread(path).SOPInstanceUID for path in FILES}


@pytest.mark.parametrize("name", port104.__all__)
def test_every_name_is_there_and_on_the_page(name):
    assert getattr(port104, name).__doc__
    assert f"`{name}" in PAGE or f"port104.{name}" in PAGE


def test_nothing_else_is():
    assert dir(port104) == sorted(port104.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        port104.nothing  # noqa: B018


def test_nothing_is_loaded_before_it_is_asked_for():
    program = "import port104, sys; print([name for name in sys.modules if name in ('trio', 'msgspec')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
