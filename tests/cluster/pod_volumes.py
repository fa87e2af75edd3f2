"""What a kubelet gives a container: its volumes as folders of this machine, and its variables."""

import base64
import re
import shutil

from api_server_process import NAMESPACE
from cluster.control_plane import CORE


def mounts_of(server, pod, asked, folder, claims):
    """The mounts of a container: (from, to, rw or ro). Volumes are made in `folder`, or stay in `claims`."""
    volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
    for mount in asked.get("volumeMounts", []):
        source = _volume(server, pod, volumes[mount["name"]], folder, claims) / mount.get("subPath", "")
        yield source, mount["mountPath"], "ro" if mount.get("readOnly") else "rw"


def _volume(server, pod, volume, folder, claims):
    """Make a volume, or find it where it was made."""
    if "persistentVolumeClaim" in volume:
        claim = claims / volume["persistentVolumeClaim"]["claimName"]
        if not claim.exists():
            claim.mkdir()
            shutil.chown(claim, group=pod["spec"]["securityContext"]["fsGroup"])
            claim.chmod(0o2775)
        return claim
    made = folder / volume["name"]
    if not made.exists():
        made.mkdir()
        made.chmod(0o777)
        for name, text in _files(server, pod, volume):
            (made / name).write_text(text)
    return made


def _files(server, pod, volume):
    if "configMap" in volume:
        found = server.ask("GET", f"{CORE}configmaps/{volume['configMap']['name']}")
        yield from found["data"].items()
    elif "secret" in volume:
        for item in volume["secret"]["items"]:
            yield item["path"], _secret(server, volume["secret"]["secretName"], item["key"])
    elif "projected" in volume:  # the service account's, which the API server puts into each pod
        spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"]}}
        account = f"{CORE}serviceaccounts/{pod['spec']['serviceAccountName']}"
        yield "token", server.ask("POST", f"{account}/token", {"spec": spec})["status"]["token"]
        yield "ca.crt", server.place.authorities.read_text()
        yield "namespace", NAMESPACE
    else:
        assert "emptyDir" in volume, volume


def _secret(server, name, key):
    return base64.b64decode(server.ask("GET", f"{CORE}secrets/{name}")["data"][key]).decode()


def environment_of(server, pod, asked):
    """The variables of a container, with those before in place of $(NAME)."""
    found = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    for each in asked.get("env", []):
        value = each.get("value", "")
        source = each.get("valueFrom", {})
        if "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "metadata.name"
            value = pod["metadata"]["name"]
        elif "secretKeyRef" in source:
            value = _secret(server, source["secretKeyRef"]["name"], source["secretKeyRef"]["key"])
        found[each["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], value)
    return found
