"""Where objects are: URLs of buckets, and keys."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.objects.place import Place, bucket_and_prefix, url_fault

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)


@given(bucket=NAMES, parts=st.lists(NAMES, max_size=3), end=st.sampled_from(["", "/"]))
def test_a_url_names_a_bucket_and_what_keys_begin_with(bucket, parts, end):
    url = "/".join(["s3:/", bucket, *parts]) + end
    assert url_fault(url) is None
    assert bucket_and_prefix(url) == (bucket, "".join(f"{part}/" for part in parts))


@pytest.mark.parametrize(
    "url",
    [
        *("bucket", "https://bucket/x", "s3:///x", "s3://user:secret@bucket", "s3://bucket?x=1"),
        *("s3://bucket/a//b", "s3://bucket/a/../b", "s3://bucket/a b", "s3://bucket/ä", "s3://[::1", ""),
    ],
)
def test_other_urls_are_refused_with_an_example(url):
    assert "s3://bucket/" in url_fault(url)


def test_the_same_bytes_have_the_same_key_and_others_another_one():
    place = Place(bucket="b", prefix="site/")
    key = place.key_of("n1", "ab/abcd.1.dcm", 1_700_000_000_000_000_001)
    assert key == "site/n1/ab/abcd.1.17979cfe362a0001.dcm"
    assert key == place.key_of("n1", "ab/abcd.1.dcm", 1_700_000_000_000_000_001)
    assert key != place.key_of("n1", "ab/abcd.1.dcm", 1_700_000_000_000_000_002)
    assert place.url_of(key) == f"s3://b/{key}"


def test_a_place_is_another_one_by_bucket_prefix_and_address_and_by_nothing_else():
    place = Place(bucket="b", prefix="site/", endpoint="https://minio.example:9000/")
    assert place.name == "s3://b/site/ at https://minio.example:9000"
    same = msgspec.structs.replace(place, access_key_id="k", secret_access_key="s", request=1.0)
    assert same.name == place.name
    for other in ({"bucket": "c"}, {"prefix": ""}, {"endpoint": None}):
        assert msgspec.structs.replace(place, **other).name != place.name
