"""Every fault of a configuration is named with its place, its reason and the nearest known key."""

import json
from pathlib import Path

import pytest

from port104.errors import ConfigurationError
from port104.service.configuration import FaultyConfigurationError, load

PORT = "dicom.scp.port"


def scp(**keys):
    return {"dicom": {"scp": keys}}


def titles(*entries):
    return scp(aeTitles=list(entries))


def sources(*entries):
    return scp(sources=list(entries))


def host(text):
    return sources({"aeTitle": "CT1", "hostIp": text})


ONE_FAULT = [
    # unknown keys
    (scp(prot=104), "dicom.scp.prot: unknown key; did you mean dicom.scp.port?"),
    ({"dicom": {"port": 104}}, "dicom.port: unknown key; did you mean dicom.scp.port?"),
    (
        {"storage": {"waterMark": 80}},
        "storage.waterMark: unknown key; did you mean storage.watermarkPercent?",
    ),
    (
        {"dicom": {"xyz": 1}},
        "dicom.xyz: unknown key; known here: scp, scu",
    ),
    (
        titles({"aeTitle": "A", "overwrite": True}),
        (
            "dicom.scp.aeTitles[0].overwrite: unknown key;"
            " did you mean dicom.scp.aeTitles[0].overwriteSameInstance?"
        ),
    ),
    (
        scp(**{"rejekt-unknown-sources": True}),
        ("dicom.scp.rejekt-unknown-sources: unknown key; did you mean dicom.scp.rejectUnknownSources?"),
    ),
    ({"DicomAdaptor": {}}, "DicomAdaptor: unknown key; did you mean DicomAdapter?"),
    ({"DicomAdapter": {}, "Serilogg": {}}, "Serilogg: unknown key; did you mean Serilog?"),
    ({"DicomAdapter": {}, "storage": {}}, "storage: it belongs inside DicomAdapter"),
    # keys given twice
    (
        {"storage": {"temporary": "/a", "Temporary": "/b"}},
        "storage.Temporary: it is the same key as temporary, given before",
    ),
    (
        scp(**{"reject-unknown-sources": True, "rejectUnknownSources": False}),
        "dicom.scp.rejectUnknownSources: it is the same key as rejectUnknownSources, given before",
    ),
    # wrong types
    (scp(port="104"), f'{PORT}: "104" is wrong: expected a whole number from 1 to 65535 or null'),
    (scp(port=104.5), f"{PORT}: 104.5 is wrong: expected a whole number from 1 to 65535 or null"),
    (scp(port=True), f"{PORT}: true is wrong: expected a whole number from 1 to 65535 or null"),
    (scp(port=[104]), f"{PORT}: a list is wrong: expected a whole number from 1 to 65535 or null"),
    (
        scp(rejectUnknownSources="yes"),
        'dicom.scp.rejectUnknownSources: "yes" is wrong: expected true or false',
    ),
    (scp(host=5), "dicom.scp.host: 5 is wrong: expected text (IP address or host name) or null"),
    (scp(aeTitles={"aeTitle": "A"}), "dicom.scp.aeTitles: an object is wrong: expected a list"),
    (titles("A"), 'dicom.scp.aeTitles[0]: "A" is wrong: expected an object with keys'),
    ({"dicom": []}, "dicom: an empty list is wrong: expected an object with keys"),
    ({"DicomAdapter": 5}, "DicomAdapter: expected an object with keys"),
    ({"DicomAdapter": {}, "Serilog": "x"}, "Serilog: expected an object with keys"),
    (
        titles({"aeTitle": "A", "processorSettings": {"timeout": {}}}),
        "dicom.scp.aeTitles[0].processorSettings.timeout: expected whole seconds from 1 to 86400",
    ),
    (
        titles({"aeTitle": "A", "processorSettings": [5]}),
        "dicom.scp.aeTitles[0].processorSettings: a list is wrong: expected an object with named values",
    ),
    # out of range
    (scp(port=0), f"{PORT}: 0 is wrong: expected a whole number from 1 to 65535 or null"),
    (scp(port=65536), f"{PORT}: 65536 is wrong: expected a whole number from 1 to 65535 or null"),
    (
        scp(maximumNumberOfAssociations=10_001),
        ("dicom.scp.maximumNumberOfAssociations: 10001 is wrong: expected a whole number from 1 to 10000"),
    ),
    (
        scp(operationsWindow=257),
        "dicom.scp.operationsWindow: 257 is wrong: expected a whole number from 1 to 256",
    ),
    (
        scp(artimTimeout=0),
        "dicom.scp.artimTimeout: 0 is wrong: expected a number above 0 and at most 86400",
    ),
    (
        scp(maximumLengthReceived=100),
        ("dicom.scp.maximumLengthReceived: 100 is wrong: expected a whole number from 4096 to 16777216"),
    ),
    (
        {"storage": {"watermarkPercent": 101}},
        "storage.watermarkPercent: 101 is wrong: expected a whole number from 1 to 100",
    ),
    (
        {"storage": {"reserveSpaceGB": -1}},
        "storage.reserveSpaceGB: -1 is wrong: expected a number from 0 to 1000000",
    ),
    (
        {"storage": {"durability": "maybe"}},
        'storage.durability: "maybe" is wrong: expected one of os, sync',
    ),
    ({"storage": {"temporary": " "}}, 'storage.temporary: " " is wrong: it must not be empty'),
    (
        {"log": {"level": "loud"}},
        'log.level: "loud" is wrong: expected one of debug, error, fatal, info, warning',
    ),
    # AE titles
    (titles({"name": "x"}), "dicom.scp.aeTitles[0].aeTitle: it is required, and missing"),
    (
        titles({"aeTitle": "A" * 17}),
        (
            f'dicom.scp.aeTitles[0].aeTitle: "{"A" * 17}" is wrong:'
            " an AE title has at most 16 characters, this one has 17"
        ),
    ),
    (
        titles({"aeTitle": "A\\B"}),
        (
            'dicom.scp.aeTitles[0].aeTitle: "A\\\\B" is wrong:'
            " an AE title is printable ASCII without \\, not '\\\\'"
        ),
    ),
    (
        titles({"aeTitle": "A\n"}),
        (
            'dicom.scp.aeTitles[0].aeTitle: "A\\n" is wrong:'
            " an AE title is printable ASCII without \\, not '\\n'"
        ),
    ),
    (
        titles({"aeTitle": "KÖLN"}),
        (
            'dicom.scp.aeTitles[0].aeTitle: "K\\u00d6LN" is wrong:'
            " an AE title is printable ASCII without \\, not '\\xd6'"
        ),
    ),
    (
        titles({"aeTitle": "  "}),
        'dicom.scp.aeTitles[0].aeTitle: "  " is wrong: an AE title must not be empty or blank',
    ),
    (
        titles({"aeTitle": "A "}),
        ('dicom.scp.aeTitles[0].aeTitle: "A " is wrong: an AE title must not begin or end with a space'),
    ),
    (
        titles({"aeTitle": "../A"}),
        ('dicom.scp.aeTitles[0].aeTitle: "../A" is wrong: an AE title must not step up a path (..)'),
    ),
    (
        titles({"aeTitle": "A"}, {"aeTitle": "B"}, {"aeTitle": "A"}),
        'dicom.scp.aeTitles: entries 0 and 2 have the same aeTitle "A"',
    ),
    (
        titles({"aeTitle": "A"}, {"aeTitle": "B", "name": "A"}),
        'dicom.scp.aeTitles: entries 0 and 1 have the same name "A"',
    ),
    (
        {"dicom": {"scu": {"aeTitle": ""}}},
        'dicom.scu.aeTitle: "" is wrong: an AE title must not be empty or blank',
    ),
    # hosts
    (sources({"aeTitle": "CT1"}), "dicom.scp.sources[0].hostIp: it is required, and missing"),
    *[
        (
            host(text),
            (
                f"dicom.scp.sources[0].hostIp: {json.dumps(text)} is wrong:"
                " it is neither an IP address nor a host name"
            ),
        )
        for text in ("", "10.0.0.300", "10.0.0", "a b", "-ct", "ct..local", "x" * 64, "fe80:::1")
    ],
    (
        host("10.0.0.5/24"),
        (
            'dicom.scp.sources[0].hostIp: "10.0.0.5/24" is wrong:'
            " it is not a network in CIDR notation (10.0.0.5/24 has host bits set)"
        ),
    ),
    (
        host("10.0.0.0/33"),
        (
            'dicom.scp.sources[0].hostIp: "10.0.0.0/33" is wrong:'
            " it is not a network in CIDR notation"
            " ('10.0.0.0/33' does not appear to be an IPv4 or IPv6 network)"
        ),
    ),
    (
        scp(host="10.0.0.0/8"),
        'dicom.scp.host: "10.0.0.0/8" is wrong: one machine is needed here, not a network',
    ),
    (
        sources({"aeTitle": "A", "hostIp": "10.0.0.5"}, {"aeTitle": "A", "hostIp": "10.0.0.5"}),
        'dicom.scp.sources: entries 0 and 1 have the same aeTitle and hostIp "A" at "10.0.0.5"',
    ),
    (
        sources({"aeTitle": "A", "hostIp": "a", "name": "n"}, {"aeTitle": "B", "hosts": ["b"], "name": "n"}),
        'dicom.scp.sources: several entries have the same name "n"',
    ),
    # what is secret
    (
        {"registry": {"url": "mysql://user:secret@db/x"}},
        "registry.url: it must be of the form postgresql://user:password@host:5432/database",
    ),
    # UIDs
    (
        titles({"aeTitle": "A", "ignoredSopClasses": ["1.2.840.10008.1.1", "1.02"]}),
        (
            'dicom.scp.aeTitles[0].ignoredSopClasses[1]: "1.02" is wrong:'
            " a UID is numbers without leading zeros, joined by dots (1.2.840.10008.1.1)"
        ),
    ),
    (
        scp(verification={"transferSyntaxes": ["1." + "2" * 63]}),
        (
            f'dicom.scp.verification.transferSyntaxes[0]: "1.{"2" * 63}" is wrong:'
            " a UID has at most 64 characters, this one has 65"
        ),
    ),
    (
        scp(verification={"transferSyntaxes": []}),
        ("dicom.scp.verification.transferSyntaxes: an empty list is wrong: expected a list, not empty"),
    ),
    # mapped sections
    (
        {"Serilog": {"MinimumLevel": "Informaton"}, "dicom": {}},
        (
            'Serilog.MinimumLevel: log.level: "Informaton" is wrong:'
            " expected one of debug, error, fatal, info, warning"
        ),
    ),
    (
        {"Logging": {"LogLevel": {"Default": 3}}, "dicom": {}},
        (
            "Logging.LogLevel.Default: log.level: 3 is wrong:"
            " expected one of debug, error, fatal, info, warning"
        ),
    ),
]


