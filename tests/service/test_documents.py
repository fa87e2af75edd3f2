"""Files of all formats are read, and what makes them unreadable is named with its line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.errors import ConfigurationError
from port104.service.configuration import FaultyConfigurationError, load
from port104.service.documents import parse_json, read

SAME = {
    "site.json": '{"dicom": {"scp": {"port": 11112, "host": "::1"}}, "storage": {"ioThreads": 2}}',
    "site.toml": 'dicom.scp.port = 11112\ndicom.scp.host = "::1"\n[storage]\nioThreads = 2\n',
    "site.yaml": 'dicom: {scp: {port: 11112, host: "::1"}}\nstorage:\n  ioThreads: 2\n',
    "site.YML": 'dicom:\n  scp:\n    port: 11112\n    host: "::1"\nstorage: {ioThreads: 2}\n',
}


@pytest.mark.parametrize("name", SAME)
def test_the_formats_say_the_same(tmp_path: Path, name):
    file = tmp_path / name
    file.write_text(SAME[name])
    settings = load(file, {}, {}).settings
    assert (settings.dicom.scp.port, settings.dicom.scp.host) == (11112, "::1")
    assert settings.storage.io_threads == 2


MALFORMED = [
    ("a.json", b"{", "line 1, column 2: this is not JSON: "),
    (
        "a.json",
        b'{\n"a": 1\n"b": 2}',
        "line 3, column 1: this is not JSON: Expecting ',' delimiter",
    ),
    ("a.json", b'/* a\n */{\n"a": 1,,}', "line 3, column 9: this is not JSON: "),
    ("a.json", b"", "line 1, column 1: this is not JSON: "),
    ("a.json", b"[1]", "it must hold an object with keys, not "),
    ("a.json", b'{"a": NaN}', "NaN is not JSON"),
    ("a.json", b'{\n"a": "\xff"}', "line 2: this is not UTF-8 text"),
    ("a.json", b'{"a": ' + b"[" * 100_000, "it is nested too deeply"),
    ("a.toml", b"\na = \n", "line 2, column 5: this is not TOML: "),
    ("a.toml", b"a = 1\na = 2\n", "line 2, column 6: this is not TOML: Cannot overwrite a value"),
    ("a.toml", b"a = [", "end of document: this is not TOML: "),
    ("a.yaml", b"a:\n  - b\n c: 1\n", "line 3, column 2: this is not YAML: "),
    ("a.yaml", b"a: &x\n---\nb: 1\n", "line 2, column 1: this is not YAML: "),
    ("a.yaml", b"a: !!python/object:os.system x\n", "line 1, column 4: this is not YAML: "),
    ("a.yaml", b"a: \x00\n", "this is not YAML: "),
    ("a.yaml", b"- a\n", "it must hold an object with keys, not "),
    ("a.ini", b"a=1\n", "its name must end in one of .json, .toml, .yaml, .yml"),
]


@pytest.mark.parametrize(("name", "content", "message"), MALFORMED)
def test_malformed_files_are_named_with_the_line(tmp_path: Path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: {message}")


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read(tmp_path / "missing.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read(tmp_path / "folder.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"storage": {"ioThreads": 1, "ioThreads": 2}}'),
        ("a.json", '{"DicomAdapter": {"storage": {"ioThreads": 1, "ioThreads": 2}}}'),
        ("a.yaml", "storage:\n  ioThreads: 1\n  ioThreads: 2\n"),
    ],
)
def test_duplicate_keys_are_faults(tmp_path: Path, name, content):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(FaultyConfigurationError) as caught:
        load(file, {}, {})
    [fault] = caught.value.faults
    assert fault.path == ("storage", "ioThreads")
    assert fault.reason == "it is given more than once"


@pytest.mark.parametrize("name", ["DicomAdapter", "Serilog", "storage"])
def test_duplicate_keys_at_the_top_are_faults(tmp_path: Path, name):
    file = tmp_path / "a.json"
    file.write_text(f'{{"{name}": {{}}, "{name}": {{}}}}')
    with pytest.raises(FaultyConfigurationError, match=f"{name}: it is given more than once"):
        load(file, {}, {})


def test_a_key_that_is_not_text_is_a_fault(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text("storage:\n  104: x\n")
    with pytest.raises(FaultyConfigurationError, match="storage: a key must be text, not 104"):
        load(file, {}, {})


def test_a_merged_yaml_key_may_be_overridden(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n")
    assert read(file)["d"] == {"b": 3, "c": 2}


@pytest.mark.parametrize("name", ["a.yaml", "a.toml"])
def test_an_empty_file_means_defaults(tmp_path: Path, name):
    file = tmp_path / name
    file.write_text("")
    assert load(file, {}, {}).settings == load(None, {}, {}).settings


def test_empty_yaml_sections_mean_defaults(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text("dicom:\n  scp:\nstorage:\n")
    assert load(file, {}, {}).settings == load(None, {}, {}).settings


def test_json_is_read_as_dotnet_reads_it(tmp_path: Path):
    file = tmp_path / "a.json"
    text = """{ // a comment, "with": quotes
      /* and
         another */ "a": ["http://x/*y*/", "\\"//", 1,], // last
    }"""
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(file) == {"a": ["http://x/*y*/", '"//', 1]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_plain_json_is_untouched(value):
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value
