"""Where an object store is, and who port104 is there."""

import urllib.parse

import msgspec

SCHEME = "s3"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a bucket. Times in seconds.

    `prefix`: what all keys begin with, with `/` at its end, or empty. `endpoint`: URL of the store; None:
    Amazon's in the region. `access_key_id`, `secret_access_key`: None: found as Amazon's tools find them, in
    AWS_... variables, by a web identity or from the machine's metadata. `authorities`: file with certificates
    that the store's may be signed by, besides the system's. `request`: what one request may take.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None
    path_style: bool = True
    authorities: str | None = None
    connect: float = 5.0
    request: float = 60.0

    @property
    def name(self) -> str:
        """What tells it from others: by what is another one, instances are not where they were put."""
        where = "Amazon S3" if self.endpoint is None else self.endpoint.rstrip("/")
        return f"{SCHEME}://{self.bucket}/{self.prefix} at {where}"

    def url_of(self, key: str) -> str:
        """What other programs call an object."""
        return f"{SCHEME}://{self.bucket}/{key}"

    def key_of(self, node: str, file: str, written: int) -> str:
        """Where an instance is put: the same for the same bytes, so that whatever is repeated does no harm.

        `node`: whose storage folder `file` is in; `written`: when, in ns since 1970. Other bytes that take
        a file's place, or come under its name once it is gone, were written at another time.
        """
        return f"{self.prefix}{node}/{file.removesuffix('.dcm')}.{written:x}.dcm"


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Take `s3://bucket/prefix` apart. `url_fault` says whether it may be."""
    parts = urllib.parse.urlsplit(url)
    path = parts.path.strip("/")
    return parts.netloc, f"{path}/" if path else ""


def url_fault(url: str) -> str | None:
    """What is wrong with the URL of a bucket; None: nothing."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        parts = urllib.parse.urlsplit("")
    right = parts.scheme == SCHEME and parts.netloc and not parts.query and not parts.fragment
    if not right or not set("@:").isdisjoint(parts.netloc) or not url.isascii() or not url.isprintable():
        return "expected a bucket, with or without a prefix: s3://bucket/prefix"
    if " " in url or any(part in {"", ".", ".."} for part in parts.path.strip("/").split("/")[1:]):
        return "a prefix has names with one / between them, such as s3://bucket/site/port104"
    return None
