"""The chart, custom resources and Jobs with a real API server, its access rules and its controllers.

The chart's manifests are installed as they are. The StatefulSet controller makes port104's pod and claim, and
a small kubelet runs it and the pods of Jobs as containers: port104 has the rights that the chart gives it, in
a namespace that admits nothing but the Pod Security Standard "restricted".
"""

import contextlib
import json
import os
from pathlib import Path

import pytest
import yaml

from api_server_process import NAMESPACE, RefusedError
from chart.rendered import POD, Rendered
from cluster.control_plane import CORE, ControlPlane
from cluster.kubelet import NODE, Kubelet
from cluster.site import PORT104, TOOL, Site
from engine_process import free_port

STATEFUL_SET = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/port104"
PROGRAMS = os.environ.get("PORT104_CLUSTER")
SHEETS = sorted((Path(__file__).parents[1] / "chart" / "values").glob("*.yaml"))
# A container's process 1 hears no signal that it does not ask for.
UNTIL_TOLD = "trap 'exit 1' TERM; until [ -e output/go ]; do sleep 0.05 & wait; done; rm output/go;"
COPY = "cp dcm/* output/; echo an image works"

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None, reason="takes long to build: make cluster-check"),
    pytest.mark.skipif(os.geteuid() != 0, reason="runs containers: as root"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ControlPlane(Path(PROGRAMS), tmp_path_factory.mktemp("cluster") / "server") as started:
        yield started


@pytest.fixture(scope="module")
def site(server, seaweedfs, tmp_path_factory):
    port = free_port()
    store = seaweedfs.new_bucket()
    keys = {key: store.pop(key) for key in ("accessKeyId", "secretAccessKey")}
    config = {
        "readAeTitlesFromCrd": True,
        "jobs": {"kubernetes": True},
        "dicom": {"scp": {"port": port, "host": "127.0.0.1", "rejectUnknownSources": False}},
        "storage": {"watermarkPercent": 100, "reserveSpaceGB": 0},
        "objectStore": store,
        "log": {"format": "json"},
    }
    chart = Rendered({"config": config, "objectStore": {"existingSecret": "port104-s3"}})
    images = {chart.container["image"]: PORT104, TOOL: ()}
    with Kubelet(server, tmp_path_factory.mktemp("node") / "kubelet", images) as kubelet:
        server.ask("POST", f"{CORE}secrets", {"metadata": {"name": "port104-s3"}, "stringData": keys})
        server.install(chart.manifests)
        started = Site(server, kubelet, port)
        started.until(lambda: kubelet.pod(POD) is not None and started.listens())
        yield started


@pytest.fixture(autouse=True)
def _refused_nothing(request):
    """Whatever a test does: port104 has the rights that it needs, once the API server knows the roles."""
    site = request.getfixturevalue("site") if "site" in request.fixturenames else None
    before = site.engine.log if site is not None else ""
    yield
    if site is not None and "api_server_is_away" not in request.node.name:
        refusals = [
            line for line in site.engine.log.removeprefix(before).splitlines() if " answered 403 " in line
        ]
        assert [line for line in refusals if "exceeded quota" not in line] == []


@pytest.mark.parametrize("values", SHEETS, ids=lambda path: path.stem)
def test_every_manifest_of_the_chart_is_taken(server, values):
    manifests = Rendered(yaml.safe_load(values.read_text()), name="other").manifests
    server.install([each for each in manifests if each["kind"] != "ServiceMonitor"], "&dryRun=All")


@pytest.mark.parametrize(
    "values", [each for each in SHEETS if "Override" not in each.read_text()], ids=lambda path: path.stem
)
def test_an_upgrade_is_taken_where_the_claims_stay(site, values):
    before = Rendered({}).one("StatefulSet")
    after = Rendered(yaml.safe_load(values.read_text())).one("StatefulSet")
    claims, others = (each["spec"].get("volumeClaimTemplates") for each in (before, after))
    taken = contextlib.nullcontext()
    if claims != others:
        taken = pytest.raises(RefusedError, match="updates to statefulset spec")
    with taken:
        site.server.ask("PUT", f"{STATEFUL_SET}?dryRun=All", after)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ({"verb": "create", "group": "batch", "resource": "jobs"}, True),
        ({"verb": "get", "resource": "pods", "subresource": "log"}, True),
        ({"verb": "create", "resource": "pods"}, False),
        ({"verb": "create", "resource": "pods", "subresource": "exec"}, False),
        ({"verb": "get", "resource": "secrets"}, False),
        ({"verb": "update", "group": "port104.io", "resource": "pipelines"}, False),
        ({"verb": "list", "group": "batch", "resource": "jobs", "namespace": "default"}, False),
    ],
    ids=lambda each: "-".join(each.values()) if isinstance(each, dict) else "",
)
def test_it_may_do_what_it_needs_and_no_more(site, asked, allowed):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{NAMESPACE}:port104",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {"namespace": NAMESPACE, **asked},
        },
    }
    answer = site.server.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer["status"]["allowed"] is allowed


