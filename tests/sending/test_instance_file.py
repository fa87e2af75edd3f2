"""Files as data sets: read in pieces, whatever their size, and named where they cannot be sent."""

import pytest

from part10_files import data_set, descriptors, file_meta, write_file
from port104.sending.candidates import Candidate, Unsendable, look_at
from port104.sending.instance_file import HEAD_BYTES, InstanceFile


@pytest.mark.parametrize("size", [0, 1000, HEAD_BYTES - 400, HEAD_BYTES, 5_000_001])
async def test_a_file_is_read_to_its_end(tmp_path, size):
    path = write_file(tmp_path, size=size)
    file = InstanceFile(path)
    pieces = []
    while piece := await file.read():
        pieces.append(piece)
    file.close()
    assert b"".join(pieces) == data_set(size=size)
    assert file.length == len(data_set(size=size))
    assert all(len(piece) % 2 == 0 for piece in pieces[:-1])
    assert max(map(len, pieces)) <= 2 * HEAD_BYTES


async def test_no_descriptor_is_left_open(tmp_path):
    before = descriptors()
    for size in (100, 3_000_000):
        file = InstanceFile(write_file(tmp_path, size=size))
        await file.read()
        file.close()
        assert await file.read() == b""
    with pytest.raises(ValueError, match="no DICOM file"):
        InstanceFile(__file__)
    assert descriptors() == before


async def test_a_head_of_odd_length_is_cut_even(tmp_path):
    path = write_file(tmp_path, size=4000)
    at = len(file_meta())
    file = InstanceFile(path, head_bytes=at + 101)
    assert len(await file.read()) == 100
    rest = await file.read()
    file.close()
    assert rest == data_set(size=4000)[100:]


def test_candidates_are_told_from_what_cannot_be_sent(tmp_path):
    good = write_file(tmp_path, "1.2.3")
    text = tmp_path / "text"
    text.write_text("no")
    nameless = write_file(tmp_path, "1.2.4", syntax="")
    by_data_set = write_file(tmp_path, "1.2.5", sop_class="")
    gone = tmp_path / "gone"
    found = list(look_at([good, text, nameless, by_data_set, gone]))
    assert [type(one) for one in found] == [Candidate, Unsendable, Unsendable, Candidate, Unsendable]
    assert (found[0].sop_instance_uid, found[0].size) == ("1.2.3", len(data_set()))
    assert found[3].syntaxes == found[0].syntaxes
    assert [found[at].why for at in (1, 2, 4)] == [
        "it is no DICOM file (PS3.10 7.1): it does not begin with a preamble and DICM",
        "its File Meta Information names no transfer syntax (0002,0010)",
        "it cannot be read: No such file or directory",
    ]
