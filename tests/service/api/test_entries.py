"""Entries by the API, as Clara's users ask for them, and as two editors do."""

import json
import re

import pytest

from api_client import ORIGIN, serving_api
from memory_store import MemoryStore
from port104.database.faults import DatabaseError
from port104.registry.registry import Admission
from port104.service import registrar as registrars

AETITLES = "/api/config/claraaetitle"
SOURCES = "/api/config/sourceaetitle"
DESTINATIONS = "/api/config/destinationaetitle"
PIPELINES = "/api/config/pipeline"
COVID = {"aeTitle": "COVIDAET", "processorSettings": {"timeout": 30, "pipeline-covid": "12345"}}
MYPACS = {"aeTitle": "MYPACS", "hostIp": "10.0.0.5"}
SCRIPT = {"name": "covid", "id": "12345", "command": ["python3", "/opt/covid.py"]}
PACS = {"name": "MYPACS", "aeTitle": "MYPACSAET", "hostIp": "10.0.0.5", "port": 1104}


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        await opened.ask("POST", PIPELINES, SCRIPT)  # which COVID names
        yield opened


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [(AETITLES, COVID, "COVIDAET"), (SOURCES, MYPACS, "MYPACS"), (DESTINATIONS, PACS, "MYPACS")],
)
async def test_the_life_of_an_entry(api, path, body, name):
    made = await api.ask("POST", path, body)
    assert (made.status, made.headers["location"]) == (201, f"{path}/{name}")
    assert {key: made.json[key] for key in body} == body
    assert (made.json["name"], made.json["origin"]) == (name, None)
    shown = await api.ask("GET", f"{path}/{name}")
    assert (shown.status, shown.json, shown.headers["etag"]) == (200, made.json, made.headers["etag"])
    assert made.json in (await api.ask("GET", path)).json
    replaced = await api.ask("PUT", f"{path}/{name}", body | {"aeTitle": "OTHER"})
    assert (replaced.status, replaced.json["aeTitle"], replaced.json["name"]) == (200, "OTHER", name)
    assert replaced.headers["etag"] != made.headers["etag"]
    deleted = await api.ask("DELETE", f"{path}/{name}")
    assert (deleted.status, deleted.json) == (200, replaced.json)
    assert (await api.ask("GET", f"{path}/{name}")).status == 404


async def test_the_life_of_a_pipeline(api):
    body = {"name": "triage", "webhook": "https://triage.example/runs", "retries": 0}
    made = await api.ask("POST", PIPELINES, body)
    assert (made.status, made.headers["location"]) == (201, f"{PIPELINES}/triage")
    assert {key: made.json[key] for key in body} == body
    assert re.fullmatch("[0-9a-f]{16}", made.json["id"])
    replaced = await api.ask("PUT", f"{PIPELINES}/triage", {"name": "other", "folder": "/srv/in"})
    assert (replaced.status, replaced.json["name"], replaced.json["webhook"]) == (200, "other", None)
    assert replaced.json["id"] == made.json["id"]
    assert (await api.ask("GET", f"{PIPELINES}/other")).json == replaced.json
    assert (await api.ask("DELETE", f"{PIPELINES}/other")).json == replaced.json
    assert [each["name"] for each in (await api.ask("GET", PIPELINES)).json] == ["covid"]


async def test_the_id_of_a_pipeline_never_changes(api):
    answer = await api.ask("PUT", f"{PIPELINES}/covid", SCRIPT | {"id": "another"})
    assert (answer.status, answer.problem, set(answer.faults)) == (409, "fixed", {"id"})
    assert "12345" in answer.json["detail"]
    answer = await api.ask("POST", PIPELINES, SCRIPT | {"name": "another"})
    assert (answer.status, answer.problem, set(answer.faults)) == (409, "duplicate", {"id"})


async def test_the_answer_to_a_change_says_what_is_lacking(api):
    lacking = "create it, or name another (port104 list pipeline)"
    words = f'the AE title "B" names the pipeline "none", which there is not: {lacking}'
    body = {"aeTitle": "B", "processorSettings": {"pipeline-a": "none", "pipeline-b": "covid"}}
    for method, path, status in (("POST", AETITLES, 201), ("PUT", f"{AETITLES}/B", 200)):
        answer = await api.ask(method, path, body)
        assert (answer.status, answer.json["warnings"]) == (status, [words])
        shown = await api.ask("GET", f"{AETITLES}/B")
        assert answer.json == shown.json | {"warnings": [words]}
        body = answer.json  # which is taken by PUT
    renamed = await api.ask("PUT", f"{PIPELINES}/covid", SCRIPT | {"name": "renamed"})
    assert renamed.json["warnings"] == [words.replace('"none"', '"covid"')]
    await api.ask("POST", AETITLES, COVID)
    deleted = await api.ask("DELETE", f"{PIPELINES}/renamed")
    assert deleted.json["warnings"] == [words.replace('"B"', '"COVIDAET"').replace('"none"', '"12345"')]
    made = await api.ask("POST", PIPELINES, {"name": "x", "folder": "/x", "destinations": ["MYPACS"]})
    [words] = made.json["warnings"]
    assert words.startswith('the pipeline "x" names the destination "MYPACS", which there is not: ')
    assert "warnings" not in (await api.ask("POST", DESTINATIONS, PACS)).json


