"""Who may ask what: judged by the head of a request, table by table."""

import pytest

from api_client import CONTROL, ELSEWHERE, HERE, serving_api
from port104.service.api.access import Peer

READS = [
    ("GET", "/api/config/claraaetitle"),
    ("GET", "/api/config/claraaetitle/GIVEN"),
    ("GET", "/api/associations"),
    ("GET", "/health/status"),
    ("HEAD", "/health/status"),
]
CHANGES = [
    ("POST", "/api/config/sourceaetitle"),
    ("PUT", "/api/config/sourceaetitle/A"),
    ("DELETE", "/api/config/sourceaetitle/A"),
    ("GET", "/api/tokens"),
    ("POST", "/api/tokens"),
    ("DELETE", "/api/tokens/ops"),
]
REFUSED = (401, 403)


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        yield opened


@pytest.fixture
async def secrets(api):
    return {scope: await api.registrar.create_token(scope, scope) for scope in ("read", "admin")}


def bearer(secret):
    return f"Bearer {secret}"


async def statuses(api, requests, **asked):
    return [(await api.ask(method, path, **asked)).status for method, path in requests]


@pytest.mark.parametrize(
    "peer", [HERE, Peer(address="::1"), Peer(address="::ffff:127.0.0.1"), CONTROL], ids=str
)
async def test_programs_of_this_machine_may_do_everything_while_there_is_no_token(api, peer):
    assert not {*await statuses(api, READS + CHANGES, peer=peer)} & {*REFUSED}


async def test_others_may_only_ask_whether_it_lives(api):
    assert {*await statuses(api, READS + CHANGES, peer=ELSEWHERE)} == {401}
    for path in ("/health/live", "/health/ready"):
        assert (await api.ask("GET", path, peer=ELSEWHERE)).status == 200
        assert (await api.ask("DELETE", path, peer=ELSEWHERE)).status == 401
    answer = await api.ask("GET", "/health/status", peer=ELSEWHERE)
    assert answer.headers["www-authenticate"] == 'Bearer realm="port104"'
    assert "port104 token create" in answer.json["detail"]


async def test_a_setting_lets_others_in_while_there_is_no_token(tmp_path):
    async with serving_api(tmp_path, allow_without_token=True) as api:
        asked = {"peer": ELSEWHERE, "host": "port104.hospital.example:5000"}
        assert not {*await statuses(api, READS + CHANGES, **asked)} & {*REFUSED}
        await api.registrar.create_token("ops", "read")
        assert {*await statuses(api, READS + CHANGES, **asked)} == {401}


@pytest.mark.parametrize("peer", [HERE, ELSEWHERE], ids=str)
async def test_once_there_is_a_token_everyone_needs_one(api, secrets, peer):
    assert {*await statuses(api, READS + CHANGES, peer=peer)} == {401}
    assert not {*await statuses(api, READS + CHANGES, peer=CONTROL)} & {*REFUSED}
    with_admin = {"peer": peer, "authorization": bearer(secrets["admin"])}
    assert not {*await statuses(api, READS + CHANGES, **with_admin)} & {*REFUSED}


async def test_the_scope_read_looks_and_changes_nothing(api, secrets):
    asked = {"peer": ELSEWHERE, "authorization": bearer(secrets["read"])}
    assert {*await statuses(api, READS, **asked)} == {200}
    assert {*await statuses(api, CHANGES, **asked)} == {403}
    answer = await api.ask("POST", "/api/tokens", {"name": "x", "scope": "admin"}, **asked)
    assert answer.problem == "scope"
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "path", ["//api/tokens", "/api//tokens", "/api/tokens/", "/api/./tokens", "/api/%74okens"]
)
async def test_no_other_way_to_write_a_path_leads_round_its_scope(api, secrets, path):
    answer = await api.ask("GET", path, peer=ELSEWHERE, authorization=bearer(secrets["read"]))
    assert answer.status in (403, 404)


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", "Basic cm9vdDpyb290", "bearer  ", "Bearer ü"])
@pytest.mark.parametrize("peer", [HERE, ELSEWHERE], ids=str)
async def test_a_wrong_token_is_worse_than_none(api, peer, given):
    answer = await api.ask("GET", "/health/status", peer=peer, authorization=given)
    assert (answer.status, answer.problem) == (401, "unauthorized")
    assert "wrong" not in answer.json["detail"]


async def test_a_deleted_token_is_worth_nothing(api, secrets):
    await api.registrar.delete_token("admin")
    answer = await api.ask("GET", "/health/status", peer=HERE, authorization=bearer(secrets["admin"]))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


# ---- browsers and proxies on this machine ----


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"])
async def test_hosts_that_are_this_machine(api, host):
    assert (await api.ask("GET", "/api/associations", peer=HERE, host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", "[fe80::1]", ""])
async def test_a_name_that_only_resolves_to_us_gives_nothing_away(api, host):
    answer = await api.ask("GET", "/api/associations", peer=HERE, host=host)
    assert (answer.status, answer.problem) == (403, "foreign-host")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8080"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_pages_of_other_sites_are_refused(api, headers):
    answer = await api.ask("POST", "/api/tokens", {"name": "x", "scope": "admin"}, peer=HERE, **headers)
    assert (answer.status, answer.problem) == (403, "foreign-origin")
    assert api.registrar.tokens() == ()


async def test_pages_of_ours_are_not(api):
    headers = {"origin": "http://localhost:5000", "sec_fetch_site": "same-origin"}
    assert (await api.ask("GET", "/api/associations", peer=HERE, **headers)).status == 200


@pytest.mark.parametrize("header", ["forwarded", "via", "x_forwarded_for", "x_forwarded_proto", "x_real_ip"])
async def test_who_comes_through_a_proxy_is_not_of_this_machine(api, header):
    answer = await api.ask("GET", "/api/associations", peer=HERE, **{header: "10.0.0.9"})
    assert answer.status == 401
