"""The command line: output, exit codes, and that help is quick."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from port104.errors import ConfigurationError, StorageError
from port104.service import starting
from port104.service.configuration import load
from port104.service.settings.tree import Settings


@pytest.fixture
def file(tmp_path: Path):
    file = tmp_path / "site.json"
    scp = {
        "port": 11112,
        "aeTitles": [{"aeTitle": "A"}, {"aeTitle": "B"}],
        "sources": [{"aeTitle": "CT1", "hostIp": "10.0.0.5"}],
    }
    file.write_text(json.dumps({"dicom": {"scp": scp, "scu": {"export": {"agent": "X"}}}}))
    return file


@pytest.fixture
def service(monkeypatch):
    """Stands for the service: records its settings, and does as told."""

    class Service:
        settings = None
        outcome = 0

        def run(self, configuration, sources):
            self.settings = configuration.settings
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

    service = Service()
    monkeypatch.setattr(starting, "run", service.run)
    return service


def test_check_of_a_good_file(run, file):
    code, out, err = run("config", "check", file)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{file}: no faults",
        "listens on: port 11112 of all addresses",
        "REST API: port 5000 of 127.0.0.1",
        "AE titles: A, B",
        "sources: 1; others are rejected",
        "storage: /payloads, durability sync",
        "without effect, because a destination says itself how it is sent to: dicom.scu.export.agent",
    ]


def test_check_with_tls_only(run, file, monkeypatch):
    for setting, value in {"PORT": "null", "TLS__ENABLED": "true", "TLS__CERTIFICATE": "x.pem"}.items():
        monkeypatch.setenv(f"PORT104_DICOM__SCP__{setting}", value)
    monkeypatch.setenv("PORT104_API__PORT", "null")
    code, out, _ = run("config", "check", file)
    assert code == 0
    assert out.splitlines()[1:3] == ["listens for TLS on: port 2762 of all addresses", "AE titles: A, B"]


def test_check_shows_warnings(run, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("")
    code, out, _ = run("config", "check", file)
    assert code == 0
    assert "\nwarning: dicom.scp.aeTitles is empty" in out


def test_check_names_what_is_called_for_and_not_there(run, tmp_path):
    file = tmp_path / "site.json"
    titles = [
        {"aeTitle": "A", "processorSettings": {"pipeline-x": "here", "pipeline-y": "17", "pipeline-z": "no"}}
    ]
    pipelines = [
        {"name": "here", "folder": "/x", "destinations": ["D", "E"]},
        {"name": "too", "id": "17", "command": "true"},
    ]
    destinations = [{"name": "D", "aeTitle": "D", "hostIp": "d", "port": 104}]
    dicom = {
        "scp": {"aeTitles": titles, "rejectUnknownSources": False},
        "scu": {"destinations": destinations},
    }
    file.write_text(json.dumps({"dicom": dicom, "pipelines": pipelines}))
    code, out, _ = run("config", "check", file)
    assert code == 0
    assert "pipelines: here, too\n" in out
    assert [line for line in out.splitlines() if line.startswith("warning")] == [
        'warning: the AE title "A" names the pipeline "no", which there is not, unless it was created',
        'warning: the pipeline "here" names the destination "E", which there is not, unless it was created',
    ]


def test_check_of_a_faulty_file(run, tmp_path):
    file = tmp_path / "site.json"
    file.write_text('{"dicom": {"scp": {"prot": 1}}}')
    code, out, err = run("config", "check", file)
    assert (code, out) == (2, "")
    assert err == (
        "port104: 1 fault in the configuration:\n"
        f"  {file}: dicom.scp.prot: unknown key; did you mean dicom.scp.port?\n"
    )


def test_check_of_a_missing_file(run, tmp_path):
    code, _, err = run("config", "check", tmp_path / "missing\x1b.json")
    assert code == 2
    assert err.endswith("missing\\x1b.json: cannot be read: No such file or directory\n")


def test_check_minds_the_environment(run, file, monkeypatch):
    monkeypatch.setenv("PORT104_DICOM__SCP__PROT", "1")
    code, _, err = run("config", "check", file)
    assert code == 2
    assert "environment PORT104_DICOM__SCP__PROT: no such setting" in err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_show_prints_can_be_loaded(run, file, tmp_path, form):
    code, out, err = run("config", "show", "-f", file, "--storage", "/x", "-o", form)
    assert (code, err) == (0, "")
    again = tmp_path / f"again.{form}"
    again.write_text(out)
    shown = load(again, {}, {}).settings
    assert shown == load(file, {}, {"--storage": ("storage.temporary", "/x")}).settings


@pytest.mark.parametrize("form", ["json", "yaml", "table"])
def test_show_keeps_a_password_to_itself(run, monkeypatch, form):
    monkeypatch.setenv("PORT104_REGISTRY__URL", "postgresql://port104:open-sesame@db/port104?sslmode=require")
    code, out, _ = run("config", "show", "-o", form)
    assert code == 0
    assert "postgresql://port104@db/port104" in out
    assert "sesame" not in out


def test_show_names_origins(run, file, monkeypatch):
    monkeypatch.setenv("PORT104_LOG__LEVEL", "Verbose")
    code, out, _ = run("config", "show", "--config", file, "--host", "::1")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert ["dicom.scp.host", '"::1"', "flag --host"] in rows
    assert ["dicom.scp.port", "11112", str(file)] in rows
    assert ["log.level", '"debug"', "environment PORT104_LOG__LEVEL"] in rows
    assert ["storage.ioThreads", "0", "default"] in rows


def test_show_on_a_terminal(run, file, monkeypatch):
    monkeypatch.setattr("port104.service.commands.output.is_terminal", lambda: True)
    code, out, _ = run("config", "show", "-f", file)
    assert code == 0
    assert "┃" in out
    assert "dicom.scp.port" in out


def test_the_variable_names_the_file(run, file, monkeypatch):
    monkeypatch.setenv("PORT104_CONFIG", str(file))
    assert "11112" in run("config", "show")[1]


def test_start_passes_the_settings_on(run, file, service):
    code, _, err = run("start", "-f", file, "--port", "11113", "--log-level", "error")
    assert (code, err) == (0, "")
    assert service.settings.dicom.scp.port == 11113
    assert [entry.ae_title for entry in service.settings.dicom.scp.ae_titles] == ["A", "B"]


def test_start_needs_no_file(run, service):
    assert run("start")[0] == 0
    assert service.settings == Settings()


def test_start_reports_once_what_has_no_effect(run, file, service):
    _, _, err = run("start", "-f", file)
    [entry] = map(json.loads, err.splitlines())
    assert entry["event"] == "settings without effect"
    assert entry["settings"] == {"a destination says itself how it is sent to": ["dicom.scu.export.agent"]}


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (1, 1, ""),
        (StorageError("/payloads: no"), 1, "port104: /payloads: no\n"),
        (ConfigurationError("port 104: no"), 2, "port104: port 104: no\n"),
    ],
)
def test_failures_are_one_message(run, service, outcome, code, message):
    service.outcome = outcome
    assert run("start", "--log-level", "fatal") == (code, "", message)


def test_a_faulty_flag(run, service):
    code, _, err = run("start", "--port", "0")
    assert code == 2
    assert "flag --port: dicom.scp.port: " in err
    assert service.settings is None


@pytest.mark.parametrize("arguments", [("strat",), ("start", "--prot", "1"), ("config", "check")])
def test_wrong_usage(run, arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("command", [("start",), ("config", "check"), ("config", "show")])
def test_help_has_examples(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Example" in out


def test_help_imports_nothing_slow():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "import port104.service.cli as cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('trio', 'rich', 'yaml', 'structlog', 'msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(run):
    assert run("--version") == (
        0,
        f"port104, version {importlib.metadata.version('port104')}\n",
        "",
    )


def test_python_m_is_the_command():
    command = [sys.executable, "-m", "port104", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: port104 ")
