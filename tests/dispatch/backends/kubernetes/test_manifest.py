"""The Job is one that Kubernetes takes, and an entry's words reach into nothing of port104's own."""

from pathlib import PurePosixPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lacking import lacking
from port104.cluster.resources import OwnerReference
from port104.dispatch.backends.kubernetes.manifest import Order, job_of
from port104.dispatch.backends.kubernetes.steps import Access, ByObjects, Consignment
from port104.dispatch.backends.kubernetes.whereabouts import OwnImage, Whereabouts
from port104.dispatch.transfer.shelf import Shelf
from port104.registry.entries import Pipeline
from port104.registry.job_templates import JobTemplate, JobVolume, Toleration
from runs import run_of

# The oldest Kubernetes that the chart is for, and the newest that there are schemas of.
VERSIONS = ("1.27", "1.37")
OWNER = OwnerReference("apps/v1", "StatefulSet", "port104", "uid-1", controller=True)
AT = Whereabouts("payloads-port104-0", PurePosixPath("site/storage"), "node-1", OWNER)
OWN = OwnImage("port104:1", "Always", ("registry", "mirror"), OWNER)
BY_OBJECTS = ByObjects(
    OWN,
    Access({"URL": "s3://imaging/site", "ALLOWHTTP": "false"}, "port104-s3", ("id", "secret")),
    Shelf("site/", "00000000000000a1", 2),
    Consignment(5120, "0a" * 32, there=True),
    "-----BEGIN CERTIFICATE-----",
)
RUN = run_of(called_ae_title="COVID AET", attempt=2)
FULL = JobTemplate(
    image="registry.example/lung:2",
    command=("python3", "-m", "lung"),
    args=("--fast", ""),
    requests={"memory": "4Gi"},
    limits={"memory": "8Gi", "nvidia.com/gpu": "1"},
    volumes=(
        JobVolume(mount_path="/models", claim="models", sub_path="lung", read_only=True),
        JobVolume(mount_path="/licence", secret="licence"),
        JobVolume(mount_path="/etc/lung", config_map="lung"),
        JobVolume(mount_path="/scratch", scratch="10Gi"),
        JobVolume(mount_path="/dev/shm", memory="2Gi"),
    ),
    node_selector={"example.com/gpu": "a100"},
    tolerations=(
        Toleration(key="gpu", value="yes", effect="NoExecute", toleration_seconds=0),
        Toleration(operator="Exists"),
    ),
    service_account_name="lung",
    image_pull_secrets=("registry",),
    image_pull_policy="Always",
    runtime_class_name="nvidia",
    priority_class_name="urgent",
)


def order(template=FULL, **changes):
    environment = changes.pop("environment", {})
    pipeline = Pipeline(name="covid", id="p-1", kubernetes=template, environment=environment)
    made = Order(RUN, pipeline, template, AT, "00000000000000e1", 3600.0, 10104, 10104)
    return msgspec.structs.replace(made, **changes)


def pod_of(manifest):
    return manifest["spec"]["template"]["spec"]


def container_of(manifest):
    [container] = pod_of(manifest)["containers"]
    return container


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("template", "at"),
    [(FULL, AT), (JobTemplate(image="x"), AT), (FULL, BY_OBJECTS), (JobTemplate(image="x"), BY_OBJECTS)],
    ids=["full", "least", "full by objects", "least by objects"],
)
def test_kubernetes_takes_it(version, template, at):
    try:
        import kubernetes_validate  # noqa: PLC0415 - `make build` does not install it
    except ImportError:
        lacking("the schemas of Kubernetes are not installed: make chart")
    kubernetes_validate.validate(job_of(order(template, at=at)), version, strict=True)


def test_it_runs_once_and_ends_in_time():
    spec = job_of(order(seconds=59.2))["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 0)
    assert spec["activeDeadlineSeconds"] == 60
    assert pod_of(job_of(order()))["restartPolicy"] == "Never"
    assert job_of(order(seconds=-3.0))["spec"]["activeDeadlineSeconds"] == 1
    assert "activeDeadlineSeconds" not in job_of(order(seconds=None))["spec"]


def test_it_goes_with_the_statefulset_and_not_with_a_pod():
    metadata = job_of(order())["metadata"]
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "port104", "uid": "uid-1"}
    assert metadata["ownerReferences"] == [reference]
    assert metadata["name"] == "port104-00000000000000a1-2"
    assert metadata["labels"]["port104.io/ae-title"].startswith("COVID-AET-")
    assert metadata["annotations"]["port104.io/ae-title"] == "COVID AET"
    assert job_of(order())["spec"]["template"]["metadata"]["labels"] == metadata["labels"]
    alone = msgspec.structs.replace(AT, owner=None)
    assert "ownerReferences" not in job_of(order(at=alone))["metadata"]