def test_a_study_becomes_results_by_a_job(site):
    site.pipeline(
        "study",
        f"{UNTIL_TOLD} id -u; touch /scratch/file; {COPY}",
        limits={"memory": "1Gi"},
        volumes=[{"mountPath": "/scratch", "scratch": "1Gi"}, {"mountPath": "/dev/shm", "memory": "64Mi"}],
    )
    job = site.job("study")
    site.begun(job)
    [pod] = site.server.pods_of(job)
    site.let(job)
    ended = site.ended(job)
    assert (ended["outcome"], ended["results"], ended["attempt"]) == ("succeeded", 2, 1)
    assert (site.attempt(job) / "log").read_text() == "10104\nan image works\n"
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"][0]["matchFields"][0]["values"] == [NODE]
    assert "kube-api-access" not in json.dumps(pod["spec"]["volumes"])


def test_each_of_many_studies_becomes_one_job(site):
    site.pipeline("many", COPY, concurrency=20)
    site.send("many", studies=20)
    jobs = site.until(lambda: (made := site.server.jobs(**{"ae-title": "MANY"}))[19:] and made)
    ended = [site.ended(job) for job in jobs]
    assert [(each["outcome"], each["attempt"], each["results"]) for each in ended] == [
        ("succeeded", 1, 2)
    ] * 20
    assert len(site.server.jobs(**{"ae-title": "MANY"})) == 20


def test_payload_and_output_go_by_the_object_store(site):
    site.pipeline("carried", f"{COPY}; env", payload="objectStore", payloadSize="1Gi")
    job = site.job("carried")
    ended = site.ended(job)
    assert (ended["outcome"], ended["results"], ended["attempt"]) == ("succeeded", 2, 1)
    log = (site.attempt(job) / "log").read_text()
    assert "an image works\n" in log
    assert "OBJECTSTORE" not in log
    [pod] = site.server.pods_of(job)
    assert not [each for each in pod["spec"]["volumes"] if "persistentVolumeClaim" in each]
    assert "affinity" not in pod["spec"]


def test_a_step_that_fails_ends_the_pod(site):
    site.pipeline("stopped", "echo it cannot be read >&2; exit 3", payload="objectStore")
    job = site.job("stopped")
    assert site.failed(job) == "ended with exit code 3; what it wrote is in its log"
    assert "it cannot be read\n" in (site.attempt(job) / "log").read_text()


def test_an_exit_code_is_a_failure(site):
    site.pipeline("failing", "echo it cannot be read >&2; exit 3")
    job = site.job("failing")
    assert site.failed(job) == "ended with exit code 3; what it wrote is in its log"
    assert (site.attempt(job) / "log").read_text() == "it cannot be read\n"


def test_a_time_limit_ends_the_pod(site):
    site.pipeline("slow", f"echo begun; {UNTIL_TOLD}", limit=3)
    job = site.job("slow")
    assert site.failed(job) == "had not ended within its time limit of 3 s, and was ended"
    assert (site.attempt(job) / "log").read_text() == "begun\n"
    site.until(lambda: site.phases(job) == [])


def test_cancelling_deletes_the_job_and_its_pod(site):
    site.pipeline("unwanted", UNTIL_TOLD)
    job = site.job("unwanted")
    site.begun(job)
    site.cancel(job)
    assert site.ended(job)["outcome"] == "cancelled"
    assert site.gone(job)


def test_what_keeps_a_job_from_beginning_is_told(site):
    site.pipeline("missing", COPY, image="registry.example/none:1")
    job = site.job("missing")
    [told] = site.until(lambda: site.said("a Job has not begun", job=job["metadata"]["name"]))
    assert "ErrImagePull: registry.example/none:1: not found" in told["reason"]
    site.cancel(job)
    assert site.ended(job)["outcome"] == "cancelled"
    assert site.gone(job)


def test_a_job_outlives_a_kill_of_the_engine(site):
    site.pipeline("outliving", UNTIL_TOLD + COPY)
    job = site.job("outliving")
    site.begun(job)
    killed = site.engine
    killed.kill()
    site.until(lambda: site.engine is not killed and site.listens())
    site.let(job)
    ended = site.ended(job)
    assert (ended["outcome"], ended["attempt"], ended["results"]) == ("succeeded", 1, 2)
    assert len(site.server.jobs(**{"ae-title": "OUTLIVING"})) == 1


def test_a_job_ends_while_the_engine_is_away(site, monkeypatch):
    site.pipeline("unseen", UNTIL_TOLD + COPY)
    job = site.job("unseen")
    site.begun(job)
    monkeypatch.setattr(site.kubelet, "begins_again", False)
    site.engine.kill()
    site.let(job)
    site.until(lambda: site.server.jobs(**{"ae-title": "UNSEEN"})[0]["status"].get("succeeded"))
    monkeypatch.setattr(site.kubelet, "begins_again", True)
    ended = site.ended(job)
    assert (ended["outcome"], ended["attempt"], ended["results"]) == ("succeeded", 1, 2)
    assert (site.attempt(job) / "log").read_text() == "an image works\n"


