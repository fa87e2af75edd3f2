"""Settings from the environment."""

from pathlib import Path

import pytest

from port104.service import schema
from port104.service.configuration import FaultyConfigurationError, load
from port104.service.environment import variable_name
from port104.service.settings.sources import SourceSettings
from port104.service.settings.tree import Settings


def settings_of(**environ):
    return load(None, environ, {}).settings


def faults_of(**environ):
    with pytest.raises(FaultyConfigurationError) as caught:
        load(None, environ, {})
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "name", ["PORT104_DICOM__SCP__PORT", "port104_dicom__scp__port", "Port104_Dicom__Scp__Port"]
)
def test_names_are_compared_regardless_of_case(name):
    assert settings_of(**{name: "11112"}).dicom.scp.port == 11112


def test_values_are_read_by_the_type_of_the_setting():
    settings = settings_of(
        PORT104_DICOM__SCP__REJECTUNKNOWNSOURCES="false",
        PORT104_DICOM__SCP__IDLETIMEOUT="0.5",
        PORT104_DICOM__SCP__HOST="127.0.0.1",
        PORT104_STORAGE__TEMPORARY="104",
        PORT104_LOG__LEVEL="Verbose",
        PORT104_READAETITLESFROMCRD="true",
    )
    assert settings.dicom.scp.reject_unknown_sources is False
    assert settings.dicom.scp.idle_timeout == 0.5
    assert settings.dicom.scp.host == "127.0.0.1"
    assert settings.storage.temporary == "104"
    assert settings.log.level == "debug"
    assert settings.read_ae_titles_from_crd is True


def test_lists_are_json_in_either_spelling():
    text = '[{"ae-title": "CT1", "hostIp": "10.0.0.5"}]'
    sources = settings_of(PORT104_DICOM__SCP__SOURCES=text).dicom.scp.sources
    assert sources == (SourceSettings(ae_title="CT1", host_ip="10.0.0.5"),)


def test_a_value_can_be_read_from_a_file(tmp_path: Path):
    file = tmp_path / "port"
    file.write_text("11112\n")
    assert settings_of(PORT104_DICOM__SCP__PORT_FILE=str(file)).dicom.scp.port == 11112
    assert settings_of(PORT104_LOG__FILE=str(file)).log.file == str(file)
    file.write_text("port.log\n")
    assert settings_of(PORT104_LOG__FILE_FILE=str(file)).log.file == "port.log"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DICOM__SCP__PROT", "1", "no such setting; did you mean PORT104_DICOM__SCP__PORT?"),
        ("LOG_FILE", "x", "no such setting; did you mean PORT104_LOG__FILE?"),
        ("DICOM__SCP", "{}", "no such setting; did you mean PORT104_DICOM__SCP__PORT?"),
        ("DICOM__SCP__PORT__X", "1", "no such setting; did you mean PORT104_DICOM__SCP__PORT?"),
        ("QQQ", "1", "no such setting"),
        ("PORT", "11112", "no such setting; did you mean PORT104_DICOM__SCP__PORT?"),
        (
            "DICOM__SCP__PORT",
            "x",
            'dicom.scp.port: "x" is wrong: expected a whole number from 1 to 65535 or null',
        ),
        ("DICOM__SCP__PORT_FILE", "/missing", "/missing cannot be read: No such file or directory"),
        (
            "DICOM__SCP__SOURCES",
            "CT1",
            ("the value is not JSON, as a list must be: line 1, column 1: this is not JSON: Expecting value"),
        ),
        ("DICOM__SCP__SOURCES", "{}", "dicom.scp.sources: an object is wrong: expected a list"),
    ],
)
def test_faults_name_the_variable(name, value, message):
    name = f"PORT104_{name}"
    [fault] = faults_of(**{name: value})
    assert fault.startswith(f"environment {name}: {message}")


def test_a_file_that_is_not_text(tmp_path: Path):
    file = tmp_path / "port"
    file.write_bytes(b"\xff")
    [fault] = faults_of(PORT104_DICOM__SCP__PORT_FILE=str(file))
    assert fault.endswith(f"{file} is not UTF-8 text")


def test_a_setting_given_twice_is_a_fault(tmp_path: Path):
    faults = faults_of(
        PORT104_DICOM__SCP__PORT="1",
        PORT104_DICOM__SCP__PORT_FILE="x",
        port104_dicom__scp__port="1",
    )
    assert faults == [
        "environment PORT104_DICOM__SCP__PORT_FILE: PORT104_DICOM__SCP__PORT sets the same",
        "environment port104_dicom__scp__port: PORT104_DICOM__SCP__PORT sets the same",
    ]


def test_what_kubernetes_sets_for_a_service_is_no_fault():
    environ = {
        "PORT104_SERVICE_HOST": "10.96.0.7",
        "PORT104_SERVICE_PORT": "104",
        "PORT104_SERVICE_PORT_DICOM": "104",
        "PORT104_PORT": "tcp://10.96.0.7:104",
        "PORT104_PORT_104_TCP": "tcp://10.96.0.7:104",
        "PORT104_PORT_104_TCP_PROTO": "tcp",
        "PORT104_PORT_104_TCP_PORT": "104",
        "PORT104_PORT_104_TCP_ADDR": "10.96.0.7",
        "PORT104_API_SERVICE_HOST": "10.96.0.8",
        "PORT104_API_PORT": "tcp://10.96.0.8:5000",
    }
    assert load(None, environ, {}).settings == Settings()


def test_other_variables_are_left_alone():
    for variable in ("PORT104_CONFIG", "PORT104_URL", "PORT104_TOKEN", "PORT104_TOKEN_FILE"):
        assert settings_of(**{variable: "x", "PATH": "/bin", "XPORT104_A": "1"}) == Settings()


def test_every_setting_has_a_variable():
    for path, key in schema.leaves(Settings):
        if "[" in path:
            continue
        text = "[]" if not key.scalar else "\x00 of no type"
        try:
            origins = load(None, {variable_name(path): text}, {}).origins
        except FaultyConfigurationError as error:
            [fault] = error.faults
            assert schema.path_text(fault.path) == path
        else:
            assert origins == {path: f"environment {variable_name(path)}"}
