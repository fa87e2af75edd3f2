"""`pipelines[].kubernetes`: the Job that a pipeline is, where a cluster runs it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, field

from port104.service import kubernetes_values as values
from port104.service.settings.section import Section

Image = Annotated[
    str,
    Meta(
        extra={"check": values.image_fault, "valid": "an image, as registry/name:tag or with its digest"},
        extra_json_schema={"minLength": 1, "maxLength": 500},
    ),
]
NameOfAnother = Annotated[
    str,
    Meta(extra={"check": values.object_name_fault, "valid": "name in Kubernetes, or empty"}),
]
ObjectName = Annotated[
    str,
    Meta(
        extra={"check": values.given_object_name_fault, "valid": "name in Kubernetes"},
        extra_json_schema={"minLength": 1, "maxLength": 253},
    ),
]
SecretKey = Annotated[
    str,
    Meta(
        extra={"check": values.secret_key_fault, "valid": "key of a Secret"},
        extra_json_schema={"minLength": 1, "maxLength": 253},
    ),
]
Quantity = Annotated[
    str, Meta(extra={"check": values.quantity_fault, "valid": "quantity such as 10Gi, or empty"})
]
Quantities = Annotated[dict[str, str | int], Meta(extra={"named": values.read_quantity})]
NodeLabels = Annotated[dict[str, str], Meta(extra={"named": values.read_label})]
Words = Annotated[tuple[str, ...], Meta(extra={"check": values.words_fault})]


class VolumeSettings(Section, frozen=True):
    """What the container finds at a path: one of claim, secret, configMap, scratch and memory."""

    mount_path: Annotated[
        str,
        Meta(
            extra={"check": values.mount_path_fault, "valid": "absolute path"},
            extra_json_schema={"pattern": "^/"},
        ),
    ]
    """Where it is mounted. `/payload` is port104's own."""
    claim: NameOfAnother = ""
    """Name of a PersistentVolumeClaim of the namespace."""
    secret: NameOfAnother = ""
    """Name of a Secret, each key a file. It is read-only."""
    config_map: NameOfAnother = ""
    """Name of a ConfigMap, each key a file. It is read-only."""
    scratch: Quantity = ""
    """Room on the node's disk, at the most so much; empty at first, and gone with the Job."""
    memory: Quantity = ""
    """The same in memory, for instance for `/dev/shm`; it counts against the container's limit."""
    sub_path: Annotated[
        str, Meta(extra={"check": values.sub_path_fault, "valid": "relative path, or empty"})
    ] = ""
    """The folder or file of the volume that is mounted. Empty (the default): all of it."""
    read_only: bool = False
    """Whether it may not be written to."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        ways = {
            "claim": self.claim,
            "secret": self.secret,
            "configMap": self.config_map,
            "scratch": self.scratch,
            "memory": self.memory,
        }
        given = [key for key, way in ways.items() if way]
        if not given:
            yield "claim", f"a volume is one of {', '.join(ways)}, and none of them is given"
        for key in given[1:]:
            yield key, f"a volume is one of {', '.join(ways)}, and {given[0]} is given too"


class TolerationSettings(Section, frozen=True):
    """A taint of nodes that the Job puts up with, as Kubernetes has it."""

    key: Annotated[
        str, Meta(extra={"check": values.label_key_fault, "valid": "key of a taint, or empty"})
    ] = ""
    """Key of the taint. Empty: any, with the operator Exists."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether the taint has this value, or any."""
    value: Annotated[
        str, Meta(extra={"check": values.label_value_fault, "valid": "value of a taint, or empty"})
    ] = ""
    """Value of the taint, with the operator Equal."""
    effect: Annotated[
        str,
        Meta(
            extra={
                "check": values.effect_fault,
                "valid": "NoSchedule, PreferNoSchedule, NoExecute, or empty",
            }
        ),
    ] = ""
    """What the taint does. Empty: whatever it does."""
    toleration_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] | None = None
    """How long the Job stays where the taint comes later, with the effect NoExecute. Null: for ever."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        if not self.key and self.operator != "Exists":
            yield "operator", "without a key it is Exists"
        if self.value and self.operator == "Exists":
            yield "value", "with the operator Exists there is none"
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            yield "tolerationSeconds", "they are for the effect NoExecute"


class KubernetesSettings(Section, frozen=True):
    """The Job that a cluster runs: its one container, and where it may run."""

    image: Image
    """The image of the container. It runs as port104's own user and group, without privileges."""
    payload: Literal["volume", "objectStore"] = "volume"
    """How it has the payload, and where its output goes: by port104's own `volume`, or by the `objectStore`,
    which needs `objectStore.url`: then its pod needs no volume of port104's, and no node of it."""
    payload_size: Quantity = ""
    """With the object store: room for payload and output on the node's disk, at the most so much. Empty (the
    default): what the node has."""
    command: Words = ()
    """Instead of the image's entry point. Empty (the default): that."""
    args: Words = ()
    """Instead of the image's arguments. Empty (the default): those."""
    requests: Quantities = field(default_factory=dict)
    """What is set aside for it: `cpu`, `memory` and others, each with its quantity. Left out: its limits."""
    limits: Quantities = field(default_factory=dict)
    """What it may use, GPUs too: `nvidia.com/gpu`."""
    volumes: Annotated[tuple[VolumeSettings, ...], Meta(extra={"check": values.mount_paths_fault})] = ()
    """What it finds besides the payload."""
    node_selector: NodeLabels = field(default_factory=dict)
    """Labels of the nodes that it may run on."""
    tolerations: tuple[TolerationSettings, ...] = ()
    """Taints of nodes that it puts up with."""
    service_account_name: NameOfAnother = ""
    """The service account whose token it gets. Empty (the default): it gets none."""
    image_pull_secrets: tuple[ObjectName, ...] = ()
    """Names of Secrets that the image is pulled with."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When the image is pulled."""
    runtime_class_name: NameOfAnother = ""
    """The RuntimeClass that it runs in, such as `nvidia`. Empty (the default): the cluster's own."""
    priority_class_name: NameOfAnother = ""
    """Its priority class. Empty (the default): the cluster's own."""
    ttl_seconds_after_finished: Annotated[int, Meta(ge=0, le=2_592_000)] = 3600
    """Seconds that the Job stays for people to look at, once port104 has seen and written down its end."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        if self.payload_size and self.payload != "objectStore":
            yield (
                "payloadSize",
                "it is for a payload that comes by the objectStore; port104's volume has its own",
            )
