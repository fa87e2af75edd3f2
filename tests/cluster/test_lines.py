"""A watch's bytes become changes wherever they are cut, and half a line never does."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.cluster.faults import ClusterError
from port104.cluster.lines import Lines

CHANGES = [
    {"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"x": "\n"}}},
    {"type": "BOOKMARK", "object": {"kind": "Source", "metadata": {"resourceVersion": "2"}}},
    {"type": "DELETED", "object": {"metadata": {"name": "a", "resourceVersion": "3"}, "status": {}}},
]
TEXT = "".join(json.dumps(each) + "\n" for each in CHANGES).encode()


@given(st.lists(st.integers(0, len(TEXT)), max_size=5))
def test_it_does_not_matter_where_bytes_are_cut(cuts):
    lines, heard = Lines(), []
    places = [0, *sorted(cuts), len(TEXT)]
    for start, end in itertools.pairwise(places):
        heard += lines.feed(TEXT[start:end])
    assert [each.kind for each in heard] == ["ADDED", "BOOKMARK", "DELETED"]
    assert [each.resource.metadata.resource_version for each in heard] == ["1", "2", "3"]
    assert heard[0].resource.spec == {"x": "\n"}


def test_half_a_line_is_no_change():
    assert [*Lines().feed(TEXT[:-1])] == [*Lines().feed(TEXT)][:2]


def test_an_error_is_raised_with_its_code():
    line = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'
    with pytest.raises(ClusterError, match="too old") as raised:
        Lines().feed(line)
    assert raised.value.status == 410


@pytest.mark.parametrize(
    "line", [b"<html>\n", b"[]\n", b'{"type":"WHAT","object":{}}\n', b'{"type":"ADDED"}\n']
)
def test_what_is_no_watch_is_said(line):
    with pytest.raises(ClusterError, match="no change of a custom resource"):
        Lines().feed(line)


def test_a_line_without_an_end_is_not_kept():
    lines = Lines()
    assert lines.feed(bytes(1 << 22)) == []
    with pytest.raises(ClusterError, match="more than"):
        lines.feed(b"x")