async def test_a_source_holds_for_the_next_association(api):
    def verdict():
        return api.registrar.registry.admit("GIVEN", "MYPACS", "10.0.0.5")

    assert not isinstance(verdict(), Admission)
    await api.ask("POST", SOURCES, MYPACS)
    assert isinstance(verdict(), Admission)
    await api.ask("DELETE", f"{SOURCES}/MYPACS")
    assert not isinstance(verdict(), Admission)


async def test_both_spellings_are_read(api):
    made = await api.ask("POST", AETITLES, {"ae-title": "A", "overwrite-same-instance": True})
    assert (made.status, made.json["overwriteSameInstance"]) == (201, True)


async def test_a_name_of_any_characters(api):
    name = "ward 7/CT? #1 ü"
    made = await api.ask("POST", SOURCES, MYPACS | {"name": name})
    assert made.headers["location"] == f"{SOURCES}/ward%207%2FCT%3F%20%231%20%C3%BC"
    assert (await api.ask("GET", made.headers["location"])).json["name"] == name


# ---- what is refused ----


async def test_everything_that_is_wrong_with_a_body_is_said(api):
    body = {"aeTitle": "TOO LONG TO BE AN AE TITLE", "hostIp": "10.0.0.300", "colour": "red"}
    answer = await api.ask("POST", SOURCES, body)
    assert (answer.status, answer.problem) == (400, "faulty-entry")
    assert set(answer.faults) == {"aeTitle", "hostIp", "colour"}
    assert "at most 16 characters" in answer.faults["aeTitle"]
    assert (await api.ask("GET", SOURCES)).json == []


async def test_of_very_many_faults_the_first_are_said(api):
    answer = await api.ask("POST", SOURCES, {"aeTitle": "A", "hosts": ["bad host"] * 50_000})
    assert (answer.status, len(answer.faults)) == (400, 100)
    assert answer.json["detail"].endswith("; and 49900 more faults")
    assert len(answer.body) < 30_000


async def test_a_key_that_is_given_twice(api):
    answer = await api.ask("POST", SOURCES, raw=b'{"aeTitle": "A", "hostIp": "::1", "aeTitle": "B"}')
    assert answer.faults == {"aeTitle": "it is given more than once"}
    settings = b'{"aeTitle": "A", "processorSettings": {"timeout": 5, "timeout": 6}}'
    answer = await api.ask("POST", AETITLES, raw=settings)
    assert answer.faults == {"processorSettings.timeout": "it is given more than once"}


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'"text"',
        b'{"aeTitle": NaN}',
        b'{"processor": "\\ud800"}',
        b'{"aeTitle": "\xff"}',
        b'{"processorSettings": ' * 10_000,
        b"[" * 100_000,
        b'{"a": ' + b"1" * 5000 + b"}",
        json.dumps({f"key {number}": 1 for number in range(1001)}).encode(),
    ],
)
async def test_a_body_that_is_no_object(api, raw):
    answer = await api.ask("POST", AETITLES, raw=raw)
    assert (answer.status, answer.problem) == (400, "malformed")


async def test_a_body_that_is_no_json_by_its_own_word(api):
    answer = await api.ask("POST", AETITLES, COVID, content_type="text/plain")
    assert (answer.status, answer.problem) == (415, "media-type")


async def test_a_body_that_is_too_large(api):
    answer = await api.ask("POST", AETITLES, raw=b" " * 1_048_577)
    assert (answer.status, answer.problem) == (413, "too-large")


async def test_a_name_that_is_taken(api):
    await api.ask("POST", SOURCES, MYPACS)
    answer = await api.ask("POST", SOURCES, MYPACS)
    assert (answer.status, answer.problem, set(answer.faults)) == (409, "duplicate", {"name"})
    answer = await api.ask("POST", AETITLES, {"name": "another", "aeTitle": "GIVEN"})
    assert (answer.status, set(answer.faults)) == (409, {"aeTitle"})
    assert ORIGIN in answer.json["detail"]


async def test_an_entry_that_is_not_there(api):
    await api.ask("POST", SOURCES, MYPACS)
    for method, body in (("GET", None), ("PUT", MYPACS), ("DELETE", None)):
        answer = await api.ask(method, f"{SOURCES}/mypacs", body)
        assert (answer.status, answer.problem) == (404, "unknown-entry")
        assert 'did you mean "MYPACS"' in answer.json["detail"]


