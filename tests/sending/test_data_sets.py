"""Data sets of pydicom as they go over the wire."""

import pydicom
import pytest

from corpus import corpus
from port104 import uids
from port104.sending.data_sets import EncodedDataSet, syntaxes_of


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm"])
async def test_a_data_set_is_encoded_in_its_own_transfer_syntax(name):
    (file,) = [file for file in corpus() if file.path.name == name]
    read = pydicom.dcmread(file.path)
    encoded = EncodedDataSet(read)
    assert encoded.syntaxes == (file.sop_class_uid, file.transfer_syntax_uid)
    assert encoded.sop_instance_uid == file.sop_instance_uid
    data = await encoded.read()
    assert len(data) == encoded.length
    assert await encoded.read() == b""
    meta = file.path.read_bytes()[: -len(file.data_set)]
    again = pydicom.dcmread(pydicom.filebase.DicomBytesIO(meta + data))
    assert again == read


def test_without_file_meta_it_is_explicit_vr_little_endian():
    data_set = pydicom.Dataset()
    with pytest.raises(ValueError, match="no SOP Class UID"):
        EncodedDataSet(data_set)
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    with pytest.raises(ValueError, match="no SOP Instance UID"):
        EncodedDataSet(data_set)
    data_set.SOPInstanceUID = "1.2.3"
    assert syntaxes_of(data_set).transfer_syntax == uids.EXPLICIT_VR_LITTLE_ENDIAN
    assert EncodedDataSet(data_set).length > 0


def test_what_cannot_be_encoded_is_named():
    data_set = pydicom.Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data_set.add(pydicom.DataElement(0x00280010, "US", 1))
    data_set[0x00280010]._value = "many"
    with pytest.raises(ValueError, match="cannot be encoded in transfer syntax"):
        EncodedDataSet(data_set)
