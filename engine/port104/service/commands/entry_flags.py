"""The flags of `port104 create` and `update`: the key that each sets in the document of an entry.

What they mean together, and how they are read, stands in flags.py; settings/ checks the values.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Form = Literal["text", "number", "amount", "list", "names", "pairs", "command", "switch"]
"""`list`: several, or one with commas; `names`: several, each of which may hold anything."""

SETTINGS = "processorSettings"


class Flag(NamedTuple):
    """A flag. `key`: what it sets in the document, or after a dot in an object of it."""

    names: str
    key: str
    help: str
    form: Form = "text"
    metavar: str = "TEXT"
    only_new: bool = False
    """Whether it cannot be changed afterwards."""


_AE_TITLE = Flag("-a/--ae-title", "aeTitle", "Its AE title, of 16 characters at most.", metavar="AETITLE")
_NAME = Flag("-n/--name", "name", "What people call it; default: the AE title.", metavar="NAME")
_IGNORED = Flag(
    "--ignored-sop-classes",
    "ignoredSopClasses",
    "Acknowledged with success and not stored; several, or with commas.",
    "list",
    "UID",
)
_ALLOWED = Flag(
    "--allowed-sop-classes",
    "allowedSopClasses",
    "Stored; default: all. Several, or with commas.",
    "list",
    "UID",
)

FLAGS: dict[str, tuple[Flag, ...]] = {
    "aetitle": (
        _AE_TITLE,
        _NAME,
        Flag(
            "--overwrite/--no-overwrite",
            "overwriteSameInstance",
            "Whether an instance that is sent again replaces the one stored before; default: no.",
            "switch",
        ),
        _IGNORED,
        _ALLOWED,
        Flag(
            "--transfer-syntaxes",
            "acceptedTransferSyntaxes",
            "Taken for instances; default: all. Several, or with commas.",
            "list",
            "UID",
        ),
        Flag(
            "--maximum-object-size",
            "maximumObjectSize",
            "Longest data set that is kept, 0: any; default: dicom.scp.maximumObjectSize.",
            "number",
            "BYTES",
        ),
        Flag("--processor", "processor", "Clara's job processor class."),
        Flag(
            "--group-by",
            f"{SETTINGS}.groupBy",
            "What instances of one job have in common; default: 0020,000D, the study.",
            metavar="TAG",
        ),
        Flag(
            "--timeout",
            f"{SETTINGS}.timeout",
            "After the last instance, until a job starts; default: 5.",
            metavar="SECONDS",
        ),
        Flag("--priority", f"{SETTINGS}.priority", "lower, normal, higher or immediate.", metavar="WORD"),
        Flag(
            "--job-retry-delay",
            f"{SETTINGS}.jobRetryDelay",
            "Until a job that could not be started is tried again.",
            metavar="MILLISECONDS",
        ),
    ),
    "src": (
        _AE_TITLE,
        _NAME,
        Flag(
            "-i/--host",
            "hosts",
            "Where it calls from: IP address, CIDR network or host name; several, or with commas.",
            "list",
            "HOST",
        ),
        _IGNORED,
        _ALLOWED,
        Flag(
            "--certificate-fingerprints",
            "certificateFingerprints",
            "SHA-256 of its certificate, where it must show one over TLS; several, or with commas.",
            "list",
            "DIGITS",
        ),
        Flag(
            "--certificate-names",
            "certificateNames",
            "A name that its certificate must have; several, or with commas.",
            "list",
            "NAME",
        ),
    ),
    "dest": (
        Flag("-n/--name", "name", "What pipelines call it.", metavar="NAME"),
        _AE_TITLE,
        Flag("-i/--host", "hostIp", "Where it listens: IP address or host name.", metavar="HOST"),
        Flag("-p/--port", "port", "Its TCP port.", "number", "PORT"),
        Flag("--dicomweb", "url", "Or: where its DICOMweb services are, for STOW-RS.", metavar="URL"),
        Flag(
            "--dicomweb-token-file",
            "tokenFile",
            "File with a bearer token for its web server.",
            metavar="PATH",
        ),
        Flag(
            "--dicomweb-headers-file",
            "headersFile",
            "File with other headers for its web server, NAME: VALUE, one a line.",
            metavar="PATH",
        ),
        Flag("--tls/--no-tls", "tls", "Whether it is called over TLS; default: no.", "switch"),
        Flag(
            "--conversion",
            "conversion",
            "none or lossless: of what it refuses as it is; default: none.",
            metavar="WORD",
        ),
        Flag(
            "--associations",
            "associations",
            "Associations or connections with it at one time, 1 to 100; default: 2.",
            "number",
            "N",
        ),
        Flag(
            "--storage-commitment/--no-storage-commitment",
            "storageCommitment",
            "Whether results are delivered only once it says that it holds them; default: no.",
            "switch",
        ),
        Flag(
            "--window",
            "window",
            "Operations outstanding that are proposed to it, 1 to 256; default: 1.",
            "number",
            "N",
        ),
    ),
    "pipeline": (
        Flag("-n/--name", "name", "What people call it.", metavar="NAME"),
        Flag(
            "--id",
            "id",
            "What AE titles call it; default: it is made. It never changes.",
            metavar="ID",
            only_new=True,
        ),
        Flag(
            "--command",
            "command",
            "A program and its arguments, as typed; no shell comes between.",
            "command",
            "COMMAND",
        ),
        Flag(
            "-e/--environment",
            "environment",
            "A variable for the command or image; several. KEY= takes it out.",
            "pairs",
            "KEY=VALUE",
        ),
        Flag(
            "--memory",
            "limits.memory",
            "Address space of each of its processes; default: port104's own.",
            "number",
            "BYTES",
        ),
        Flag(
            "--open-files",
            "limits.openFiles",
            "Files that each of them may have open; default: as port104 may.",
            "number",
            "N",
        ),
        Flag(
            "--cpu-seconds",
            "limits.cpuSeconds",
            "CPU time of each of them; default: no limit.",
            "number",
            "N",
        ),
        Flag("--webhook", "webhook", "Or: the URL that is told of each run.", metavar="URL"),
        Flag(
            "--webhook-secret-file",
            "webhookSecretFile",
            "File with the secret that its messages are signed with.",
            metavar="PATH",
        ),
        Flag("--folder", "folder", "Or: the folder that each payload is put into.", metavar="PATH"),
        Flag("--image", "kubernetes.image", "Or: the image of a Job in the cluster.", metavar="IMAGE"),
        Flag(
            "--payload",
            "kubernetes.payload",
            "How it has the payload: volume or objectStore; default: volume.",
            metavar="WORD",
        ),
        Flag(
            "--payload-size",
            "kubernetes.payloadSize",
            "With objectStore: room for it on the node, as 20Gi; default: what there is.",
            metavar="QUANTITY",
        ),
        Flag(
            "--image-command",
            "kubernetes.command",
            "Instead of the image's entry point, as typed.",
            "command",
            "COMMAND",
        ),
        Flag(
            "--image-args",
            "kubernetes.args",
            "Instead of the image's arguments, as typed.",
            "command",
            "ARGUMENTS",
        ),
        Flag(
            "--request",
            "kubernetes.requests",
            "What is set aside for the Job, as memory=8Gi; several. KEY= takes it out.",
            "pairs",
            "KEY=VALUE",
        ),
        Flag(
            "--limit",
            "kubernetes.limits",
            "What it may use, as nvidia.com/gpu=1; several. KEY= takes it out.",
            "pairs",
            "KEY=VALUE",
        ),
        Flag(
            "--node-selector",
            "kubernetes.nodeSelector",
            "A label of the nodes that it may run on; several. KEY= takes it out.",
            "pairs",
            "KEY=VALUE",
        ),
        Flag(
            "--service-account",
            "kubernetes.serviceAccountName",
            "The service account whose token it gets; default: none.",
            metavar="NAME",
        ),
        Flag("--concurrency", "concurrency", "Runs at one time; default: 1.", "number", "N"),
        Flag(
            "--time-limit",
            "timeLimit",
            "For one attempt, 0: no limit; default: 3600.",
            "amount",
            "SECONDS",
        ),
        Flag("--retries", "retries", "Attempts after the first; default: 3.", "number", "N"),
        Flag(
            "--destination",
            "destinations",
            "Name of a destination that results go to; several.",
            "names",
            "NAME",
        ),
    ),
}
"""Word of a kind (registration.Kind) -> its flags."""

WAYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "pipeline": {
        "command": ("environment", "limits"),
        "kubernetes.image": ("environment",),
        "webhook": ("webhookSecretFile",),
        "folder": (),
    },
    "dest": {
        "hostIp": ("aeTitle", "port", "tls", "conversion", "storageCommitment"),
        "url": ("tokenFile", "headersFile"),
    },
}
"""Of these an entry has one; to change it is to give up the others, and what belongs to them alone."""
