"""Where the storage folder is, read off port104's own pod; where no Job can have it, what to do is said."""

from pathlib import Path, PurePosixPath

import pytest

from port104.cluster.api_server import open_api_server
from port104.cluster.faults import ClusterError
from port104.dispatch.backends.kubernetes.whereabouts import NoWayError, OwnImage, look_at_image, look_round
from stub_api_server import serving_api
from stub_cluster import CLAIM, POD, StubCluster

ROOT = Path("/payloads/port104-0")


@pytest.fixture
def stub():
    return StubCluster(ROOT)


async def found(stub, account, root=ROOT, look=look_round):
    """Where it is; what is raised comes out as it is, and not in the groups of nurseries."""
    fault = None
    async with serving_api(stub, account) as place, open_api_server(place) as server:
        try:
            return await look(server, POD, root)
        except (NoWayError, ClusterError) as raised:
            fault = raised
    raise fault


async def test_a_volume_of_one_node(stub, tmp_path):
    at = await found(stub, tmp_path)
    assert (at.claim, at.path, at.node) == (CLAIM, PurePosixPath("site/port104-0"), "node-1")
    assert (at.owner.kind, at.owner.name, at.owner.uid) == ("StatefulSet", "port104", "owner")


async def test_a_volume_of_all_nodes(tmp_path):
    assert (await found(StubCluster(ROOT, ("ReadWriteOnce", "ReadWriteMany")), tmp_path)).node is None


async def test_the_mount_is_the_closest_one(stub, tmp_path):
    pod = stub.objects["pods", POD]
    mounts = [{"name": "root", "mountPath": "/"}, {"name": "payloads", "mountPath": "/payloads"}]
    pod["spec"]["containers"] = [{"name": "sidecar"}, {"name": "port104", "volumeMounts": mounts}]
    assert (await found(stub, tmp_path)).path == PurePosixPath("port104-0")


async def test_what_comes_and_goes_owns_nothing(stub, tmp_path):
    [owner] = stub.objects["pods", POD]["metadata"]["ownerReferences"]
    stub.objects["pods", POD]["metadata"]["ownerReferences"] = [{**owner, "kind": "ReplicaSet"}]
    assert (await found(stub, tmp_path)).owner is None


def without_claim(spec):
    spec["volumes"][1] = {"name": "payloads", "emptyDir": {}}


def by_expression(spec):
    spec["containers"][0]["volumeMounts"][1]["subPathExpr"] = "$(POD_NAME)"


def of_another_form(spec):
    spec["containers"] = "none"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_claim, "the volume payloads of the storage folder is no claim"),
        (by_expression, "mounted by subPathExpr"),
        (of_another_form, "in a way that port104 does not know"),
    ],
)
async def test_what_no_job_can_share(stub, tmp_path, damage, said):
    damage(stub.objects["pods", POD]["spec"])
    with pytest.raises(NoWayError, match=said):
        await found(stub, tmp_path)


async def test_a_folder_that_is_on_no_volume(stub, tmp_path):
    with pytest.raises(NoWayError, match="/srv/port104 is on no volume of this pod"):
        await found(stub, tmp_path, Path("/srv/port104"))


async def test_a_claim_of_one_pod(tmp_path):
    with pytest.raises(NoWayError, match=r"is for one pod alone \(ReadWriteOncePod\)"):
        await found(StubCluster(ROOT, ("ReadWriteOncePod",)), tmp_path)


async def test_a_pod_that_there_is_not(stub, tmp_path):
    stub.delete("pods", POD)
    with pytest.raises(ClusterError, match='pods "port104-0" not found'):
        await found(stub, tmp_path)


# ---- the image ----


def image(given=None):
    return lambda server, pod, root: look_at_image(server, pod, root, given)


async def test_the_image_is_that_of_the_container_with_the_storage_folder(stub, tmp_path):
    spec = stub.objects["pods", POD]["spec"]
    spec["containers"] = [{"name": "sidecar", "image": "x:1"}, *spec["containers"]]
    spec["containers"][1]["imagePullPolicy"] = "Always"
    seen = await found(stub, tmp_path, look=image())
    assert seen == OwnImage("port104:1", "Always", ("registry",), seen.owner)
    assert seen.owner.kind == "StatefulSet"


async def test_the_only_container_needs_no_volume(stub, tmp_path):
    assert (await found(stub, tmp_path, Path("/srv"), image())).image == "port104:1"


async def test_an_image_that_is_given_is_taken(stub, tmp_path):
    stub.objects["pods", POD]["spec"]["containers"] = []
    seen = await found(stub, tmp_path, look=image("mirror/port104:2"))
    assert (seen.image, seen.pull_policy, seen.pull_secrets) == ("mirror/port104:2", "", ("registry",))


@pytest.mark.parametrize("containers", [[], [{"name": "a"}], [{"image": "a"}, {"image": "b"}]])
async def test_an_image_that_cannot_be_seen_is_to_be_named(stub, tmp_path, containers):
    stub.objects["pods", POD]["spec"]["containers"] = containers
    with pytest.raises(NoWayError, match=r"name it \(jobs.transfer.image\)"):
        await found(stub, tmp_path, look=image())
