"""Which of the files are the CT series: there must be one, for no rule knows which of several is meant."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage

from lung_density import UnfitError


def choose(folder: Path) -> Sequence[Path]:
    """The files of the one CT series in a folder; localizers and what is no CT are passed over.

    Raises UnfitError where there is none, or more than one.
    """
    headers = {path: _header(path) for path in sorted(folder.glob("*.dcm"))}
    found: dict[str, list[Path]] = defaultdict(list)
    for path, header in headers.items():
        if header.SOPClassUID == CTImageStorage and "LOCALIZER" not in header.get("ImageType", []):
            found[header.SeriesInstanceUID].append(path)
    if not found:
        raise UnfitError(_why_none(folder, headers))
    if len(found) > 1:
        listed = sorted(f"{_described(headers[paths[0]])}, {len(paths)} images" for paths in found.values())
        raise UnfitError(
            f"there are {len(found)} CT series, and one is measured: {'; '.join(listed)}. Send one of them,"
            " or let the AE title group by series (groupBy=0020,000E)"
        )
    (paths,) = found.values()
    return paths


def _header(path: Path) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True)
    except InvalidDicomError as fault:
        raise UnfitError(f"{path.name} is no DICOM file (PS3.10); take it out of the folder") from fault


def _described(header: Dataset) -> str:
    """A series as people know it; UIDs tell them nothing."""
    return f'number {header.get("SeriesNumber", "?")} "{header.get("SeriesDescription", "")}"'


def _why_none(folder: Path, headers: Mapping[Path, Dataset]) -> str:
    classes = Counter(UID(header.SOPClassUID) for header in headers.values())
    if EnhancedCTImageStorage in classes:
        return "there are Enhanced CT images, which this demonstration does not read; send them as CT images"
    there = ", ".join(f"{count} {uid.name}" for uid, count in classes.items()) or "nothing that ends in .dcm"
    return (
        f"no CT images other than localizers are in {folder} (there is: {there}); send a CT series of the"
        " thorax"
    )
