"""A series that cannot be measured is refused, with what is wrong, where, and what to do."""

import numpy as np
import pytest
from pydicom.uid import (
    EnhancedCTImageStorage,
    JPEG2000Lossless,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

import phantom
from lung_density import UnfitError
from lung_density.choosing import choose
from lung_density.series import read

MATRIX = 16


@pytest.fixture
def images():
    return phantom.make(MATRIX, slices=6)


@pytest.fixture
def reading(tmp_path):
    """Reads what it is given, as a folder of files."""

    def read_written(images):
        phantom.write(images, tmp_path)
        return read(choose(tmp_path))

    return read_written


def turned(image, degrees):
    """The image with its columns leaning towards the head."""
    angle = np.radians(degrees)
    image.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))]


def test_a_series_is_a_volume_in_hounsfield_units_whatever_the_order_of_its_files(images, reading):
    volume = reading(reversed(images))
    assert volume.spacing == (phantom.SPACING, phantom.FIELD / MATRIX, phantom.FIELD / MATRIX)
    assert volume.voxel_ml == pytest.approx(phantom.SPACING * (phantom.FIELD / MATRIX) ** 2 / 1000)
    assert [image.InstanceNumber for image in volume.images] == [1, 2, 3, 4, 5, 6]
    stored = np.frombuffer(images[2].PixelData, dtype="<i2").reshape(MATRIX, MATRIX)
    assert (volume.values[2] == stored.astype(int) + phantom.INTERCEPT).all()


def test_localizers_and_what_is_no_ct_are_passed_over(images, reading):
    localizer, capture = phantom.make(MATRIX, slices=2)
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    capture.SOPClassUID = SecondaryCaptureImageStorage
    assert len(reading([*images, localizer, capture]).images) == len(images)


def test_what_was_left_out_but_may_be_empty_is_not_asked_for(images, reading):
    for image in images:
        del image.PatientID, image.StudyID
    assert reading(images).images[0].PatientID is None


def test_stacks_that_lie_obliquely_are_measured_along_their_normal(images, reading):
    normal = np.array([0, -np.sin(0.3), np.cos(0.3)])
    for number, image in enumerate(images):
        turned(image, np.degrees(0.3))
        image.ImagePositionPatient = [round(float(each), 3) for each in 2.5 * number * normal]
    assert reading(images).spacing[0] == pytest.approx(2.5, abs=0.001)


def localizers_only(images):
    for image in images:
        image.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def no_ct(images):
    for image in images:
        image.SOPClassUID = MRImageStorage


def enhanced(images):
    images[0].SOPClassUID = EnhancedCTImageStorage
    del images[1:]


def two_series(images):
    for image in images[3:]:
        image.SeriesInstanceUID = images[3].SOPInstanceUID
        image.SeriesNumber, image.SeriesDescription = 5, "Thorax 1 mm"


def two_images(images):
    del images[2:]


def missing_slice(images):
    del images[2]


def doubled_slice(images):
    images[3].ImagePositionPatient = images[2].ImagePositionPatient


def one_place(images):
    for image in images:
        image.ImagePositionPatient = images[0].ImagePositionPatient


def tilted_gantry(images):
    for image in images:
        turned(image, 15)


def sheared(images):
    """Tilted scanners also tell it like this: upright images, each a bit lower than the one before."""
    for number, image in enumerate(images):
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y + number, z]


def turned_image(images):
    turned(images[1], 15)


def other_pixels(images):
    images[1].PixelSpacing = [1, 1]


def no_position(images):
    del images[1].ImagePositionPatient


def no_intercept(images):
    del images[4].RescaleIntercept


def not_hounsfield(images):
    for image in images:
        image.RescaleType = "US"


def short_pixels(images):
    images[3].PixelData = images[3].PixelData[:-2]


def no_decoder(images):
    images[3].file_meta.TransferSyntaxUID = JPEG2000Lossless
    images[3].PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\x04\0\0\0\xff\x4f\xff\x51"
    images[3]["PixelData"].is_undefined_length = True


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (
            list.clear,
            r"no CT images .* are in \S+ \(there is: nothing that ends in \.dcm\); send a CT series",
        ),
        (localizers_only, r"no CT images other than localizers are in \S+ \(there is: 6 CT Image Storage\)"),
        (no_ct, r"no CT images .* \(there is: 6 MR Image Storage\); send a CT series of the thorax"),
        (enhanced, r"Enhanced CT images, which this demonstration does not read; send them as CT images"),
        (
            two_series,
            r'2 CT series, .*number 5 "Thorax 1 mm", 3 images\. .* group by series \(groupBy=0020,000E\)',
        ),
        (two_images, r"the CT series has 2 of the 3 images or more that make a volume; send all"),
        (missing_slice, r"not evenly spaced: it is 10\.00 mm from image 2 to image 4 and 5\.00 mm elsewhere"),
        (doubled_slice, r"not evenly spaced: it is 0\.00 mm from image . to image . and 5\.00 mm elsewhere"),
        (
            one_place,
            r"not evenly spaced: it is 0\.00 mm .* and 0\.00 mm elsewhere; .* take out what is doubled",
        ),
        (tilted_gantry, r"the gantry was tilted: .* \(15\.0 degrees\); reconstruct the series without tilt"),
        (sheared, r"shifted against the one below by 1\.00 mm \(11\.3 degrees\)"),
        (turned_image, r"not parallel to each other; send one stack of parallel slices"),
        (other_pixels, r"differ in PixelSpacing, so they are no volume; reconstruct them alike"),
        (no_position, r"image 2 has no ImagePositionPatient; send images as the scanner made them"),
        (
            no_intercept,
            r"image 5 has no RescaleIntercept, so its values are not Hounsfield units; send CT as",
        ),
        (not_hounsfield, r'the values of image 1 are "US" and not HU; send another series'),
        (short_pixels, r"the pixels of image 4 \(Explicit VR Little Endian\) cannot be read: "),
        (no_decoder, r"the pixels of image 4 \(JPEG 2000 .*\) cannot be read: "),
    ],
)
def test_what_cannot_be_measured_is_told(images, reading, spoil, text):
    spoil(images)
    with pytest.raises(UnfitError, match=text):
        reading(images)


def test_what_is_no_dicom_is_told(images, reading, tmp_path):
    (tmp_path / "notes.dcm").write_text("no DICOM")
    with pytest.raises(UnfitError, match=r"notes\.dcm is no DICOM file"):
        reading(images)
