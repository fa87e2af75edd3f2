"""A chest to send: a CT series of known volumes and densities, with noise and all that a CT image has.

    python phantom.py FOLDER [--matrix 512]

Two ellipsoids are the lungs. A quarter of the right one is ground glass, a quarter of the left one emphysema.
Trachea, bowel gas, spine and table are there to be left out, the corners are padded as scanners do it. Edges
are as blurred as pixels make them: each is the mean of four.
"""

import argparse
from copy import deepcopy
from dataclasses import dataclass
from math import erf, pi, sqrt
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AIR, TISSUE, BONE, TABLE = -1000, 40, 400, 100
LUNG, GROUND_GLASS, EMPHYSEMA = -850, -600, -980
NOISE = 25  # standard deviation in HU
FIELD = 360.0  # mm, of a side of the image
SPACING = 5.0  # mm between slices
SLICES = 64
INTERCEPT, PADDING = -1024, -2000

# mm from the middle, in the patient's directions (left, posterior, head), and half axes.
RIGHT, RIGHT_AXES = (-75, 0, 0), (50, 70, 110)
LEFT, LEFT_AXES = (75, 0, 0), (45, 65, 105)

# What all images have.
_COMMON = {
    "SpecificCharacterSet": "ISO_IR 192",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "SOPClassUID": CTImageStorage,
    "StudyDate": "20261129",
    "SeriesDate": "20261129",
    "AcquisitionDate": "20261129",
    "ContentDate": "20261129",
    "StudyTime": "101500",
    "SeriesTime": "101500",
    "AcquisitionTime": "101500",
    "ContentTime": "101500",
    "AccessionNumber": "A104",
    "Modality": "CT",
    "Manufacturer": "port104",
    "InstitutionName": "port104",
    "ReferringPhysicianName": "",
    "StationName": "PHANTOM",
    "StudyDescription": "CT thorax (phantom)",
    "SeriesDescription": "Thorax 5 mm",
    "ManufacturerModelName": "lung-density phantom",
    "PatientName": "Phantom^Lung",
    "PatientID": "PHANTOM-1",
    "PatientBirthDate": "19600101",
    "PatientSex": "O",
    "PatientAge": "066Y",
    "PatientWeight": "70",
    "BodyPartExamined": "CHEST",
    "ScanOptions": "HELICAL MODE",
    "SliceThickness": SPACING,
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "DeviceSerialNumber": "104",
    "SoftwareVersions": "1",
    "ProtocolName": "Thorax",
    "ReconstructionDiameter": FIELD,
    "DistanceSourceToDetector": "950",
    "DistanceSourceToPatient": "540",
    "GantryDetectorTilt": "0",
    "TableHeight": "150",
    "RotationDirection": "CW",
    "ExposureTime": "500",
    "XRayTubeCurrent": "200",
    "Exposure": "100",
    "FilterType": "BODY",
    "GeneratorPower": "24000",
    "FocalSpots": "1.2",
    "ConvolutionKernel": "STANDARD",
    "PatientPosition": "HFS",
    "StudyID": "1",
    "SeriesNumber": "2",
    "AcquisitionNumber": "1",
    "PositionReferenceIndicator": "",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 1,
    "PixelPaddingValue": PADDING,
    "WindowCenter": "-600",
    "WindowWidth": "1500",
    "RescaleIntercept": INTERCEPT,
    "RescaleSlope": "1",
    "RescaleType": "HU",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
}


@dataclass(frozen=True)
class Truth:
    """What a measurement should find: ml, HU, and parts of 1."""

    volume_ml: float
    mean_hu: float
    emphysema: float
    ground_glass: float


