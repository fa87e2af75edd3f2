"""Tokens by the API."""

import pytest
import structlog

from api_client import ELSEWHERE, serving_api

PATH = "/api/tokens"


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        yield opened


async def test_the_life_of_a_token(api):
    made = await api.ask("POST", PATH, {"name": "ward 7", "scope": "read"})
    assert (made.status, made.headers["location"]) == (201, f"{PATH}/ward%207")
    secret = made.json.pop("secret")
    authorization = f"Bearer {made.json['secret']}"
    (listed,) = (await api.ask("GET", PATH)).json
    assert (listed["name"], listed["scope"], set(listed)) == ("ward 7", "read", {"name", "scope", "created"})
    assert (
        await api.ask("GET", "/api/associations", peer=ELSEWHERE, authorization=authorization)
    ).status == 200
    assert (await api.ask("DELETE", f"{PATH}/ward%207")).status == 204
    assert (
        await api.ask("GET", "/api/associations", peer=ELSEWHERE, authorization=authorization)
    ).status == 401
    assert secret not in repr((await api.ask("GET", PATH)).json)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "scope"}),
        ({"name": "", "scope": "read"}, {"name"}),
        ({"name": 7, "scope": ["read"]}, {"name", "scope"}),
        ({"name": "a", "scope": "root"}, {"scope"}),
        ({"name": "a", "scope": "read", "secret": "mine"}, {"secret"}),
    ],
)
async def test_faulty_bodies(api, body, fields):
    answer = await api.ask("POST", PATH, body)
    assert (answer.status, answer.problem, set(answer.faults)) == (400, "faulty-entry", fields)


async def test_a_name_that_is_taken_and_one_that_is_not_there(api):
    await api.ask("POST", PATH, {"name": "a", "scope": "read"})
    assert (await api.ask("POST", PATH, {"name": "a", "scope": "read"})).status == 409
    assert (await api.ask("DELETE", f"{PATH}/b")).status == 404


async def test_who_made_what_is_logged_and_no_secret(api):
    await api.ask("POST", PATH, {"name": "ops", "scope": "admin"})
    secret = (await api.ask("POST", PATH, {"name": "other", "scope": "admin"})).json["secret"]
    with structlog.testing.capture_logs() as entries:
        await api.ask(
            "POST",
            "/api/config/sourceaetitle",
            {"aeTitle": "A", "hostIp": "::1"},
            peer=ELSEWHERE,
            authorization=f"Bearer {secret}",
        )
    (entry,) = [entry for entry in entries if entry["log_level"] == "info"]
    assert (entry["event"], entry["kind"], entry["name"]) == ("entry created", "source", "A")
    assert entry["by"] == 'token "other" at 10.0.0.9'
    assert secret not in repr(entries)
