"""The types of values that several sections share, each with its constraint."""

from typing import Annotated

from msgspec import Meta

from port104.database import address
from port104.objects import place
from port104.service import values

AETitle = Annotated[
    str,
    Meta(
        extra={"check": values.ae_title_fault, "valid": "1-16 printable ASCII characters, no `\\`"},
        extra_json_schema={"pattern": r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$"},
    ),
]
UID = Annotated[
    str,
    Meta(
        extra={"check": values.uid_fault, "valid": "UID"},
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$", "maxLength": 64},
    ),
]
Peer = Annotated[
    str,
    Meta(extra={"check": values.peer_fault, "valid": "IP address, CIDR network or host name"}),
]
Host = Annotated[str, Meta(extra={"check": values.host_fault, "valid": "IP address or host name"})]
Network = Annotated[
    str,
    Meta(extra={"check": values.network_fault, "valid": "IP address or CIDR network"}),
]
DatabaseURL = Annotated[
    str,
    Meta(extra={"check": address.url_fault, "valid": "postgresql://...", "secret": True}),
]
BucketURL = Annotated[
    str,
    Meta(extra={"check": place.url_fault, "valid": "s3://..."}, extra_json_schema={"pattern": "^s3://"}),
]
Text = Annotated[str, Meta(extra={"check": values.not_blank, "valid": "not empty"})]
Secret = Annotated[str, Meta(extra={"check": values.not_blank, "valid": "not empty", "secret": True})]
Name = Annotated[
    str,
    Meta(
        extra={"check": values.name_fault, "valid": "1-64 printable characters"},
        extra_json_schema={"minLength": 1, "maxLength": 64},
    ),
]
NameOrNone = Annotated[
    str,
    Meta(
        extra={
            "check": values.name_or_none_fault,
            "valid": "1-64 printable characters, or empty: the AE title",
        },
        extra_json_schema={"maxLength": 64},
    ),
]
PipelineID = Annotated[
    str,
    Meta(
        extra={"check": values.pipeline_id_fault, "valid": "1-64 of A-Z, a-z, 0-9, `.`, `-`, `_`"},
        extra_json_schema={"pattern": "^[A-Za-z0-9._-]{1,64}$"},
    ),
]
Command = Annotated[str | tuple[str, ...], Meta(extra={"check": values.command_fault})]
URL = Annotated[
    str,
    Meta(
        extra={"check": values.url_fault, "valid": "http://... or https://..."},
        extra_json_schema={"pattern": "^https?://"},
    ),
]
DICOMwebURL = Annotated[
    str,
    Meta(
        extra={"check": values.dicomweb_url_fault, "valid": "http://... or https://..., without `/studies`"},
        extra_json_schema={"pattern": "^https?://"},
    ),
]
AbsolutePath = Annotated[
    str,
    Meta(
        extra={"check": values.absolute_path_fault, "valid": "absolute path"},
        extra_json_schema={"pattern": "^/"},
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
Fingerprint = Annotated[
    str,
    Meta(
        extra={"check": values.fingerprint_fault, "valid": "SHA-256, 64 hexadecimal digits"},
        extra_json_schema={"pattern": "^([0-9A-Fa-f]:?){64}$"},
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
