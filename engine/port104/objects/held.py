"""What is known of an object that is stored."""

import msgspec


class Held(msgspec.Struct, frozen=True):
    """`digest`: SHA-256 of its bytes, hexadecimal; `etag`: the store's own word for them."""

    key: str
    size: int
    digest: str
    etag: str