async def test_an_entry_of_the_configuration_can_only_be_changed_there(api):
    shown = await api.ask("GET", f"{AETITLES}/GIVEN")
    assert shown.json["origin"] == ORIGIN
    for method in ("PUT", "DELETE"):
        answer = await api.ask(method, f"{AETITLES}/GIVEN", shown.json)
        assert (answer.status, answer.problem) == (409, "read-only")
        assert ORIGIN in answer.json["detail"]


async def test_a_database_that_cannot_be_used(tmp_path, monkeypatch):
    store = MemoryStore()
    monkeypatch.setattr(registrars, "open_entry_store", lambda *_: store)
    async with serving_api(tmp_path) as api:
        store.fault = DatabaseError("the disk is full: free space")
        answer = await api.ask("POST", SOURCES, MYPACS)
        assert (answer.status, answer.problem) == (503, "registry-unavailable")
        assert (answer.headers["retry-after"], answer.json["detail"]) == (
            "10",
            "the disk is full: free space",
        )
        assert (await api.ask("GET", SOURCES)).status == 200
        assert (await api.ask("GET", "/health/ready")).status == 200
        status = (await api.ask("GET", "/health/status")).json
        assert status["registry"]["fault"] == "the disk is full: free space"


# ---- two editors ----


async def test_what_get_gave_is_taken_by_put(api):
    await api.ask("POST", AETITLES, COVID)
    shown = await api.ask("GET", f"{AETITLES}/COVIDAET")
    changed = shown.json | {"overwriteSameInstance": True}
    answer = await api.ask("PUT", f"{AETITLES}/COVIDAET", changed, if_match=shown.headers["etag"])
    assert (answer.status, answer.json) == (200, changed)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_the_later_editor_hears_of_the_earlier(api, method):
    made = await api.ask("POST", SOURCES, MYPACS)
    mine = await api.ask("PUT", f"{SOURCES}/MYPACS", MYPACS | {"hostIp": "10.0.0.6"})
    theirs = await api.ask(method, f"{SOURCES}/MYPACS", MYPACS, if_match=made.headers["etag"])
    assert (theirs.status, theirs.problem) == (412, "changed")
    assert (await api.ask("GET", f"{SOURCES}/MYPACS")).json == mine.json
    again = await api.ask(method, f"{SOURCES}/MYPACS", MYPACS, if_match=mine.headers["etag"])
    assert again.status == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("*", 200),
        ('"99", {}', 200),
        ("W/{}", 412),
        ('"other"', 412),
        ("{}x", 400),
        ("7", 400),
        ('"7" "8"', 400),
    ],
)
async def test_if_match(api, given, status):
    tag = (await api.ask("POST", SOURCES, MYPACS)).headers["etag"]
    answer = await api.ask("PUT", f"{SOURCES}/MYPACS", MYPACS, if_match=given.format(tag))
    assert answer.status == status


async def test_nothing_is_sent_again_that_is_known(api):
    tag = (await api.ask("POST", SOURCES, MYPACS)).headers["etag"]
    for given in (tag, f'W/{tag}, "x"', "*"):
        answer = await api.ask("GET", f"{SOURCES}/MYPACS", if_none_match=given)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert (await api.ask("GET", f"{SOURCES}/MYPACS", if_none_match='"x"')).status == 200


async def test_an_entry_can_get_another_name(api):
    await api.ask("POST", SOURCES, MYPACS)
    renamed = await api.ask("PUT", f"{SOURCES}/MYPACS", MYPACS | {"name": "ward 7"})
    assert (renamed.status, renamed.headers["content-location"]) == (200, f"{SOURCES}/ward%207")
    assert (await api.ask("GET", f"{SOURCES}/MYPACS")).status == 404


# ---- lists ----


async def test_pages(api):
    for number in range(5):
        await api.ask("POST", SOURCES, MYPACS | {"name": f"ward {number}"})
    seen, target, pages = [], f"{SOURCES}?limit=2", 0
    while target:
        page = await api.ask("GET", target)
        assert page.headers["x-total-count"] == "5"
        seen += [entry["name"] for entry in page.json]
        target = page.headers.get("link", "").partition(">")[0].removeprefix("<")
        pages += 1
    assert (seen, pages) == ([f"ward {number}" for number in range(5)], 3)
    assert (await api.ask("GET", f"{SOURCES}?offset=9")).json == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%D9%A1", "limit"),
        ("offset=-1", "offset"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
    ],
)
async def test_parameters_that_are_wrong(api, query, field):
    answer = await api.ask("GET", f"{AETITLES}?{query}")
    assert (answer.status, answer.problem, set(answer.faults)) == (400, "parameter", {field})
