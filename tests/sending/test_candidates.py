"""What is known of a file before it is sent: all of it true, however long its File Meta Information is."""

import pytest

from part10_files import data_set, descriptors, element, file_meta
from port104.sending.candidates import look_at


@pytest.mark.parametrize("ends", [4090, 4094, 4096, 4098, 5000, 30_000])
def test_it_ends_about_where_the_first_bytes_do(tmp_path, ends):
    path, meta = tmp_path / "long.dcm", file_meta()
    meta += element(2, 0x0102, b"OB", bytes(ends - len(meta) - 12))
    path.write_bytes(meta + data_set(size=9_000))
    before = descriptors()
    (found,) = look_at([path])
    assert (found.data_set_at, found.size) == (ends, len(data_set(size=9_000)))
    assert found.sop_instance_uid == "1.2.3"
    assert descriptors() == before


def test_a_boundary_of_elements_where_the_first_bytes_end(tmp_path):
    """What follows there belongs to the File Meta Information too, and is not seen at first."""
    path, meta = tmp_path / "long.dcm", file_meta()
    meta += element(2, 0x0102, b"OB", bytes(4096 - len(meta) - 12))
    assert len(meta) == 4096
    meta += element(2, 0x0103, b"OB", bytes(50))
    path.write_bytes(meta + data_set())
    (found,) = look_at([path])
    assert found.data_set_at == len(meta)
