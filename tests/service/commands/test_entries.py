"""The verbs over the store itself: what they keep, print and exit with."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from port104.registry.store.opening import FILE_NAME

COVIDAET = ("create", "aetitle", "-a", "COVIDAET", "pipeline-covid=17")
MYPACS = ("create", "src", "-a", "MYPACS", "-i", "10.0.0.5")
DESTINATION = ("create", "dest", "-n", "MYPACS", "-a", "MYPACSAET", "-i", "10.0.0.5", "-p", "1104")


ONE = "a pipeline is one of command, webhook, folder and kubernetes"
SCRIPT = ("create", "pipeline", "-n", "covid", "--command", "python3 '/opt/my covid.py'")


def shown(run, kind, name):
    code, out, _ = run("show", kind, name, "-o", "json")
    assert code == 0
    return json.loads(out)


def test_the_walk_through(run, folder):
    assert run(*SCRIPT, "--id", "17") == (0, "17\n", "")
    for command, done in (
        (COVIDAET, 'created AE title "COVIDAET"'),
        (MYPACS, 'created source "MYPACS"'),
        (DESTINATION, 'created destination "MYPACS"'),
    ):
        code, out, err = run(*command)
        assert (code, out, err) == (0, f"{done} (no port104 runs here; kept in {folder / FILE_NAME})\n", "")
    assert run("list", "aetitle")[1] == "COVIDAET\tCOVIDAET\tpipeline-covid=17\t\t\t\t\t\n"
    assert run("list", "src")[1] == "MYPACS\tMYPACS\t10.0.0.5\t\t\t\t\n"
    assert run("list", "dest")[1] == "MYPACS\tMYPACSAET\t10.0.0.5\t1104\t\t\t2\t1\t\n"
    assert run("delete", "src", "MYPACS")[0] == 0
    assert run("list", "src") == (0, "", "")


def test_every_flag_of_an_ae_title(run, folder):
    code, out, _ = run(
        *("create", "aetitle", "-a", "A", "-n", "named", "--overwrite", "--maximum-object-size", "5"),
        *("--ignored-sop-classes", "1.2.3,1.2.4", "--allowed-sop-classes", "1.2.5"),
        *("--allowed-sop-classes", "1.2.6", "--transfer-syntaxes", "1.2.840.10008.1.2", "--processor", "p"),
        *("--group-by", "StudyInstanceUID", "--timeout", "30", "--priority", "higher"),
        *("--job-retry-delay", "9", "pipeline-a=1", "pipeline-b=x=y", "-o", "json"),
    )
    assert code == 0
    assert json.loads(out) == {
        "aeTitle": "A",
        "name": "named",
        "overwriteSameInstance": True,
        "ignoredSopClasses": ["1.2.3", "1.2.4"],
        "allowedSopClasses": ["1.2.5", "1.2.6"],
        "acceptedTransferSyntaxes": ["1.2.840.10008.1.2"],
        "maximumObjectSize": 5,
        "processor": "p",
        "processorSettings": {
            "groupBy": "0020,000D",
            "jobRetryDelay": 9,
            "pipeline-a": "1",
            "pipeline-b": "x=y",
            "priority": "higher",
            "timeout": 30,
        },
        "origin": None,
    }


def test_every_flag_of_a_source_and_a_destination(run, folder):
    run(
        *("create", "src", "-a", "CT1", "-n", "ct", "-i", "10.0.0.0/24,10.1.0.1", "--host", "ct1.local"),
        *("--allowed-sop-classes", "1.2.3", "--ignored-sop-classes", "1.2.3"),
        *("--certificate-names", "ct1.local", "--certificate-fingerprints", "AB:" * 31 + "AB"),
    )
    assert shown(run, "src", "ct") == {
        "aeTitle": "CT1",
        "name": "ct",
        "hostIp": None,
        "hosts": ["10.0.0.0/24", "10.1.0.1", "ct1.local"],
        "ignoredSopClasses": ["1.2.3"],
        "allowedSopClasses": ["1.2.3"],
        "certificateFingerprints": ["ab" * 32],
        "certificateNames": ["ct1.local"],
        "origin": None,
    }
    run(
        *DESTINATION,
        "--tls",
        "--associations",
        "4",
        "--storage-commitment",
        "--window",
        "8",
        "--conversion",
        "lossless",
    )
    pacs = {
        "name": "MYPACS",
        "aeTitle": "MYPACSAET",
        "hostIp": "10.0.0.5",
        "port": 1104,
        "url": None,
        "tokenFile": None,
        "headersFile": None,
        "tls": True,
        "conversion": "lossless",
        "associations": 4,
        "storageCommitment": True,
        "window": 8,
        "origin": None,
    }
    assert shown(run, "dest", "MYPACS") == pacs
    url = "https://pacs.example/dicom-web"
    files = ("--dicomweb-token-file", "/run/token", "--dicomweb-headers-file", "/run/headers")
    run("update", "dest", "MYPACS", "--dicomweb", url, *files)
    web = {"url": url, "tokenFile": "/run/token", "headersFile": "/run/headers"}
    none = {"aeTitle": None, "hostIp": None, "port": None, "tls": False}
    none |= {"conversion": "none", "storageCommitment": False}
    assert shown(run, "dest", "MYPACS") == pacs | web | none, "it is called in one way only"
    run(
        "update",
        "dest",
        "MYPACS",
        "-a",
        "MYPACSAET",
        "-i",
        "10.0.0.5",
        "-p",
        "1104",
        "--tls",
        "--storage-commitment",
        "--conversion",
        "lossless",
    )
    assert shown(run, "dest", "MYPACS") == pacs


def test_every_flag_of_a_pipeline(run, folder):
    code, out, _ = run(
        *(*SCRIPT, "-e", "THREADS=4", "--environment", "PAIR=a=b, c", "--concurrency", "2"),
        *("--memory", "4000000", "--cpu-seconds", "60"),
        *("--time-limit", "0.5", "--retries", "0", "--destination", "MYPACS", "--destination", "ward 7, CT"),
        *("-o", "json"),
    )
    assert code == 0
    made = json.loads(out)
    assert re.fullmatch("[0-9a-f]{16}", made["id"])
    assert made == {
        "name": "covid",
        "id": made["id"],
        "command": ["python3", "/opt/my covid.py"],
        "environment": {"PAIR": "a=b, c", "THREADS": "4"},
        "limits": {"memory": 4000000, "openFiles": 0, "cpuSeconds": 60},
        "webhook": None,
        "webhookSecretFile": None,
        "folder": None,
        "kubernetes": None,
        "concurrency": 2,
        "timeLimit": 0.5,
        "retries": 0,
        "destinations": ["MYPACS", "ward 7, CT"],
        "origin": None,
    }
    webhook = ("--webhook", "https://x.example/", "--webhook-secret-file", "/run/secret")
    assert run("create", "pipeline", "-n", "told", *webhook)[0] == 0
    found = shown(run, "pipeline", "told")
    assert (found["webhook"], found["webhookSecretFile"]) == ("https://x.example/", "/run/secret")
    assert run("list", "pipeline")[1].splitlines() == [
        f"covid\t{made['id']}\tpython3 '/opt/my covid.py'\t\t\t\t2\t0.5\t0\tMYPACS, ward 7, CT\t",
        f"told\t{found['id']}\t\thttps://x.example/\t\t\t1\t3600.0\t3\t\t",
    ]


def test_a_pipeline_that_is_a_job(run, folder):
    create = ("create", "pipeline", "-n", "lung", "--image", "lung:2", "-e", "THREADS=4")
    flags = (
        "--image-command",
        "python3 -m lung",
        "--image-args",
        "--fast 'a b'",
        "--service-account",
        "lung",
    )
    amounts = ("--limit", "nvidia.com/gpu=1", "--limit", "memory=8Gi", "--request", "cpu=2")
    assert run(*create, *flags, *amounts, "--node-selector", "gpu=a100")[0] == 0
    found = shown(run, "pipeline", "lung")
    job = found["kubernetes"]
    assert (job["command"], job["args"]) == (["python3", "-m", "lung"], ["--fast", "a b"])
    assert (job["requests"], job["limits"]) == ({"cpu": "2"}, {"memory": "8Gi", "nvidia.com/gpu": "1"})
    assert (job["nodeSelector"], job["serviceAccountName"]) == ({"gpu": "a100"}, "lung")
    assert "\tlung:2\t" in run("list", "pipeline")[1]
    assert run("update", "pipeline", "lung", "--image", "lung:3", "--limit", "memory=")[0] == 0
    changed = found | {"kubernetes": job | {"image": "lung:3", "limits": {"nvidia.com/gpu": "1"}}}
    assert shown(run, "pipeline", "lung") == changed
    assert run("update", "pipeline", "lung", "--command", "true")[0] == 0
    assert shown(run, "pipeline", "lung") == changed | {"kubernetes": None, "command": ["true"]}
    assert run("update", "pipeline", "lung", "--image", "lung:2")[0] == 0
    assert shown(run, "pipeline", "lung")["kubernetes"]["limits"] == {}
    assert shown(run, "pipeline", "lung")["environment"] == {"THREADS": "4"}
    code, _, err = run("create", "pipeline", "-n", "other", "--limit", "nvidia.com/gpu=many", "--image", "x")
    assert code == 2
    assert "--limit (kubernetes.limits.nvidia.com/gpu): expected a quantity" in err


def test_a_pipeline_gives_up_what_it_was_and_keeps_its_id(run, folder):
    run(*SCRIPT, "-e", "A=1", "-e", "B=2", "--memory", "5")
    update = ("update", "pipeline", "covid")
    before = shown(run, "pipeline", "covid")
    assert run(*update, "-e", "A=", "-e", "C=3", "--time-limit", "60")[0] == 0
    assert shown(run, "pipeline", "covid") == before | {
        "environment": {"B": "2", "C": "3"},
        "timeLimit": 60.0,
    }
    assert run(*update, *SCRIPT[4:])[1].startswith('unchanged: pipeline "covid"')
    assert run(*update, "--open-files", "6")[0] == 0
    assert shown(run, "pipeline", "covid")["limits"] == {"memory": 5, "openFiles": 6, "cpuSeconds": 0}
    assert run(*update, "--webhook", "http://x/", "--webhook-secret-file", "/s", "-n", "renamed")[0] == 0
    told = before | {
        "name": "renamed",
        "command": [],
        "environment": {},
        "limits": {"memory": 0, "openFiles": 0, "cpuSeconds": 0},
        "webhook": "http://x/",
        "webhookSecretFile": "/s",
        "timeLimit": 60.0,
    }
    assert shown(run, "pipeline", "renamed") == told
    assert run("update", "pipeline", "renamed", "--folder", "/srv/in", "--destination", "D")[0] == 0
    dropped = told | {"webhook": None, "webhookSecretFile": None, "folder": "/srv/in", "destinations": ["D"]}
    assert shown(run, "pipeline", "renamed") == dropped
    unchanged = run("update", "pipeline", "renamed", "--folder", "/srv/in")
    assert unchanged[1].startswith('unchanged: pipeline "renamed"')
    assert run("update", "pipeline", "renamed", "--destination", "")[0] == 0
    assert shown(run, "pipeline", "renamed") == dropped | {"destinations": []}
    code, _, err = run("update", "pipeline", "renamed", "--id", "x")
    assert code == 2
    assert "No such option" in err


def test_the_pipeline_id_is_alone_in_a_pipe_and_said_on_a_terminal(run, folder, monkeypatch):
    monkeypatch.setattr("port104.service.commands.entries.is_terminal", lambda: True)
    code, out, _ = run(*SCRIPT, "--id", "17")
    assert (code, out.splitlines()[1:]) == (0, ["its PIPELINE-ID: 17"])
    assert out.startswith('created pipeline "covid" (no port104 runs here; ')


def test_what_is_lacking_is_said_and_no_failure(run, folder):
    lacks = 'warning: the AE title "COVIDAET" names the pipeline "17", which there is not: create it, or'
    code, out, err = run(*COVIDAET)
    assert (code, out.startswith('created AE title "COVIDAET"')) == (0, True)
    assert err.startswith(lacks)
    assert run("update", "aetitle", "COVIDAET", "--overwrite")[2].startswith(lacks)
    assert run(*SCRIPT, "--id", "17")[2] == ""
    assert run("update", "aetitle", "COVIDAET", "--no-overwrite")[2] == ""
    code, out, err = run("delete", "pipeline", "covid")
    assert (code, out.startswith('deleted pipeline "covid"')) == (0, True)
    assert err.startswith(lacks)


def test_update_changes_what_is_given(run, folder):
    run(*COVIDAET, "--timeout", "30", "--ignored-sop-classes", "1.2.3", "group-by=0020,000E")
    before = shown(run, "aetitle", "COVIDAET")
    update = ("update", "aetitle", "COVIDAET")
    assert run(*update, "pipeline-covid=", "pipeline-other=18", "groupBy=", "--overwrite")[0] == 0
    after = shown(run, "aetitle", "COVIDAET")
    assert after == before | {
        "overwriteSameInstance": True,
        "processorSettings": {"pipeline-other": "18", "timeout": 30},
    }
    code, out, _ = run(*update, "--ignored-sop-classes", "", "--no-overwrite", "-a", "OTHER", "-o", "yaml")
    assert code == 0
    assert yaml.safe_load(out) == after | {
        "ignoredSopClasses": [],
        "overwriteSameInstance": False,
        "aeTitle": "OTHER",
    }
    assert run(*update, "-n", "renamed")[1].startswith('updated AE title "renamed"')
    assert run("show", "aetitle", "COVIDAET")[0] == 1


def test_update_of_hosts_replaces_them_all(run, folder):
    run(*MYPACS)
    assert run("update", "src", "MYPACS", "-i", "10.0.0.6", "-i", "10.0.0.7")[0] == 0
    assert run("list", "src")[1] == "MYPACS\tMYPACS\t10.0.0.6, 10.0.0.7\t\t\t\t\n"
    assert run("update", "src", "MYPACS", "-i", "10.0.0.8")[0] == 0
    assert run("list", "src")[1] == "MYPACS\tMYPACS\t10.0.0.8\t\t\t\t\n"


def test_a_source_keeps_one_host_at_least(run, folder):
    run(*MYPACS)
    code, _, err = run("update", "src", "MYPACS", "-i", "")
    assert code == 2
    assert "-i/--host (hostIp): it is required, and missing" in err
    assert run("list", "src")[1] == "MYPACS\tMYPACS\t10.0.0.5\t\t\t\t\n"


def test_update_with_nothing_to_change(run, folder):
    run(*COVIDAET)
    before = (folder / FILE_NAME).read_bytes()
    code, out, _ = run("update", "aetitle", "COVIDAET", "-a", "COVIDAET", "--no-overwrite")
    assert code == 0
    assert out.startswith('unchanged: AE title "COVIDAET"')
    code, _, err = run("update", "aetitle", "COVIDAET")
    assert code == 2
    assert "nothing to change: give what is to be other than it is" in err
    assert (folder / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (COVIDAET, 1, "-n/--name (name): there is an AE title"),
        (
            ("create", "aetitle", "-n", "x", "-a", "COVIDAET"),
            1,
            "-a/--ae-title (aeTitle): there is an AE title",
        ),
        (("delete", "aetitle", "COVIDEAT"), 1, 'there is no AE title "COVIDEAT"; did you mean "COVIDAET"?'),
        (("show", "src", "X"), 1, 'there is no source "X": see port104 list src'),
        (("update", "dest", "X", "-p", "1"), 1, 'there is no destination "X": see port104 list dest'),
        (("create", "src", "-a", "X"), 2, "-i/--host (hostIp): it is required, and missing"),
        (
            ("create", "src", "-a", "X", "-i", "10.0.0.5/24"),
            2,
            '-i/--host (hosts[0]): "10.0.0.5/24" is wrong',
        ),
        (("create", "aetitle", "-a", "A" * 17), 2, "-a/--ae-title (aeTitle): "),
        (("create", "aetitle", "-a", "X", "--timeout", "x"), 2, "--timeout (processorSettings.timeout): "),
        (
            ("create", "aetitle", "-a", "X", "timeuot=5"),
            2,
            "timeuot= (processorSettings.timeuot): unknown key",
        ),
        (("create", "aetitle", "-a", "X", "covid"), 2, "'covid' is not of the form KEY=VALUE"),
        (("create", "dest", "-p", "x"), 2, "'x' is not a valid integer"),
        (("create", "aetitel"), 2, "No such command 'aetitel'. Did you mean 'aetitle'?"),
        (("create", "aetitle", "--ae-titel", "X"), 2, "Did you mean '--ae-title'?"),
        (
            ("create", "pipeline", "-n", "X"),
            2,
            f"--command (command): {ONE}, and none of them",
        ),
        (
            ("create", "pipeline", "-n", "X", "--command", "a", "--folder", "/x"),
            2,
            f"--folder (folder): {ONE}, and command is given too",
        ),
        (("create", "pipeline", "-n", "X", "--command", "'a"), 2, '--command (command): "\'a" is wrong: a q'),
        (("create", "pipeline", "-n", "X", "--folder", "x"), 2, "--folder (folder): "),
        (
            ("create", "pipeline", "-n", "X", "--command", "a", "-e", "1=2"),
            2,
            "-e/--environment (environment.1): a variable's name has",
        ),
        (
            ("create", "pipeline", "-n", "X", "--command", "a", "--memory", "-1"),
            2,
            "--memory (limits.memory): -1 is wrong",
        ),
        (("create", "pipeline", "-n", "X", "--folder", "/x", "-e", "a"), 2, "'a' is not of the form"),
        (("create", "pipeline", "-n", "X", "--folder", "/x", "--id", "a b"), 2, "--id (id): "),
        (("token", "create", " ", "--scope", "read"), 2, "faulty token: it must not be empty"),
    ],
)
def test_errors_say_what_to_do(run, folder, command, code, message):
    run(*COVIDAET)
    found, out, err = run(*command)
    assert (found, out) == (code, "")
    assert message in err


def test_several_faults_are_said_at_once(run, folder):
    code, _, err = run("create", "aetitle", "-a", "A" * 17, "--timeout", "x")
    assert code == 2
    assert err.splitlines()[0] == "port104: 2 faults:"
    assert [line.split(" (")[0] for line in err.splitlines()[1:]] == ["  -a/--ae-title", "  --timeout"]


def test_entries_of_the_configuration_are_shown_and_stay(run, tmp_path, folder):
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"dicom": {"scp": {"aeTitles": [{"aeTitle": "GIVEN"}]}}}))
    run(*COVIDAET, "-f", file)
    origin = f"{file}: dicom.scp.aeTitles[0]"
    assert run("list", "aetitle", "-f", file)[1].splitlines()[1] == f"GIVEN\tGIVEN\t\t\t\t\t\t{origin}"
    code, _, err = run("delete", "aetitle", "GIVEN", "-f", file)
    assert (code, err) == (
        1,
        f'port104: the AE title "GIVEN" stands in the configuration: change it there ({origin})\n',
    )
    code, _, err = run("update", "aetitle", "GIVEN", "--overwrite", "-f", file)
    assert code == 1
    assert "stands in the configuration" in err


def test_other_words_for_kinds(run, folder):
    assert run("create", "claraaet", "-a", "A")[0] == 0
    assert run("create", "source", "-a", "A", "-i", "10.0.0.1")[0] == 0
    assert run("create", "dst", "-n", "D", "-a", "A", "-i", "10.0.0.1", "-p", "104")[0] == 0
    for words, kind in (
        (("aet", "claraaet"), "aetitle"),
        (("source",), "src"),
        (("dst", "destination"), "dest"),
    ):
        for word in words:
            assert run("list", word)[1] == run("list", kind)[1] != ""


def test_a_table_on_a_terminal_has_no_empty_columns(run, folder, monkeypatch):
    monkeypatch.setattr("port104.service.commands.output.is_terminal", lambda: True)
    run(*COVIDAET)
    code, out, _ = run("list", "aetitle")
    assert code == 0
    assert "pipeline-covid=17" in out
    assert "transfer syntaxes" not in out
    assert "origin" in run("show", "aetitle", "COVIDAET")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("list", "aetitle")[1]


def test_long_columns_are_folded_not_cut(run, folder, monkeypatch):
    monkeypatch.setattr("port104.service.commands.output.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    run("create", "src", "-a", "A", *(part for n in range(20) for part in ("-i", f"10.0.0.{n}")))
    lines = run("list", "src")[1].splitlines()
    assert all(len(line) <= 60 for line in lines)
    cells = "".join(line.split("│")[3].strip() for line in lines if line.startswith("│"))
    assert cells.replace(" ", "") == ",".join(f"10.0.0.{n}" for n in range(20))


def test_tokens(run, folder):
    code, secret, _ = run("token", "create", "ops", "--scope", "admin")
    assert code == 0
    assert secret.startswith("port104_")
    [line] = run("token", "list")[1].splitlines()
    assert line.split("\t")[:2] == ["ops", "admin"]
    [token] = json.loads(run("token", "list", "-o", "json")[1])
    assert {*token} == {"name", "scope", "created"}
    assert run("token", "create", "ops", "--scope", "read")[0] == 1
    made = json.loads(run("token", "create", "read", "--scope", "read", "-o", "json")[1])
    assert {*made} == {"name", "scope", "secret"}
    assert run("token", "delete", "ops")[0] == 0
    assert run("token", "delete", "ops")[0] == 1
    assert secret.strip() not in (folder / FILE_NAME).read_bytes().decode("latin-1")


def test_completion_of_names(run, folder):
    run(*COVIDAET)
    run("create", "aetitle", "-a", "OTHER")
    run("token", "create", "ops", "--scope", "read")

    def completed(*words):
        environ = os.environ | {
            "_PORT104_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["port104", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [sys.executable, "-m", "port104"], env=environ, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return [line.split(",")[1] for line in done.stdout.splitlines() if line]

    assert completed("delete", "aetitle", "COV") == ["COVIDAET"]
    assert completed("show", "aetitle", "") == ["COVIDAET", "OTHER"]
    assert completed("token", "delete", "o") == ["ops"]
    assert completed("show", "src", "-f", "/missing", "") == []
    assert completed("update", "d") == ["dest"]
    run(*SCRIPT)
    assert completed("show", "pipeline", "") == ["covid"]