def test_the_container_sees_its_own_run_and_may_write_to_output_alone():
    manifest = job_of(order(JobTemplate(image="x")))
    folder = "site/storage/runs/00000000000000a1/2"
    mounts = {each.pop("mountPath"): each for each in container_of(manifest)["volumeMounts"]}
    assert mounts == {
        "/payload/dcm": {"name": "payload", "subPath": f"{folder}/dcm", "readOnly": True},
        "/payload/manifest.json": {"name": "payload", "subPath": f"{folder}/manifest.json", "readOnly": True},
        "/payload/output": {"name": "payload", "subPath": f"{folder}/output"},
    }
    assert pod_of(manifest)["volumes"] == [
        {"name": "payload", "persistentVolumeClaim": {"claimName": "payloads-port104-0"}}
    ]


def test_it_runs_where_the_volume_is():
    terms = pod_of(job_of(order()))["affinity"]["nodeAffinity"]
    [term] = terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    anywhere = msgspec.structs.replace(AT, node=None)
    assert "affinity" not in pod_of(job_of(order(at=anywhere)))


def test_the_container_has_no_rights_but_those_of_port104_on_the_volume():
    for template in (FULL, JobTemplate(image="x")):
        pod = pod_of(job_of(order(template)))
        security = pod["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"], security["runAsNonRoot"]) == (
            10104,
            10104,
            True,
        )
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is bool(template.service_account_name)
    assert not pod_of(job_of(order(user=0)))["securityContext"]["runAsNonRoot"]


