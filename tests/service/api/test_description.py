"""The description of the API, and the API held to it by schemathesis."""

import functools
import json
import re
import threading
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import hypothesis
import pytest
import schemathesis
import trio
from schemathesis import checks

from api_client import CONTROL, ELSEWHERE, serving_api
from port104.service.api.description import description
from port104.service.api.documentation import DESCRIPTION, PAGE
from port104.service.api.entries import path_of
from port104.service.registration import KINDS

DESCRIBED = json.loads(json.dumps(description()))


@pytest.fixture
async def api(tmp_path):
    async with serving_api(tmp_path) as opened:
        yield opened


async def test_every_route_is_described_and_there_is_no_other(api):
    routes = {
        (re.sub(r":str}", "}", route.path), method.lower())
        for route in api.gatekeeper._application.routes
        for method in route.methods
        if method != "OPTIONS" and route.path not in (PAGE, DESCRIPTION)
    }
    assert routes == {(path, method) for path, of in DESCRIBED["paths"].items() for method in of}


async def test_what_is_read_needs_the_scope_that_is_described(api):
    secret = await api.registrar.create_token("ops", "read")
    for path, methods in DESCRIBED["paths"].items():
        for method, operation in methods.items():
            target = re.sub("{.*}", "x", path)
            with_read = await api.ask(
                method.upper(), target, peer=ELSEWHERE, authorization=f"Bearer {secret}"
            )
            without = await api.ask(method.upper(), target, peer=ELSEWHERE)
            assert (with_read.status == 403) is (operation["x-scope"] == "admin"), (method, path)
            assert (without.status == 401) is (operation["x-scope"] != ""), (method, path)


def test_every_field_of_an_entry_has_its_meaning():
    for name in (
        *("LocalAE", "Source", "Destination", "Pipeline", "LimitsSettings"),
        *("KubernetesSettings", "VolumeSettings", "TolerationSettings"),
    ):
        fields = DESCRIBED["components"]["schemas"][name]["properties"]
        assert all(field["description"] for field in fields.values())


# ---- the page ----


class Links(HTMLParser):
    """What a page refers to, and what it would load."""

    def __init__(self):
        super().__init__()
        self.targets, self.names, self.loaded = set(), set(), []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag in ("script", "img", "link", "iframe") or "style" in found:
            self.loaded.append(tag)
        self.targets |= {found["href"]} if "href" in found else set()
        self.names |= {found["id"]} if "id" in found else set()


async def test_the_page_needs_nothing_else(api):
    answer = await api.ask("GET", PAGE, peer=ELSEWHERE)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = Links()
    links.feed(answer.body.decode())
    assert links.loaded == []
    assert {target.removeprefix("#") for target in links.targets} <= links.names | {DESCRIPTION}
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for path in DESCRIBED["paths"]:
        assert path in answer.body.decode()


async def test_the_description_is_served(api):
    answer = await api.ask("GET", DESCRIPTION, peer=ELSEWHERE)
    assert (answer.status, answer.json) == (200, DESCRIBED)


async def test_a_setting_turns_both_off(tmp_path):
    async with serving_api(tmp_path, documentation=False) as api:
        for path in (PAGE, DESCRIPTION):
            assert (await api.ask("GET", path)).status == 404


# ---- schemathesis ----

OPERATIONS = [each.ok() for each in schemathesis.openapi.from_dict(DESCRIBED).get_all_operations()]
EXAMPLES = 15
HAVING = {
    "aetitle": {"aeTitle": "0"},
    "src": {"aeTitle": "0", "hostIp": "::1"},
    "dest": {"aeTitle": "0", "hostIp": "::1", "port": 104},
    "pipeline": {"id": "0", "command": "true"},
}
# What they ask is asked above, or cannot be: a schema does not say all that is true of a name or a host, who
# asks here needs no token, and some would open connections.
LEFT_OUT = [
    checks.positive_data_acceptance,
    checks.ignored_auth,
    checks.use_after_free,
    checks.ensure_resource_availability,
    checks.object_level_authorization,
]


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    """An API in a thread of its own, for Hypothesis calls functions that are not async."""
    ready, parts = threading.Event(), {}

    async def serve():
        async with serving_api(tmp_path_factory.mktemp("api")) as api:
            parts.update(api=api, token=trio.lowlevel.current_trio_token(), stop=trio.Event())
            for kind in KINDS:
                assert (
                    await api.ask("POST", path_of(kind), {"name": "0", **HAVING[kind.word]})
                ).status == 201
            ready.set()
            await parts["stop"].wait()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert ready.wait(10)
    yield lambda function: trio.from_thread.run(function, trio_token=parts["token"]), parts["api"]
    trio.from_thread.run_sync(parts["stop"].set, trio_token=parts["token"])
    thread.join()


def modes_of(operation):
    """As it is described; and otherwise, where there is something that can be wrong: not in a mere path."""
    yield schemathesis.GenerationMode.POSITIVE
    if operation.body.items or operation.query.items:
        yield schemathesis.GenerationMode.NEGATIVE


CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in modes_of(operation)
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_the_api_keeps_to_its_description(operation, mode, portal):
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck))
    def keeps(case):
        case.validate_response(answer_to(case, *portal), excluded_checks=LEFT_OUT)

    keeps()


def answer_to(case, run, api):
    prepared = case.as_transport_kwargs(base_url="http://localhost:5000")
    request = httpx.Request(
        prepared["method"],
        prepared["url"],
        params=prepared.get("params") or None,
        headers={name: str(value) for name, value in (prepared.get("headers") or {}).items()},
        json=prepared.get("json"),
        content=prepared.get("data"),
    )
    answer = run(functools.partial(_asked, api, request))
    response = httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)
    response.elapsed = timedelta()
    return response


async def _asked(api, request):
    headers = {name.lower().replace("-", "_"): value for name, value in request.headers.items()}
    target = request.url.raw_path.decode()
    return await api.ask(request.method, target, raw=request.read(), peer=CONTROL, **headers)