@pytest.mark.parametrize(("document", "message"), ONE_FAULT, ids=[m[:60] for _, m in ONE_FAULT])
def test_each_fault_is_named(tmp_path: Path, document, message):
    file = tmp_path / "site.json"
    file.write_text(json.dumps(document))
    with pytest.raises(FaultyConfigurationError) as caught:
        load(file, {}, {})
    assert str(caught.value) == f"1 fault in the configuration:\n  {file}: {message}"


def test_all_faults_are_reported_at_once(tmp_path: Path):
    file = tmp_path / "site.json"
    document = {
        "dicom": {"scp": {"prot": 1, "aeTitles": [{"aeTitle": ""}, {"aeTitle": "A", "nmae": "x"}]}},
        "storage": {"ioThreads": 65},
    }
    file.write_text(json.dumps(document))
    environ = {"PORT104_STORAGE__IOTHREAD": "4", "PORT104_LOG__LEVEL": "loud"}
    with pytest.raises(FaultyConfigurationError) as caught:
        load(file, environ, {"--port": (PORT, "x")})
    places = [(fault.origin, fault.path) for fault in caught.value.faults]
    assert places == [
        ("environment PORT104_STORAGE__IOTHREAD", ()),
        (str(file), ("dicom", "scp", "prot")),
        (str(file), ("dicom", "scp", "aeTitles", 1, "nmae")),
        (str(file), ("dicom", "scp", "aeTitles", 0, "aeTitle")),
        (str(file), ("storage", "ioThreads")),
        ("environment PORT104_LOG__LEVEL", ("log", "level")),
        ("flag --port", ("dicom", "scp", "port")),
    ]


def test_a_wrong_value_that_is_overridden_is_still_a_fault(tmp_path: Path):
    file = tmp_path / "site.json"
    file.write_text('{"dicom": {"scp": {"port": "x"}}}')
    with pytest.raises(FaultyConfigurationError, match=r"site\.json: dicom\.scp\.port"):
        load(file, {}, {"--port": (PORT, "11112")})


def test_a_faulty_entry_does_not_hide_that_others_are_the_same(tmp_path: Path):
    file = tmp_path / "site.json"
    file.write_text(json.dumps(titles({}, {}, {"aeTitle": "A"}, {"aeTitle": "A"})))
    with pytest.raises(FaultyConfigurationError) as caught:
        load(file, {}, {})
    assert [fault.reason for fault in caught.value.faults] == [
        "it is required, and missing",
        "it is required, and missing",
        'entries 2 and 3 have the same aeTitle "A"',
    ]


def test_messages_are_safe_to_print(tmp_path: Path):
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"dicom": {"\x1b[2J\r\n": 1}}))
    with pytest.raises(ConfigurationError) as caught:
        load(file, {}, {})
    assert all(line.isprintable() for line in str(caught.value).split("\n"))
    assert "\\x1b[2J\\x0d\\x0a" in str(caught.value)