def test_everything_that_an_entry_says_is_there():
    manifest = job_of(order(environment={"THREADS": "4", "HOME": "/scratch"}))
    pod, container = pod_of(manifest), container_of(manifest)
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example/lung:2", "Always")
    assert (container["command"], container["args"]) == (["python3", "-m", "lung"], ["--fast", ""])
    assert container["resources"] == {
        "requests": {"memory": "4Gi"},
        "limits": {"memory": "8Gi", "nvidia.com/gpu": "1"},
    }
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment == {
        "HOME": "/scratch",
        "THREADS": "4",
        "PORT104_RUN_ID": RUN.id,
        "PORT104_JOB_ID": RUN.job_id,
        "PORT104_AE_TITLE": "COVID AET",
        "PORT104_PIPELINE": "covid",
        "PORT104_ATTEMPT": "2",
        "PORT104_INPUT": "/payload/dcm",
        "PORT104_OUTPUT": "/payload/output",
        "PORT104_MANIFEST": "/payload/manifest.json",
    }
    assert container["workingDir"] == "/payload"
    assert pod["volumes"][1:] == [
        {"name": "volume-0", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "volume-1", "secret": {"secretName": "licence"}},
        {"name": "volume-2", "configMap": {"name": "lung"}},
        {"name": "volume-3", "emptyDir": {"sizeLimit": "10Gi"}},
        {"name": "volume-4", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
    ]
    assert container["volumeMounts"][3:] == [
        {"name": "volume-0", "mountPath": "/models", "subPath": "lung", "readOnly": True},
        {"name": "volume-1", "mountPath": "/licence", "readOnly": True},
        {"name": "volume-2", "mountPath": "/etc/lung", "readOnly": True},
        {"name": "volume-3", "mountPath": "/scratch", "readOnly": False},
        {"name": "volume-4", "mountPath": "/dev/shm", "readOnly": False},
    ]
    assert pod["nodeSelector"] == {"example.com/gpu": "a100"}
    assert pod["tolerations"] == [
        {"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 0},
        {"operator": "Exists"},
    ]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["serviceAccountName"] == "lung"
    assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("nvidia", "urgent")


# ---- by the object store ----


def steps_of(manifest):
    pod = pod_of(manifest)
    return [*pod["initContainers"], *pod["containers"]]


def test_its_steps_run_in_turn_around_the_pipeline():
    fetch, pipeline, deliver = steps_of(job_of(order(at=BY_OBJECTS)))
    assert fetch["command"] == [
        *("port104", "payload", "fetch", "00000000000000a1", "2", "--size", "5120", "--sha256", "0a" * 32)
    ]
    assert deliver["command"] == ["port104", "payload", "deliver", "00000000000000a1", "2"]
    assert [each["name"] for each in (fetch, pipeline, deliver)] == ["fetch", "pipeline", "deliver"]
    assert {fetch["image"], deliver["image"]} == {"port104:1"}
    by_volume = container_of(job_of(order()))
    paths = {each["mountPath"]: each.pop("subPath", None) for each in by_volume["volumeMounts"]}
    seen = {each["mountPath"]: each.pop("subPath", None) for each in pipeline["volumeMounts"]}
    assert pipeline == by_volume
    assert paths.keys() == seen.keys()
    assert [seen[f"/payload/{part}"] for part in ("dcm", "manifest.json", "output")] == [
        *("dcm", "manifest.json", "output")
    ]


def test_it_needs_no_volume_of_ours_and_no_node():
    pod = pod_of(job_of(order(JobTemplate(image="x", payload_size="20Gi"), at=BY_OBJECTS)))
    assert "affinity" not in pod
    assert pod["volumes"][0] == {"name": "payload", "emptyDir": {"sizeLimit": "20Gi"}}
    assert "persistentVolumeClaim" not in str(pod["volumes"])
    assert pod["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    plain = pod_of(job_of(order(JobTemplate(image="x"), at=BY_OBJECTS)))
    assert plain["volumes"][0] == {"name": "payload", "emptyDir": {}}


def test_credentials_are_those_of_the_steps_alone():
    fetch, pipeline, deliver = steps_of(job_of(order(at=BY_OBJECTS, environment={"THREADS": "4"})))
    for step in (fetch, deliver):
        said = {each["name"].removeprefix("PORT104_OBJECTSTORE__"): each for each in step["env"]}
        assert said["ACCESSKEYID"]["valueFrom"] == {"secretKeyRef": {"name": "port104-s3", "key": "id"}}
        assert said["SECRETACCESSKEY"]["valueFrom"]["secretKeyRef"]["key"] == "secret"
        assert said["URL"]["value"] == "s3://imaging/site"
        assert said["CERTIFICATEAUTHORITIES"]["value"] == "/run/port104/authorities.pem"
        assert "THREADS" not in said
        assert step["securityContext"]["readOnlyRootFilesystem"]
    assert "port104-s3" not in str(pipeline)
    assert "OBJECTSTORE" not in str(pipeline)
    bare = msgspec.structs.replace(BY_OBJECTS, access=Access({"URL": "s3://imaging"}), certificates="")
    manifest = job_of(order(at=bare))
    assert "secretKeyRef" not in str(manifest)
    assert "authorities" not in str(manifest)


def test_the_last_step_sees_what_was_left_and_cannot_change_it():
    _, _, deliver = steps_of(job_of(order(at=BY_OBJECTS)))
    assert deliver["volumeMounts"][0] == {
        "name": "payload",
        "mountPath": "/payload/output",
        "subPath": "output",
        "readOnly": True,
    }


def test_certificates_of_the_store_are_told_by_an_annotation():
    template = job_of(order(at=BY_OBJECTS))["spec"]["template"]
    assert template["metadata"]["annotations"]["port104.io/authorities"] == BY_OBJECTS.certificates
    assert template["metadata"]["annotations"]["port104.io/run"] == RUN.id
    assert "port104.io/authorities" not in job_of(order())["spec"]["template"]["metadata"]["annotations"]


WORDS = st.text(min_size=1, max_size=20)
TEMPLATES = st.builds(
    JobTemplate,
    image=WORDS,
    command=st.lists(WORDS, max_size=2).map(tuple),
    args=st.lists(WORDS, max_size=2).map(tuple),
    limits=st.dictionaries(WORDS, WORDS, max_size=2),
    node_selector=st.dictionaries(WORDS, WORDS, max_size=2),
    volumes=st.lists(st.builds(JobVolume, mount_path=WORDS, claim=WORDS), max_size=2).map(tuple),
    service_account_name=WORDS,
    runtime_class_name=WORDS,
)


@given(TEMPLATES, st.dictionaries(WORDS, WORDS, max_size=2))
def test_whatever_an_entry_says_what_is_ours_stays(template, environment):
    manifest = job_of(order(template, environment=environment))
    plain = job_of(order(JobTemplate(image="x")))
    assert manifest["metadata"] == plain["metadata"]
    assert manifest["spec"].keys() == plain["spec"].keys()
    assert manifest["spec"]["template"]["metadata"] == plain["spec"]["template"]["metadata"]
    for key in ("securityContext", "affinity", "restartPolicy"):
        assert pod_of(manifest)[key] == pod_of(plain)[key]
    assert pod_of(manifest)["volumes"][0] == pod_of(plain)["volumes"][0]
    ours, theirs = container_of(plain), container_of(manifest)
    assert theirs["volumeMounts"][:3] == ours["volumeMounts"]
    assert (theirs["name"], theirs["securityContext"]) == (ours["name"], ours["securityContext"])
    described = {each["name"]: each["value"] for each in ours["env"] if each["name"] != "HOME"}
    assert described.items() <= {each["name"]: each["value"] for each in theirs["env"]}.items()