def test_a_job_outlives_the_pod_of_the_engine(site):
    """A rollout, or a node that is emptied: the StatefulSet controller makes another pod of that name."""
    site.pipeline("moved", UNTIL_TOLD + COPY)
    job = site.job("moved")
    site.begun(job)
    before = site.engine
    site.server.ask("DELETE", f"{CORE}pods/{POD}")
    site.until(lambda: site.engine is not before and site.listens(), seconds=60)
    site.let(job)
    ended = site.ended(job)
    assert (ended["outcome"], ended["attempt"], ended["results"]) == ("succeeded", 1, 2)


def test_a_job_ends_while_the_api_server_is_away(site):
    site.pipeline("unheard", UNTIL_TOLD + COPY)
    job = site.job("unheard")
    site.begun(job)
    site.server.stop()
    site.let(job)
    site.until(lambda: site.said("Jobs cannot be followed; runs in the cluster go on"))
    site.server.start()
    ended = site.ended(job)
    assert (ended["outcome"], ended["attempt"], ended["results"]) == ("succeeded", 1, 2)


def test_a_run_begins_while_the_api_server_is_away(site):
    site.pipeline("early", COPY)
    site.server.stop()
    site.send("early")
    site.until(lambda: site.said("run begun", called="EARLY"))
    site.server.start()
    [job] = site.until(lambda: site.server.jobs(**{"ae-title": "EARLY"}))
    assert site.ended(job)["outcome"] == "succeeded"


def test_a_job_goes_after_the_time_that_its_pipeline_says(site):
    site.pipeline("passing", COPY, ttlSecondsAfterFinished=1)
    job = site.job("passing")
    assert site.ended(job)["outcome"] == "succeeded"
    site.until(lambda: site.gone(job))


def test_a_quota_is_waited_for(site):
    quotas = f"{CORE}resourcequotas"
    site.server.ask(
        "POST", quotas, {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    )
    site.until(lambda: site.server.ask("GET", f"{quotas}/none").get("status", {}).get("hard"))
    site.pipeline("waiting", COPY)
    site.send("waiting")
    site.until(lambda: "exceeded quota" in str(site.said("a run waits for the API server")))
    site.server.ask("DELETE", f"{quotas}/none")
    [job] = site.until(lambda: site.server.jobs(**{"ae-title": "WAITING"}))
    assert site.ended(job)["outcome"] == "succeeded"


def test_a_log_that_cannot_be_had_fails_no_run(site, monkeypatch):
    monkeypatch.setattr(site.kubelet, "tells_logs", False)
    site.pipeline("silent", COPY)
    job = site.job("silent")
    assert site.ended(job)["outcome"] == "succeeded"
    assert "the rest of the log cannot be had" in (site.attempt(job) / "log").read_text()


def test_what_does_not_hold_is_told_as_an_event(site):
    site.pipeline("same", COPY)
    settings = {"timeout": 1, "pipeline-same": "same"}
    site.server.apply("localaes", "second", {"aeTitle": "SAME", "processorSettings": settings})
    chosen = f"{CORE}events?fieldSelector=involvedObject.name%3Dsecond"
    [event] = site.until(lambda: site.server.ask("GET", chosen)["items"])
    assert (event["type"], event["reason"], event["source"]["component"]) == (
        "Warning",
        "Conflict",
        "port104",
    )
    assert site.server.condition("localaes", "second")["message"] == event["message"]


def test_jobs_belong_to_a_statefulset_that_takes_the_place_of_another(site):
    """As for a larger volume: the pod stays, and what belongs to what there is no more is collected."""
    before = site.engine
    made = site.server.ask("GET", STATEFUL_SET)
    site.server.ask("DELETE", f"{STATEFUL_SET}?propagationPolicy=Orphan")
    site.until(lambda: not site.server.exists(STATEFUL_SET))
    manifest = {key: made[key] for key in ("apiVersion", "kind", "spec")}
    metadata = {key: made["metadata"][key] for key in ("name", "labels")}
    site.server.install([manifest | {"metadata": metadata}])
    site.pipeline("replaced", UNTIL_TOLD + COPY)
    job = site.job("replaced")
    site.begun(job)
    site.let(job)
    assert site.ended(job)["outcome"] == "succeeded"
    assert (
        job["metadata"]["ownerReferences"][0]["uid"]
        == site.server.ask("GET", STATEFUL_SET)["metadata"]["uid"]
    )
    assert site.engine is before


def test_jobs_go_with_the_release(site):
    """The last of them: port104 is gone afterwards."""
    site.pipeline("owned", UNTIL_TOLD)
    job = site.job("owned")
    site.begun(job)
    site.server.ask("DELETE", STATEFUL_SET)
    site.until(lambda: site.gone(job))
