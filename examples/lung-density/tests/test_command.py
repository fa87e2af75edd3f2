"""What a run leaves: pictures and a report that hold up under dciodvfy, and a word for the log."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

import phantom
from lung_density.command import main

# Whose codes are known to it is what dciodvfy warns of; the two that are ours are declared in the report.
OWN_CODES = (
    "Warning - Unrecognized defined term <99PORT104> for value 1 of attribute <Coding Scheme Designator>"
)
# And dcentvfy: the report names it once more, with the procedure that was asked for, as it shall.
TWICE = "Element=<AccessionNumber> IE <Series> versus <Study>"


def run(monkeypatch, source, output):
    monkeypatch.setattr(sys, "argv", ["lung-density"])
    monkeypatch.setenv("PORT104_INPUT", str(source))
    monkeypatch.setenv("PORT104_OUTPUT", str(output))
    main()


def results_in(folder):
    """The pictures in their order, and the report."""
    read = sorted(
        map(dcmread, folder.iterdir()), key=lambda result: (result.SeriesNumber, result.InstanceNumber)
    )
    *pictures, report = read
    assert {picture.SOPClassUID for picture in pictures} == {SecondaryCaptureImageStorage}
    assert report.SOPClassUID == ComprehensiveSRStorage
    return pictures, report


@pytest.fixture(scope="module")
def results(chest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run(monkeypatch, chest, folder)
    return results_in(folder)


@pytest.fixture(scope="module")
def sources(chest):
    return {image.SOPInstanceUID: image for image in map(dcmread, chest.iterdir())}


def said(program, *datasets):
    """What a program of dicom3tools says of the files of these, in lines."""
    files = [dataset.filename for dataset in datasets]
    path = Path(sys.executable).with_name(program)
    done = subprocess.run([path, *files], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).splitlines()


def validated(*datasets):
    """What dciodvfy says of each, and how often."""
    return Counter(line for dataset in datasets for line in said("dciodvfy", dataset))


def test_the_phantom_is_as_the_standard_has_it(sources):
    first, *_, last = sources.values()
    assert validated(first, last) == {"CTImage": 2}


def test_the_results_are_as_the_standard_has_them(results):
    (first, *_, last), report = results
    assert validated(first, last, report) == {"SCImage": 2, "ComprehensiveSR": 1, OWN_CODES: 3}


def test_images_and_results_agree_on_patient_and_study_and_on_what_they_refer_to(results, sources):
    pictures, report = results
    lines = said("dcentvfy", *sources.values(), *pictures, report)
    assert [line for line in lines if TWICE not in line] == []


def test_results_of_images_that_lack_what_may_be_empty_are_so_too(monkeypatch, tmp_path, capsys):
    source, output = tmp_path / "source", tmp_path / "output"
    output.mkdir()
    images = phantom.make(matrix=64)
    for image in images:
        for element in [each for each in image if each.tag < 0x00180000]:
            if element.keyword not in {"SOPClassUID", "SOPInstanceUID", "Modality", "SpecificCharacterSet"}:
                del image[element.tag]
        image.PatientName = "Müller^Jürgen"
    phantom.write(images, source)
    run(monkeypatch, source, output)
    (first, *_), report = results_in(output)
    assert not [line for line in validated(first, report) if line.startswith("Error")]
    assert first.PatientName == report.PatientName == "Müller^Jürgen"
    told = capsys.readouterr().out
    assert told.startswith("volume 29")
    assert "Müller" not in told, "logs are not for patients' names"


def test_each_picture_lies_where_the_image_lies_that_it_shows(results, sources):
    pictures, _ = results
    positions = [picture.ImagePositionPatient[2] for picture in pictures]
    assert positions == sorted(positions)
    assert positions[-1] - positions[0] == pytest.approx(2 * phantom.RIGHT_AXES[2], abs=2 * phantom.SPACING)
    for picture in pictures:
        (source,) = picture.SourceImageSequence
        image = sources[source.ReferencedSOPInstanceUID]
        assert picture.ImagePositionPatient == image.ImagePositionPatient
        assert (picture.StudyInstanceUID, picture.PatientID) == (image.StudyInstanceUID, image.PatientID)
        assert picture.SeriesInstanceUID == pictures[0].SeriesInstanceUID != image.SeriesInstanceUID
        assert list(picture.PatientOrientation) == ["L", "P"]


def test_what_was_found_is_drawn_in_colour(results):
    colourful = []
    for picture in results[0]:
        pixels = picture.pixel_array[60:].astype(int)  # below the legend
        colourful.append((pixels.max(axis=2) - pixels.min(axis=2) > 20).sum() / pixels[:, :, 0].size)
    assert 0.05 < max(colourful) < 0.2, "the largest quarter of a lung, and the outlines"
    assert min(colourful) > 0, "at least an outline"


def numbers(item):
    """Name, unit and value of every measurement in the content tree."""
    for each in item.get("ContentSequence", []):
        if each.ValueType == "NUM":
            (value,) = each.MeasuredValueSequence
            name, unit = each.ConceptNameCodeSequence[0], value.MeasurementUnitsCodeSequence[0]
            yield name.CodeMeaning, (float(value.NumericValue), unit.CodeValue)
        yield from numbers(each)


def test_the_report_has_the_figures_and_names_what_was_measured(results, sources):
    _, report = results
    truth = phantom.truth()
    assert dict(numbers(report)) == {
        "Volume": (pytest.approx(truth.volume_ml, rel=0.02), "cm3"),
        "Attenuation Coefficient": (pytest.approx(truth.mean_hu, rel=0.02), "[hnsf'U]"),
        "Part of lung below -950 HU": (pytest.approx(100 * truth.emphysema, rel=0.02), "%"),
        "Part of lung from -750 to -300 HU": (pytest.approx(100 * truth.ground_glass, rel=0.02), "%"),
    }
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert {each.ReferencedSOPInstanceUID for each in series.ReferencedSOPSequence} == set(sources)


def test_what_cannot_be_measured_fails_and_says_why(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="lung-density: no CT images other than localizers are in "):
        run(monkeypatch, tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []
