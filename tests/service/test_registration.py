"""Settings and documents -> entries, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.registry.entries import Destination, Limits, LocalAE, Pipeline, Source
from port104.registry.faults import RegistryError
from port104.registry.job_templates import JobTemplate, JobVolume, Toleration
from port104.service import schema
from port104.service.configuration import FaultyConfigurationError, load
from port104.service.registration import (
    KINDS,
    FaultyEntryError,
    defaults_from,
    document_of,
    kind_of,
    read_entry,
)
from port104.service.settings.destinations import DestinationSettings
from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.pipelines import LimitsSettings, PipelineSettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.scu import ScuSettings
from port104.service.settings.sources import SourceSettings, source_names
from port104.service.settings.tree import DicomSettings, Settings


def test_every_entry_arrives_whole():
    scp = ScpSettings(
        ae_titles=(
            LocalAESettings(
                ae_title="A",
                name="first",
                overwrite_same_instance=True,
                ignored_sop_classes=("1.2", "1.3"),
                allowed_sop_classes=("1.4",),
                maximum_object_size=1000,
                accepted_transfer_syntaxes=("1.2.840.10008.1.2",),
                processor="P",
                processor_settings={"timeout": 5},
            ),
            LocalAESettings(ae_title="B"),
        ),
        sources=(
            SourceSettings(ae_title="CT1", host_ip="ct1.local"),
            SourceSettings(
                ae_title="US1",
                host_ip="10.0.0.0/8",
                hosts=("::1", "10.0.0.0/8"),
                ignored_sop_classes=("1.5",),
                allowed_sop_classes=("1.5", "1.6"),
            ),
        ),
    )
    scu = ScuSettings(
        destinations=(
            DestinationSettings(name="D", ae_title="PACS", host_ip="::1", port=1104, tls=True, window=4),
            DestinationSettings(name="W", url="http://w", token_file="/t", headers_file="/h", associations=3),
        )
    )
    pipelines = (
        PipelineSettings(
            name="covid",
            id="17",
            command="python3 '/opt/my covid.py'",
            environment={"A": "1"},
            limits=LimitsSettings(memory=5, open_files=6, cpu_seconds=7),
            concurrency=2,
            time_limit=60.0,
            retries=0,
            destinations=("D",),
        ),
        PipelineSettings(name="told", id="18", webhook="https://x.example/", webhook_secret_file="/s"),
        PipelineSettings(name="dropped", folder="/srv/in"),
    )
    kept = defaults_from(Settings(dicom=DicomSettings(scp=scp, scu=scu), pipelines=pipelines), {})
    assert [each.entry for each in kept] == [
        LocalAE(
            ae_title="A",
            name="first",
            overwrite_same_instance=True,
            ignored_sop_classes=frozenset({"1.2", "1.3"}),
            allowed_sop_classes=frozenset({"1.4"}),
            maximum_object_size=1000,
            accepted_transfer_syntaxes=frozenset({"1.2.840.10008.1.2"}),
            processor="P",
            processor_settings={"timeout": 5},
        ),
        LocalAE(ae_title="B", name="B"),
        Source(ae_title="CT1", hosts=("ct1.local",)),
        Source(
            ae_title="US1",
            hosts=("10.0.0.0/8", "::1"),
            ignored_sop_classes=frozenset({"1.5"}),
            allowed_sop_classes=frozenset({"1.5", "1.6"}),
        ),
        Destination(name="D", ae_title="PACS", host="::1", port=1104, tls=True, window=4),
        Destination(name="W", url="http://w", token_file="/t", headers_file="/h", associations=3),
        Pipeline(
            name="covid",
            id="17",
            command=("python3", "/opt/my covid.py"),
            environment={"A": "1"},
            limits=Limits(memory=5, open_files=6, cpu_seconds=7),
            concurrency=2,
            time_limit=60.0,
            retries=0,
            destinations=("D",),
        ),
        Pipeline(name="told", id="18", webhook="https://x.example/", webhook_secret_file="/s"),
        Pipeline(name="dropped", id="e7cd9c3ab5da1895", folder="/srv/in"),
    ]


# ---- documents ----

AE_TITLES = st.from_regex(r"[A-Z][A-Z0-9_]{0,15}", fullmatch=True)
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=64)
UIDS = st.frozensets(st.sampled_from(["1.2", "1.2.3", "2.25.1"]))
HOSTS = st.sampled_from(["10.0.0.5", "10.0.0.0/8", "fd00::/8", "ct1.local"])
PROCESSOR_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.integers(1, 100),
        "groupBy": st.just("0020,000E"),
        "priority": st.sampled_from(["lower", "immediate"]),
        "pipeline-a": NAMES,
    },
)
VOLUMES = (
    JobVolume(mount_path="/models", claim="models", sub_path="lung/2", read_only=True),
    JobVolume(mount_path="/licence", secret="licence"),
    JobVolume(mount_path="/etc/lung", config_map="lung.conf"),
    JobVolume(mount_path="/dev/shm", memory="2Gi"),
    JobVolume(mount_path="/scratch", scratch="1.5Gi"),
)
TOLERATIONS = (
    Toleration(operator="Exists"),
    Toleration(key="gpu", value="yes", effect="NoExecute", toleration_seconds=5),
)
ENTRIES = st.one_of(
    st.builds(
        LocalAE,
        ae_title=AE_TITLES,
        name=NAMES,
        overwrite_same_instance=st.booleans(),
        ignored_sop_classes=UIDS,
        allowed_sop_classes=UIDS,
        accepted_transfer_syntaxes=UIDS,
        maximum_object_size=st.none() | st.integers(0, 1 << 40),
        processor=NAMES,
        processor_settings=PROCESSOR_SETTINGS,
    ),
    st.builds(
        Source,
        ae_title=AE_TITLES,
        name=NAMES,
        hosts=st.lists(HOSTS, min_size=1, unique=True).map(tuple),
        ignored_sop_classes=UIDS,
        allowed_sop_classes=UIDS,
        certificate_fingerprints=st.frozensets(st.sampled_from(["ab" * 32, "01" * 32])),
        certificate_names=st.frozensets(st.sampled_from(["ct1", "a b"])),
    ),
    st.builds(
        Destination,
        ae_title=AE_TITLES,
        name=NAMES,
        host=st.sampled_from(["10.0.0.5", "pacs.local"]),
        port=st.integers(1, 65535),
        tls=st.booleans(),
        conversion=st.sampled_from(["none", "lossless"]),
        window=st.integers(1, 256),
    ),
    st.builds(
        Destination,
        name=NAMES,
        url=st.sampled_from(["http://x", "https://[::1]:8443/dicom-web/"]),
        token_file=st.none() | st.just("/run/token"),
        headers_file=st.none() | st.just("/run/headers"),
        associations=st.integers(1, 100),
    ),
    st.builds(
        Pipeline,
        name=NAMES,
        id=st.from_regex(r"[A-Za-z0-9._-]{0,64}", fullmatch=True),
        command=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1).map(
            lambda words: ("x", *words)
        ),
        limits=st.builds(Limits, memory=st.integers(0, 1 << 50), open_files=st.integers(0, 9)),
        environment=st.dictionaries(st.sampled_from(["A", "b_1", "_"]), NAMES),
        concurrency=st.integers(1, 10_000),
        time_limit=st.floats(0, 2_592_000),
        retries=st.integers(0, 1000),
        destinations=st.lists(NAMES).map(tuple),
    ),
    st.builds(
        Pipeline,
        name=NAMES,
        kubernetes=st.builds(
            JobTemplate,
            image=st.sampled_from(["lung", "registry.example:5000/a/lung@sha256:0"]),
            command=st.lists(NAMES, max_size=2).map(tuple),
            args=st.lists(NAMES, max_size=2).map(tuple),
            requests=st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["500m", "2"])),
            limits=st.dictionaries(st.just("nvidia.com/gpu"), st.integers(0, 9).map(str)),
            volumes=st.sampled_from(VOLUMES).map(lambda each: (each,)),
            node_selector=st.dictionaries(st.just("example.com/gpu"), st.sampled_from(["", "a100"])),
            tolerations=st.lists(st.sampled_from(TOLERATIONS)).map(tuple),
            image_pull_secrets=st.lists(st.sampled_from(["a", "b.c"])).map(tuple),
            image_pull_policy=st.sampled_from(["Always", "Never"]),
            payload=st.just("objectStore"),
            payload_size=st.sampled_from(["", "20Gi"]),
            ttl_seconds_after_finished=st.integers(0, 100),
        ),
        environment=st.dictionaries(st.sampled_from(["A", "b_1"]), NAMES),
    ),
    st.builds(
        Pipeline,
        name=NAMES,
        webhook=st.sampled_from(["http://x/", "https://[::1]:8443/a?b=c"]),
        webhook_secret_file=st.none() | st.just("/run/secret"),
    ),
)


@given(ENTRIES)
def test_an_entry_and_its_document_are_the_same(entry):
    document = document_of(entry)
    assert read_entry(kind_of(type(entry)), document) == entry
    assert read_entry(kind_of(type(entry)), json.loads(json.dumps(document))) == entry


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.word)
def test_a_document_has_every_key(kind):
    least = {"name": "N", "aeTitle": "A", "hostIp": "::1", "port": 104, "folder": "/x"}
    known = {key.name for key in schema.keys(kind.settings)}
    document = document_of(read_entry(kind, {key: least[key] for key in least if key in known}))
    assert set(document) == known


def test_lists_are_sorted_and_a_host_stands_in_one_place():
    one = Source(ae_title="A", hosts=("10.0.0.5",), allowed_sop_classes=frozenset({"1.3", "1.2"}))
    several = Source(ae_title="A", hosts=("10.0.0.5", "10.0.0.4"))
    assert document_of(one)["allowedSopClasses"] == ["1.2", "1.3"]
    assert (document_of(one)["hostIp"], document_of(one)["hosts"]) == ("10.0.0.5", [])
    assert (document_of(several)["hostIp"], document_of(several)["hosts"]) == (None, ["10.0.0.5", "10.0.0.4"])


def test_every_fault_of_a_document_is_told_with_its_key():
    document = {"aeTitel": "A", "hostIp": "10.0.0.300", "allowedSopClasses": ["x"]}
    with pytest.raises(FaultyEntryError) as caught:
        read_entry(KINDS[1], document)
    assert isinstance(caught.value, RegistryError)
    assert [
        (schema.path_text(fault.path), fault.reason.partition(":")[0]) for fault in caught.value.faults
    ] == [
        ("aeTitel", "unknown key; did you mean aeTitle?"),
        ("aeTitle", "it is required, and missing"),
        ("hostIp", '"10.0.0.300" is wrong'),
        ("allowedSopClasses[0]", '"x" is wrong'),
    ]
    assert str(caught.value).startswith("faulty source: aeTitel: unknown key; did you mean aeTitle?; ")


def faults_of(**pipeline):
    with pytest.raises(FaultyEntryError) as caught:
        read_entry(kind_of(Pipeline), {"name": "N", **pipeline})
    return [(schema.path_text(fault.path), fault.reason) for fault in caught.value.faults]


ONE = "a pipeline is one of command, webhook, folder and kubernetes"


@pytest.mark.parametrize(
    ("pipeline", "field", "reason"),
    [
        ({}, "command", f"{ONE}, and none of them is given"),
        ({"command": ""}, "command", f"{ONE}, and none of them is given"),
        ({"command": [], "folder": None}, "command", f"{ONE}, and none of them is given"),
        ({"command": "a", "webhook": "http://x"}, "webhook", f"{ONE}, and command is given too"),
        ({"webhook": "http://x", "folder": "/x"}, "folder", f"{ONE}, and webhook is given too"),
        (
            {"folder": "/x", "environment": {"A": "1"}},
            "environment",
            "it is for a command or kubernetes, and there is neither",
        ),
        (
            {"kubernetes": {"image": "x"}, "limits": {"memory": 1}},
            "limits",
            "it is for a command, and there is none",
        ),
        (
            {"folder": "/x", "kubernetes": {"image": "x"}},
            "kubernetes",
            f"{ONE}, and folder is given too",
        ),
        (
            {"command": "a", "webhookSecretFile": "/s"},
            "webhookSecretFile",
            "it is for a webhook, and there is",
        ),
        ({"folder": "/x", "limits": {"cpuSeconds": 1}}, "limits", "it is for a command, and there is none"),
        ({"command": "a", "limits": {"cpu": 1}}, "limits.cpu", "unknown key; known here: m"),
        ({"command": "a 'b"}, "command", '"a \'b" is wrong: a quotation in it has no end'),
        ({"command": ["", "x"]}, "command", "its first word must be a program"),
        ({"command": "a\0"}, "command", '"a\\u0000" is wrong: no word may hold the character NUL'),
        ({"command": ["a", 1]}, "command", "a list is wrong: expected text or a list"),
        (
            {"command": "a", "environment": {"PORT104_X": "1"}},
            "environment.PORT104_X",
            "PORT104_... are port",
        ),
        ({"command": "a", "environment": {"A B": "1"}}, "environment.A B", "a variable's name has letters"),
        ({"command": "a", "environment": {"A": 1}}, "environment.A", "expected text"),
        ({"folder": "in"}, "folder", '"in" is wrong: expected an absolute path'),
        ({"folder": "/x", "id": ""}, "id", '"" is wrong: an ID has 1 to 64 characters'),
        ({"folder": "/x", "id": "a/b"}, "id", '"a/b" is wrong: an ID has 1 to 64 characters'),
        ({"folder": "/x", "timeLimit": -1}, "timeLimit", "-1 is wrong: expected a number from 0"),
        ({"folder": "/x", "destinations": [" "]}, "destinations[0]", '" " is wrong: it must not be empty'),
    ],
)
def test_pipelines_that_are_none(pipeline, field, reason):
    [(path, words)] = faults_of(**pipeline)
    assert (path, words[: len(reason)]) == (field, reason)


JOB_FAULTS = [
    ({"image": ""}, "image", "expected an image"),
    ({"image": "a b"}, "image", "expected an image"),
    ({"command": ["a\0"]}, "command", "no word may hold the character NUL"),
    ({"limits": {"nvidia.com/gpu": "one"}}, "limits.nvidia.com/gpu", "expected a quantity"),
    ({"limits": {"memory": True}}, "limits.memory", "expected a quantity"),
    ({"requests": {"": "1"}}, "requests.", "expected the name of a resource"),
    ({"requests": {"UP/er": 1.5}}, "requests.UP/er", "expected the name of a resource"),
    ({"payload": "s3"}, "payload", ""),
    ({"payloadSize": "20Gi"}, "payloadSize", "it is for a payload that comes by the objectStore"),
    ({"payload": "objectStore", "payloadSize": "lots"}, "payloadSize", "expected a quantity"),
    ({"volumes": [{"mountPath": "/a"}]}, "volumes[0].claim", "a volume is one of claim, secret"),
    (
        {"volumes": [{"mountPath": "/a", "claim": "b", "memory": "1Gi"}]},
        "volumes[0].memory",
        "claim is given",
    ),
    ({"volumes": [{"mountPath": "/payload/dcm", "claim": "b"}]}, "volumes[0].mountPath", "where the payload"),
    ({"volumes": [{"mountPath": "/", "claim": "b"}]}, "volumes[0].mountPath", "below /"),
    ({"volumes": [{"mountPath": "/a/../payload", "claim": "b"}]}, "volumes[0].mountPath", "below /"),
    ({"volumes": [{"mountPath": "/a", "claim": "b", "subPath": "../c"}]}, "volumes[0].subPath", "without .."),
    ({"volumes": [{"mountPath": "/a", "claim": "B"}]}, "volumes[0].claim", "a name in Kubernetes"),
    ({"volumes": [{"mountPath": "/a", "scratch": "lots"}]}, "volumes[0].scratch", "expected a quantity"),
    (
        {"volumes": [{"mountPath": "/a/", "claim": "b"}, {"mountPath": "/a", "claim": "c"}]},
        "volumes",
        "two volumes are mounted at /a",
    ),
    ({"nodeSelector": {"": "x"}}, "nodeSelector.", "a label has a key"),
    ({"nodeSelector": {"a": "x" * 64}}, "nodeSelector.a", "at most 63"),
    ({"nodeSelector": {"a": 1}}, "nodeSelector.a", "expected text"),
    ({"tolerations": [{}]}, "tolerations[0].operator", "without a key it is Exists"),
    (
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        "tolerations[0].value",
        "there is none",
    ),
    (
        {"tolerations": [{"key": "a", "tolerationSeconds": 5}]},
        "tolerations[0].tolerationSeconds",
        "NoExecute",
    ),
    ({"tolerations": [{"key": "a", "effect": "No"}]}, "tolerations[0].effect", "expected one of NoSchedule"),
    ({"imagePullSecrets": [""]}, "imagePullSecrets[0]", "a name in Kubernetes"),
    ({"hostNetwork": True}, "hostNetwork", "unknown key"),
]


@pytest.mark.parametrize(("job", "field", "reason"), JOB_FAULTS, ids=str)
def test_jobs_that_kubernetes_would_refuse(job, field, reason):
    [(path, words)] = faults_of(kubernetes={"image": "x", **job})
    assert path == f"kubernetes.{field}"
    assert reason in words


def test_a_pipeline_is_a_job_where_its_image_is_named():
    assert faults_of(kubernetes={}) == [("kubernetes.image", "it is required, and missing")]
    numbers = {"image": "x", "limits": {"nvidia.com/gpu": 1}, "node-selector": {"a/b": ""}}
    entry = read_entry(kind_of(Pipeline), {"name": "N", "kubernetes": numbers})
    assert entry.kubernetes == JobTemplate(
        image="x", limits={"nvidia.com/gpu": "1"}, node_selector={"a/b": ""}
    )
    assert document_of(Pipeline(name="N", folder="/x"))["kubernetes"] is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        *((url, "expected a URL") for url in ("x", "ftp://x", "http://", "http://x:0", "http://x:99999")),
        *((url, "expected a URL") for url in ("http://x y", "http://[x", "http://ü/", "http://x/\n")),
        ("http://user:secret@x/", "a URL is seen by many"),
        ("http://x/#part", "what follows # is never sent"),
    ],
)
def test_webhooks_that_are_none(url, reason):
    [(path, words)] = faults_of(webhook=url)
    assert path == "webhook"
    assert f"is wrong: {reason}" in words


def test_two_pipelines_of_the_configuration_have_two_ids(tmp_path):
    file = tmp_path / "site.json"
    derived = PipelineSettings(name="a", folder="/x").fixed_id
    file.write_text(
        json.dumps(
            {"pipelines": [{"name": "a", "folder": "/x"}, {"name": "b", "id": derived, "folder": "/x"}]}
        )
    )
    with pytest.raises(FaultyConfigurationError, match=f'entries 0 and 1 have the same id "{derived}"'):
        load(file, {}, {})


@pytest.mark.parametrize("name", ["a\nb", " a", "a\u202e", "x" * 65, "   "])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.word)
def test_names_are_fit_for_tables_and_urls(kind, name):
    document = {"aeTitle": "A", "name": name, "hostIp": "::1", "port": 104, "folder": "/x"}
    known = {key.name for key in schema.keys(kind.settings)}
    with pytest.raises(FaultyEntryError, match="name: "):
        read_entry(kind, {key: document[key] for key in document if key in known})


def test_entries_of_the_configuration_say_where_they_stand():
    sources = (
        SourceSettings(ae_title="CT1", host_ip="::1"),
        SourceSettings(ae_title="CT1", host_ip="10.0.0.5"),
    )
    settings = Settings(
        dicom=DicomSettings(scp=ScpSettings(ae_titles=(LocalAESettings(ae_title="A"),), sources=sources))
    )
    found = defaults_from(settings, {"dicom.scp.sources": "site.json"})
    assert [(kept.entry.name, kept.origin, kept.revision) for kept in found] == [
        ("A", "configuration: dicom.scp.aeTitles[0]", 0),
        ("CT1", "site.json: dicom.scp.sources[0]", 0),
        ("CT1@10.0.0.5", "site.json: dicom.scp.sources[1]", 0),
    ]


def named(*sources):
    return source_names([SourceSettings(**source) for source in sources])


def test_sources_get_names_that_nobody_else_has():
    first, second = {"ae_title": "A", "host_ip": "a"}, {"ae_title": "A", "host_ip": "b"}
    assert named(first, second, {"ae_title": "A", "hosts": ("b", "c")}) == ["A", "A@b", "A@b,c"]
    assert named(first, second | {"name": "A"}) == ["A@a", "A"]
    assert named(first | {"name": "x"}, second) == ["x", "A"]


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        (
            {},
            [
                "aeTitle: it is required unless",
                "hostIp: it is required unless",
                "port: it is required unless",
            ],
        ),
        (
            {"aeTitle": "A", "hostIp": "a", "port": 1, "tokenFile": "/t"},
            ["tokenFile: it is for a web server"],
        ),
        ({"aeTitle": "A", "hostIp": "a", "port": 1, "headersFile": "/t"}, ["headersFile: it is for a web"]),
        (
            {"url": "http://x", "port": 1, "tls": True},
            ["port: a destination has either", "tls: a url says it"],
        ),
        (
            {"url": "http://x/studies/"},
            ['url: "http://x/studies/" is wrong: give what stands before /studies'],
        ),
        ({"url": "http://x/?key=7"}, ['url: "http://x/?key=7" is wrong: nothing may follow ?']),
        ({"url": "http://x", "storageCommitment": True}, ["storageCommitment: a web server is not asked"]),
        ({"url": "http://x", "conversion": "lossless"}, ["conversion: it is for associations"]),
        ({"url": "x"}, ['url: "x" is wrong: expected a URL']),
    ],
)
def test_destinations_that_are_none(given, faults):
    with pytest.raises(FaultyEntryError) as refused:
        read_entry(kind_of(Destination), {"name": "D"} | given)
    found = [*map(str, refused.value.faults)]
    assert len(found) == len(faults)
    assert all(map(str.startswith, found, faults)), found
