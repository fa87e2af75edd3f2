"""The command that port104 starts for each run: reads dcm/, writes output/."""

import argparse
import os
import sys
from pathlib import Path

from lung_density import UnfitError
from lung_density.choosing import choose
from lung_density.lungs import EMPHYSEMA_BELOW, GROUND_GLASS_FROM, THRESHOLD, Figures, find, measure
from lung_density.pictures import pictures
from lung_density.report import report
from lung_density.series import read

# Far from the numbers that scanners give.
_PICTURES, _REPORT = 9041, 9042
# What is the same in all of a study, and highdicom does not take over.
_OF_THE_STUDY = ("StudyDescription", "PatientAge", "PatientSize", "PatientWeight")


def main() -> None:
    """Measure what came, and leave pictures and report. Ends with exit code 1 where that cannot be done."""
    arguments = _arguments()
    try:
        figures = run(arguments.input, arguments.output)
    except UnfitError as fault:
        sys.exit(f"lung-density: {fault}")
    sys.stdout.write(_told(figures))


def run(source: Path, output: Path) -> Figures:
    """Measure the CT series in a folder and write the results into another. Raises UnfitError."""
    series = read(choose(source))
    image = series.images[0]
    lungs = find(series)
    figures = measure(series, lungs)
    output.mkdir(parents=True, exist_ok=True)
    for result in (*pictures(series, lungs, _PICTURES), report(series, figures, _REPORT)):
        for keyword in _OF_THE_STUDY:
            if keyword in image:
                result.add(image[keyword])
        result.save_as(output / f"{result.SOPInstanceUID}.dcm", enforce_file_format=True)
    return figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lung-density",
        description="Measure lung density on a CT series. A demonstration, not for diagnosis.",
        epilog="As a pipeline of port104 it needs no arguments.",
    )
    for name, variable, what in (
        ("input", "PORT104_INPUT", "folder with the *.dcm of one CT series"),
        ("output", "PORT104_OUTPUT", "folder for pictures and report"),
    ):
        given = os.environ.get(variable)
        parser.add_argument(
            f"--{name}", type=Path, default=given, required=given is None, help=f"{what} ({variable})"
        )
    return parser.parse_args()


def _told(figures: Figures) -> str:
    return (
        f"volume {figures.volume_ml:.0f} ml, mean {figures.mean_hu:.0f} HU,"
        f" below {EMPHYSEMA_BELOW} HU {figures.emphysema:.1%},"
        f" from {GROUND_GLASS_FROM} to {THRESHOLD} HU {figures.ground_glass:.1%}"
        " (a demonstration, not for diagnosis)\n"
    )
