"""Every set of values gives manifests that Kubernetes takes, and a configuration that port104 takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chart.rendered import CHART, NAMESPACE, POD, Rendered, helm, refused
from lacking import lacking
from port104.service.configuration import load

VALUES = {file.stem: file for file in sorted((Path(__file__).parent / "values").glob("*.yaml"))}
# The oldest Kubernetes that the chart is for, and the newest that there are schemas of.
VERSIONS = ("1.27", "1.37")
CUSTOM = {"ServiceMonitor"}


def values_of(name):
    return yaml.safe_load(VALUES[name].read_text())


@pytest.fixture(params=VALUES)
def rendered(request):
    return Rendered(values_of(request.param))


@pytest.fixture
def configured(rendered, tmp_path):
    """The settings that port104 has with the ConfigMap and the variables of the pod."""
    file = tmp_path / "appsettings.json"
    file.write_text(rendered.configuration)
    database = tmp_path / "url"
    database.write_text("postgresql://port104:secret@db/port104")
    environ = {key: value for key, value in rendered.environment.items() if key != "PORT104_CONFIG"}
    if "PORT104_REGISTRY__URL_FILE" in environ:
        environ["PORT104_REGISTRY__URL_FILE"] = str(database)
    broker = tmp_path / "broker"
    broker.write_text("amqps://port104:secret@broker/monai")
    if "PORT104_EVENTS__URL_FILE" in environ:
        environ["PORT104_EVENTS__URL_FILE"] = str(broker)
    for variable in environ:
        if variable.startswith("PORT104_OBJECTSTORE__"):
            environ[variable] = str(database)
    return load(file, environ, {})


def kubernetes():
    try:
        import kubernetes_validate  # noqa: PLC0415 - `make build` does not install it
    except ImportError:
        lacking("the schemas of Kubernetes are not installed: make chart")
    return kubernetes_validate


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(rendered, version):
    for manifest in rendered.manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes().validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", sorted((CHART / "crds").glob("*.yaml")), ids=lambda file: file.stem)
def test_kubernetes_takes_every_definition(file, version):
    kubernetes().validate(yaml.safe_load(file.read_text()), version, strict=True)


@pytest.mark.parametrize("name", VALUES)
def test_helm_finds_nothing_wrong(name):
    report = helm().lint(CHART, values_of(name), strict=True, namespace=NAMESPACE, kube_version="v1.30.0")
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > 1] == []


def test_port104_takes_the_configuration(configured):
    assert configured.settings.storage.temporary.startswith("/payloads")


def test_numbers_come_through_as_they_are(tmp_path):
    """For helm all numbers are floating."""
    file = tmp_path / "appsettings.json"
    file.write_text(Rendered(values_of("own-settings")).configuration)
    scp = load(file, {}, {}).settings.dicom.scp
    assert (scp.maximum_object_size, scp.shutdown_deadline) == (34359738369, 12.5)


def test_ports_are_those_that_port104_listens_on(rendered, configured):
    scp, api = configured.settings.dicom.scp, configured.settings.api
    ports = {each["name"]: each["containerPort"] for each in rendered.container["ports"]}
    expected = {"dicom": scp.port, "dicom-tls": scp.tls.port if scp.tls.enabled else None}
    if rendered.service("-api"):
        expected["api"] = api.port
        assert api.host is None
    else:
        assert api.host == "127.0.0.1"
    assert ports == {name: port for name, port in expected.items() if port is not None}


def test_services_lead_to_ports_that_there_are(rendered):
    ports = {each["name"] for each in rendered.container["ports"]}
    labels = rendered.one("StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    for service in rendered.all("Service"):
        assert service["spec"]["selector"].items() <= labels
        assert {each["targetPort"] for each in service["spec"].get("ports", [])} <= ports
    assert {each["targetPort"] for each in rendered.service()["spec"]["ports"]} == ports - {"api"}


def test_a_pod_may_finish_what_is_under_way(rendered, configured):
    """The time until it is killed is that of the hook, of associations, and some more."""
    hook = rendered.container.get("lifecycle", {"preStop": {"exec": {"command": ["sleep", "0"]}}})
    seconds = float(hook["preStop"]["exec"]["command"][1])
    allowed = rendered.pod["terminationGracePeriodSeconds"]
    assert allowed >= seconds + configured.settings.dicom.scp.shutdown_deadline + 10


def test_files_that_settings_name_are_mounted(rendered, configured):
    mounts = [each["mountPath"] for each in rendered.container["volumeMounts"]]
    scp, api = configured.settings.dicom.scp, configured.settings.api
    named = [scp.tls.certificate, scp.tls.key, scp.tls.client_certificate_authorities]
    named += [rendered.environment.get("PORT104_EVENTS__URL_FILE")]
    named += [rendered.environment.get("PORT104_OBJECTSTORE__SECRETACCESSKEY_FILE")]
    named += [api.tls.certificate, api.tls.key, rendered.environment.get("PORT104_REGISTRY__URL_FILE")]
    named += [rendered.environment["PORT104_CONFIG"], configured.settings.storage.temporary]
    for file in filter(None, named):
        assert any(Path(file).is_relative_to(mount) for mount in mounts), file
    claims = rendered.one("StatefulSet")["spec"].get("volumeClaimTemplates", [])
    volumes = {each["name"] for each in (*rendered.pod["volumes"], *(claim["metadata"] for claim in claims))}
    assert volumes == {each["name"] for each in rendered.container["volumeMounts"]}


def test_nothing_runs_with_more_rights_than_it_needs(rendered, configured):
    security = rendered.container["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert rendered.pod["securityContext"]["runAsNonRoot"]
    watches, jobs = configured.settings.read_ae_titles_from_crd, configured.settings.jobs.kubernetes
    assert rendered.pod["automountServiceAccountToken"] is (watches or jobs)
    assert len(rendered.all("Role")) == len(rendered.all("RoleBinding")) == (watches or jobs)
    groups = {group for role in rendered.all("Role") for rule in role["rules"] for group in rule["apiGroups"]}
    assert groups == {*(["", "port104.io"] if watches else []), *(["", "batch"] if jobs else [])}
    assert rendered.all("ClusterRole") == []


def test_a_source_is_known_by_its_own_address(rendered):
    spec = rendered.service()["spec"]
    assert spec.get("externalTrafficPolicy") == (None if spec["type"] == "ClusterIP" else "Local")


@pytest.mark.parametrize(
    ("name", "affinity"), [("replicas", "ClientIP"), ("shared-volume", "None"), ("object-store", "None")]
)
def test_a_study_stays_where_all_of_it_can_be_seen(name, affinity):
    assert Rendered(values_of(name)).service()["spec"]["sessionAffinity"] == affinity


def test_probes_go_where_the_api_is(rendered):
    exposed = rendered.service("-api") is not None
    paths = {"startupProbe": "live", "livenessProbe": "live", "readinessProbe": "ready"}
    for name, path in paths.items():
        probe = rendered.container[name]
        if exposed:
            assert probe["httpGet"]["path"] == f"/health/{path}"
        else:
            assert "port104 status" in probe["exec"]["command"][-1]


def test_notes_tell_the_next_command(rendered):
    """And the command line knows it; tests/image carries it out."""
    assert f"kubectl -n {NAMESPACE} rollout status" in rendered.notes
    assert "<no value>" not in rendered.notes
    assert "port104 create src" in rendered.notes


def test_prometheus_finds_the_api():
    rendered = Rendered(values_of("api-https"))
    monitor, service = rendered.one("ServiceMonitor"), rendered.service("-api")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert endpoint["scheme"] == "https"
    assert rendered.service()["metadata"]["labels"].get("app.kubernetes.io/component") != "api"


def test_a_role_is_for_the_resources_of_the_chart():
    """What the engine may read is what there are definitions of."""
    [watched, *_] = Rendered(values_of("custom-resources")).one("Role")["rules"]
    definitions = [yaml.safe_load(file.read_text()) for file in sorted((CHART / "crds").glob("*.yaml"))]
    assert {each["spec"]["group"] for each in definitions} == set(watched["apiGroups"])
    assert {each["spec"]["names"]["plural"] for each in definitions} == set(watched["resources"])


def test_a_role_for_jobs_has_what_port104_asks_for():
    rules = Rendered(values_of("jobs")).one("Role")["rules"]
    verbs = {(of, verb) for rule in rules for of in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {
        *(("jobs", verb) for verb in ("create", "get", "list", "watch", "patch", "delete")),
        *(("pods", verb) for verb in ("get", "list", "watch")),
        *{("pods/log", "get"), ("persistentvolumeclaims", "get")},
    }


def test_jobs_by_the_object_store_have_the_key_of_its_secret():
    environment = Rendered(values_of("jobs-by-store")).environment
    told = {key.rpartition("__")[2]: value for key, value in environment.items() if "__TRANSFER__" in key}
    assert told == {"SECRET": "port104-s3", "ACCESSKEYIDKEY": "accessKeyId", "SECRETACCESSKEYKEY": "secret"}
    assert not [key for key in Rendered(values_of("object-store")).environment if "__TRANSFER__" in key]


def test_a_pod_that_makes_jobs_knows_its_own_name():
    assert Rendered(values_of("jobs")).environment["POD_NAME"] == POD


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"volumeSzie": "50Gi"}, "volumeSzie"),
        ({"volumeSize": "fifty"}, "volumeSize"),
        ({"service": {"port": 0}}, "port"),
        ({"service": {"type": "ExternalName"}}, "type"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"serviceMonitor": {"tokenSecret": {"name": "x"}}}, "tokenSecret"),
        ({"replicaCount": 2}, "database.existingSecret"),
        ({"api": {"expose": True}}, "port104 token create"),
        ({"tls": {"only": True}}, "tls.existingSecret"),
        ({"objectStore": {"existingSecret": "port104-s3"}}, "config.objectStore.url"),
        ({"serviceMonitor": {"enabled": True}}, "api.expose"),
        ({"config": {"storage": {"temporary": "/data"}}}, "/payloads"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(values, said):
    helm()
    assert said in refused(values)


@pytest.mark.parametrize(
    ("values", "release", "name"),
    [
        ({}, "port104", "port104"),
        ({}, "site", "site-port104"),
        ({"nameOverride": "ingress"}, "site", "site-ingress"),
        ({"fullnameOverride": "ingress"}, "site", "ingress"),
        ({}, "a" * 53, "a" * 50),  # helm's longest, and ours: pods and revisions have longer ones
    ],
)
def test_names_follow_the_release(values, release, name):
    assert Rendered(values, release).one("StatefulSet")["metadata"]["name"] == name


def test_the_readme_is_what_values_say():
    done = subprocess.run(
        [sys.executable, "-c", "import readme, sys; sys.stdout.write(readme.made())"],
        cwd=CHART.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (CHART / "README.md").read_text(), "run make chart-readme"


def test_every_value_is_described_and_has_its_place_in_the_schema():
    sys.path.insert(0, str(CHART.parent))
    try:
        import readme  # noqa: PLC0415 - it is beside the chart
    finally:
        sys.path.pop(0)
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    described = dict(readme.described(text))
    assert [*readme.undescribed(values, set(described))] == []
    schema = json.loads((CHART / "values.schema.json").read_text())
    for path in described:
        at = schema
        for key in path:
            assert key in at["properties"], path
            at = at["properties"][key]
