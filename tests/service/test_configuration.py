"""Precedence, origins, warnings, and Clara's shapes."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from port104.service import schema
from port104.service.configuration import DEFAULT, by_reason, load
from port104.service.decoding import Fault, build
from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.section import Section
from port104.service.settings.sources import SourceSettings
from port104.service.settings.tree import Settings

# The vendor's guide prints it with brackets missing; this is its well-formed version.
SEED = """{
  "DicomAdapter": {
    "readAeTitlesFromCrd": true,
    "dicom": {
      "scp": {
        "port": 104,
        "log-dimse-datasets": false,
        "reject-unknown-sources": true
      },
      "scu": {
        "ae-title": "ClaraSCU",
        "log-dimse-datasets": false,
        "log-data-pdus": false
      }
    },
    "storage" : {
      "temporary" : "/payloads"
    }
  },
  "Serilog": {
    "Using": [
      "Serilog.Sinks.Console"
    ],
    "MinimumLevel": "Information",
    "WriteTo": [
      {
        "Name": "Console",
        "Args": {
          "theme": "Serilog.Sinks.SystemConsole.Themes.AnsiConsoleTheme::Code",
          "outputTemplate": "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} {Message:l}{NewLine}"
        }
      },
      {
        "Name": "File",
        "Args": {
          "path": "logs/clara-dicom.log",
          "rollingInterval": "Day",
          "rollOnFileSizeLimit": true,
          "outputTemplate": "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} {Message}{NewLine}"
        }
      }
    ],
    "Enrich": [
      "FromLogContext",
      "WithMachineName",
      "WithThreadId"
    ]
  },
  "Logging": {
    "LogLevel": {
      "Default": "Information",
      "Microsoft": "Warning",
      "Microsoft.Hosting.Lifetime": "Information",
      "Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker": "Error"
    }
  },
  "AllowedHosts": "*"
}"""


def written(tmp_path: Path, document) -> Path:
    file = tmp_path / "site.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def test_the_file_of_the_vendors_guide_loads(tmp_path: Path):
    configuration = load(written(tmp_path, SEED), {}, {})
    settings = configuration.settings
    assert settings.dicom == Settings().dicom
    assert settings.storage == Settings().storage
    assert (settings.log.level, settings.log.file) == ("info", "logs/clara-dicom.log")
    assert settings.read_ae_titles_from_crd
    assert [warning.split(":")[0] for warning in configuration.warnings] == [
        "readAeTitlesFromCrd",
        "dicom.scp.aeTitles is empty",
        "dicom.scp.sources is empty and dicom.scp.rejectUnknownSources is true",
    ]
    assert by_reason(configuration.unused) == {
        "tokens say who may use the API, and api.host where it listens": ["AllowedHosts"],
        "it configures a .NET library": [
            "Logging.LogLevel.Microsoft",
            "Logging.LogLevel.Microsoft.Hosting.Lifetime",
            "Logging.LogLevel.Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker",
            "Serilog.Using",
            "Serilog.Enrich",
        ],
        "port104 has a form of its own for logs": [
            "Serilog.WriteTo[0].Args.theme",
            "Serilog.WriteTo[0].Args.outputTemplate",
            "Serilog.WriteTo[1].Args.outputTemplate",
        ],
        "what is sent is logged in its outcomes": [
            "dicom.scu.logDimseDatasets",
            "dicom.scu.logDataPDUs",
        ],
    }


SCP = {
    "port": 11112,
    "max-associations": 7,
    "reject-unknown-sources": False,
    "ae-titles": [
        {
            "ae-title": "A",
            "overwrite-same-instance": True,
            "ignored-sop-classes": ["1.2.3"],
            "processor-settings": {"timeout": 5, "pipeline-covid": "x"},
        }
    ],
    "sources": [{"ae-title": "CT1", "host-ip": "10.0.0.0/24"}],
    "verification": {"enabled": False, "transfer-syntaxes": ["1.2.840.10008.1.2"]},
}
CAMEL_CASE_SCP = {
    "port": 11112,
    "maximumNumberOfAssociations": 7,
    "rejectUnknownSources": False,
    "aeTitles": [
        {
            "aeTitle": "A",
            "overwriteSameInstance": True,
            "ignoredSopClasses": ["1.2.3"],
            "processorSettings": {"timeout": 5, "pipeline-covid": "x"},
        }
    ],
    "sources": [{"aeTitle": "CT1", "hostIp": "10.0.0.0/24"}],
    "verification": {"enabled": False, "transferSyntaxes": ["1.2.840.10008.1.2"]},
}


@pytest.mark.parametrize("scp", [SCP, CAMEL_CASE_SCP], ids=["0.7", "0.8"])
@pytest.mark.parametrize("root", [True, False])
def test_both_spellings_with_and_without_the_root(tmp_path: Path, scp, root):
    section = {"dicom": {"scp": scp}}
    document = {"DicomAdapter": section} if root else section
    document["AllowedHosts"] = "*"
    configuration = load(written(tmp_path, document), {}, {})
    loaded = configuration.settings.dicom.scp
    assert (loaded.port, loaded.maximum_number_of_associations) == (11112, 7)
    assert loaded.reject_unknown_sources is False
    assert loaded.ae_titles == (
        LocalAESettings(
            ae_title="A",
            overwrite_same_instance=True,
            ignored_sop_classes=("1.2.3",),
            processor_settings={"timeout": 5, "pipeline-covid": "x"},
        ),
    )
    assert loaded.sources == (SourceSettings(ae_title="CT1", host_ip="10.0.0.0/24"),)
    assert loaded.verification.enabled is False
    assert loaded.verification.transfer_syntaxes == ("1.2.840.10008.1.2",)
    assert [unused.path for unused in configuration.unused] == ["AllowedHosts"]


PORT = "dicom.scp.port"
SOURCES = [
    ("default", False, {}, {}, 104),
    ("site.json", True, {}, {}, 1),
    ("environment PORT104_DICOM__SCP__PORT", True, {"PORT104_DICOM__SCP__PORT": "2"}, {}, 2),
    ("flag --port", True, {"PORT104_DICOM__SCP__PORT": "2"}, {"--port": (PORT, "3")}, 3),
    ("flag --port", False, {}, {"--port": (PORT, "3")}, 3),
]


@pytest.mark.parametrize("case", SOURCES, ids=str)
def test_precedence(tmp_path: Path, case):
    origin, with_file, environ, flags, port = case
    file = written(tmp_path, {"dicom": {"scp": {"port": 1, "host": "::1"}}}) if with_file else None
    configuration = load(file, environ, flags)
    assert configuration.settings.dicom.scp.port == port
    assert configuration.settings.dicom.scp.host == ("::1" if with_file else None)
    assert configuration.origins.get(PORT, DEFAULT).endswith(origin)


def test_a_list_replaces_a_list(tmp_path: Path):
    file = written(tmp_path, {"dicom": {"scp": {"aeTitles": [{"aeTitle": "A"}, {"aeTitle": "B"}]}}})
    environ = {"PORT104_DICOM__SCP__AETITLES": '[{"aeTitle": "C"}]'}
    titles = load(file, environ, {}).settings.dicom.scp.ae_titles
    assert [entry.ae_title for entry in titles] == ["C"]


def test_own_log_keys_win_over_serilog_and_serilog_over_logging(tmp_path: Path):
    document = {
        "dicom": {},
        "Logging": {"LogLevel": {"Default": "Error"}, "Console": {}},
        "Serilog": {"MinimumLevel": {"Default": "Fatal", "Override": {"System": "Warning"}}},
    }
    configuration = load(written(tmp_path, document), {}, {})
    assert configuration.settings.log.level == "fatal"
    assert [unused.path for unused in configuration.unused] == [
        "Logging.Console",
        "Serilog.MinimumLevel.Override",
    ]
    document["log"] = {"level": "Warning"}
    assert load(written(tmp_path, document), {}, {}).settings.log.level == "warning"
    del document["log"], document["Serilog"]
    assert load(written(tmp_path, document), {}, {}).settings.log.level == "error"


@pytest.mark.parametrize(
    "sinks",
    [
        [{"Name": "File", "Args": {"path": "x.log", "fileSizeLimitBytes": 70_000}}],
        {"Disk": {"name": "File", "args": {"PATH": "x.log", "FileSizeLimitBytes": 70_000}}},
        [{"Name": "Async", "Args": {"configure": [{"Name": "File", "Args": {"path": "x.log"}}]}}],
    ],
)
def test_forms_of_a_file_sink(tmp_path: Path, sinks):
    document = {"DicomAdapter": {}, "serilog": {"writeTo": sinks, "minimumLevel": {"default": "Error"}}}
    configuration = load(written(tmp_path, document), {}, {})
    assert (configuration.settings.log.file, configuration.settings.log.level) == ("x.log", "error")
    assert configuration.settings.log.maximum_file_size in (70_000, 104_857_600)
    assert configuration.unused == ()


@pytest.mark.parametrize(
    "sinks", [["Seq"], [{"Name": ["File"]}], [{"Name": "File", "Args": "x"}], [7], {"a": None}]
)
def test_sinks_that_are_none_of_ours(tmp_path: Path, sinks):
    document = {"DicomAdapter": {}, "Serilog": {"WriteTo": sinks}}
    configuration = load(written(tmp_path, document), {}, {})
    [unused] = configuration.unused
    assert unused.path in ("Serilog.WriteTo[0]", "Serilog.WriteTo.a")
    assert unused.why.startswith("port104 logs to standard error and to a file, not to ")


def test_where_the_api_listens_is_said_by_settings_of_its_own(tmp_path: Path):
    document = {
        "DicomAdapter": {},
        "Kestrel": {"EndPoints": {"Http": {"Url": "http://+:5000"}}},
        "urls": "http://+:5000",
        "Logging": {"loglevel": {"default": "None"}},
    }
    configuration = load(written(tmp_path, document), {}, {})
    assert configuration.settings.api == Settings().api
    assert configuration.settings.log.level == "fatal"
    assert [unused.path for unused in configuration.unused] == ["Kestrel", "Urls"]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("Verbose", "debug"),
        ("Debug", "debug"),
        ("Information", "info"),
        ("Warning", "warning"),
        ("Error", "error"),
        ("Fatal", "fatal"),
    ],
)
def test_serilogs_levels(tmp_path: Path, name, level):
    document = {"DicomAdapter": {}, "Serilog": {"MinimumLevel": name}}
    assert load(written(tmp_path, document), {}, {}).settings.log.level == level


CHOICES = {
    f"{path}-{value}": (key.hint, value)
    for path, key in schema.leaves(Settings)
    if isinstance(kind := schema.bare(inspect.type_info(key.hint))[0], inspect.LiteralType)
    for value in kind.values
}


@pytest.mark.parametrize(("hint", "value"), CHOICES.values(), ids=CHOICES)
def test_every_choice_can_be_made_in_any_case(hint, value):
    one = msgspec.defstruct("One", [("choice", hint)], bases=(Section,), frozen=True, kw_only=True)
    for spelt in (value, value.lower(), value.upper()):
        faults: list[Fault] = []
        assert build(one, {"choice": spelt}, faults).choice == value
        assert faults == []


def test_serilogs_file_sink(tmp_path: Path):
    arguments = {
        "path": "a.log",
        "fileSizeLimitBytes": 100_000,
        "retainedFileCountLimit": 5,
        "rollingInterval": "Hour",
        "rollOnFileSizeLimit": False,
        "shared": True,
    }
    sinks = [{"Name": "File", "Args": arguments}, {"Name": "Seq", "Args": {}}, "Console", 5]
    document = {"DicomAdapter": {}, "Serilog": {"WriteTo": sinks}}
    configuration = load(written(tmp_path, document), {}, {})
    log = configuration.settings.log
    assert (log.file, log.maximum_file_size, log.retained_files) == ("a.log", 100_000, 5)
    assert [unused.path for unused in configuration.unused] == [
        "Serilog.WriteTo[0].Args.rollingInterval",
        "Serilog.WriteTo[0].Args.rollOnFileSizeLimit",
        "Serilog.WriteTo[0].Args.shared",
        "Serilog.WriteTo[1]",
        "Serilog.WriteTo[3]",
    ]


def test_without_limits_serilogs_file_sink_keeps_the_defaults(tmp_path: Path):
    arguments = {"fileSizeLimitBytes": None, "retainedFileCountLimit": None}
    document = {"DicomAdapter": {}, "Serilog": {"WriteTo": [{"Name": "File", "Args": arguments}]}}
    configuration = load(written(tmp_path, document), {}, {})
    assert configuration.settings.log == Settings().log
    assert len(configuration.unused) == 2


def test_every_unused_setting_is_reported_when_given(tmp_path: Path):
    for path, key in schema.leaves(Settings):
        if "unused" not in key.extra or "[" in path:
            continue
        value = key.default
        document: object = list(value) if isinstance(value, tuple) else value
        for name in reversed(path.split(".")):
            document = {name: document}
        unused = load(written(tmp_path, document), {}, {}).unused
        assert [each.path for each in unused] == [path]


def test_nothing_is_reported_without_cause(tmp_path: Path):
    scp = {"aeTitles": [{"aeTitle": "A"}], "sources": [{"aeTitle": "B", "hostIp": "10.0.0.5"}]}
    configuration = load(written(tmp_path, {"dicom": {"scp": scp}}), {}, {})
    assert configuration.unused == ()
    assert configuration.warnings == ()


@pytest.mark.parametrize(
    "host",
    ["10.0.0.5", "10.0.0.0/24", "::1", "fd00::/8", "::ffff:10.0.0.5", "ct1", "ct_1.Example.org."],
)
def test_hosts_that_are_fine(tmp_path: Path, host):
    document = {"dicom": {"scp": {"sources": [{"aeTitle": "CT 1", "hostIp": host}]}}}
    [source] = load(written(tmp_path, document), {}, {}).settings.dicom.scp.sources
    assert source == SourceSettings(ae_title="CT 1", host_ip=host)


@pytest.mark.parametrize("file", sorted(Path(__file__).parents[2].glob("examples/*.*")), ids=str)
def test_the_examples_load(file):
    assert load(file, {}, {}).warnings == ()