def truth():
    right, left = (4 / 3 * pi * np.prod(axes) / 1000 for axes in (RIGHT_AXES, LEFT_AXES))
    parts = {
        GROUND_GLASS: right / 4 / (right + left),
        EMPHYSEMA: left / 4 / (right + left),
        LUNG: 3 / 4,
    }
    # Values are whole numbers: below -950 is up to -951, so up to -950.5 before it was rounded.
    below = {hu: (1 + erf((-950.5 - hu) / NOISE / sqrt(2))) / 2 for hu in parts}
    return Truth(
        volume_ml=float(right + left),
        mean_hu=float(sum(hu * part for hu, part in parts.items())),
        emphysema=float(sum(below[hu] * part for hu, part in parts.items())),
        ground_glass=float(parts[GROUND_GLASS]),
    )


def _within(x, y, z, middle, axes):
    distance = 0
    for position, centre, axis in zip((x, y, z), middle, axes, strict=True):
        distance = distance + ((position - centre) / axis) ** 2
    return distance <= 1


def _slice(matrix, z, noise):
    """One slice in HU, with the middle of the patient in the middle of the image."""
    steps = (np.arange(2 * matrix, dtype=np.float32) + 0.5) / (2 * matrix) * FIELD - FIELD / 2
    x, y = steps[None, :], steps[:, None]
    fine = np.full((2 * matrix, 2 * matrix), AIR, dtype=np.float32)
    fine[_within(x, y, 0, (0, 0, 0), (150, 105, 1))] = TISSUE
    fine[_within(x, y, 0, (0, 85, 0), (15, 15, 1))] = BONE
    fine[(np.abs(x) < 170) & (y > 125) & (y < 130)] = TABLE
    if z > 30:
        fine[_within(x, y, 0, (0, 10, 0), (9, 9, 1))] = AIR  # the trachea, as far as its parting
    fine[_within(x, y, z, (40, -40, -140), (20, 20, 20))] = AIR  # bowel gas
    for middle, axes in ((RIGHT, RIGHT_AXES), (LEFT, LEFT_AXES)):
        fine[_within(x, y, z, middle, axes)] = LUNG
    if z < 0:
        fine[_within(x, y, z, RIGHT, RIGHT_AXES) & (y > 0)] = GROUND_GLASS
    else:
        fine[_within(x, y, z, LEFT, LEFT_AXES) & (y < 0)] = EMPHYSEMA
    values = fine.reshape(matrix, 2, matrix, 2).mean(axis=(1, 3)) + noise.normal(0, NOISE, (matrix, matrix))
    stored = np.rint(values) - INTERCEPT
    corner = ~_within(steps[None, ::2], steps[::2, None], 0, (0, 0, 0), (FIELD / 2, FIELD / 2, 1))
    stored[corner] = PADDING
    return stored.astype("<i2")


def _study():
    common = Dataset()
    for keyword, value in _COMMON.items():
        setattr(common, keyword, value)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(common, keyword, generate_uid())
    return common


def make(matrix=512, slices=SLICES):
    """The images of a series of its own, from the feet up; half of them below the middle of the lungs."""
    noise = np.random.default_rng(104)
    spacing = FIELD / matrix
    common, images = _study(), []
    for number in range(slices):
        z = (number - (slices - 1) / 2) * SPACING
        image = deepcopy(common)
        image.SOPInstanceUID = generate_uid()
        image.InstanceNumber = number + 1
        image.ImagePositionPatient = [(spacing - FIELD) / 2, (spacing - FIELD) / 2, z]
        image.SliceLocation = z
        image.Rows = image.Columns = matrix
        image.PixelSpacing = [spacing, spacing]
        image.PixelData = _slice(matrix, z, noise).tobytes()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        images.append(image)
    return images


def write(images, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        image.save_as(folder / f"{image.SOPInstanceUID}.dcm", enforce_file_format=True)


def main():
    parser = argparse.ArgumentParser(description="Make a CT series of a chest phantom.")
    parser.add_argument("folder", type=Path, help="where the series goes")
    parser.add_argument("--matrix", type=int, default=512, help="rows and columns of an image (512)")
    arguments = parser.parse_args()
    write(make(arguments.matrix), arguments.folder)
    print(f"{SLICES} CT images are in {arguments.folder}")
    print(truth())


if __name__ == "__main__":
    main()
