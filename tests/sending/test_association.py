"""Files sent by their paths, over one association."""

import pytest

from acceptor_service import serving
from part10_files import data_set, write_file
from port104.errors import NotAcceptedError
from port104.net.calling import Address
from port104.sending.association import associate
from scripted_acceptor import PROPOSAL, QUICK
from stored import data_set_of


async def test_paths_are_stored_and_what_is_no_instance_is_named(tmp_path):
    path = write_file(tmp_path, "1.2.3", 3_000_000)
    other = write_file(tmp_path, "1.2.4", sop_class="1.2.840.10008.5.1.4.1.1.4")
    text = tmp_path / "text"
    text.write_text("no")
    async with serving(tmp_path / "storage") as service:
        async with associate(Address("127.0.0.1", service.port), PROPOSAL, QUICK) as association:
            assert (await association.echo()).status == 0
            assert (await association.store(path)).status == 0
            with pytest.raises(NotAcceptedError, match="was not proposed"):
                await association.store(other)
            with pytest.raises(ValueError, match="no DICOM file"):
                await association.store(text)
            assert (await association.store(path)).status == 0
            assert association.usable
        assert data_set_of(service.files()[0]) == data_set("1.2.3", 3_000_000)
