"""Whatever an AE title or a pipeline is called, Kubernetes takes the labels, and they tell them apart."""

import re

from hypothesis import given
from hypothesis import strategies as st

from port104.dispatch.backends.kubernetes.labels import annotations_of, label_value, labels_of, name_of

# Kubernetes, "Labels and Selectors", and RFC 1123 for names.
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@given(st.text())
def test_every_text_has_a_label(text):
    assert VALUE.fullmatch(label_value(text))


@given(st.text(st.sampled_from("aB1 -_./é"), max_size=5), st.text(st.sampled_from("aB1 -_./é"), max_size=5))
def test_two_texts_have_two_labels(one, other):
    assert (label_value(one) == label_value(other)) is (one == other)


def test_what_fits_stays_as_it_is():
    assert label_value("COVIDAET") == "COVIDAET"
    assert label_value("CT 1") == "CT-1-cb1bc057"
    assert len(label_value("x" * 64)) == 63


def test_a_run_is_known_by_its_labels(run):
    labels = labels_of(run, "00000000000000e1")
    assert all(VALUE.fullmatch(value) and KEY.fullmatch(key) for key, value in labels.items())
    assert labels["port104.io/ae-title"] == "COVIDAET"
    assert labels["port104.io/job"] == run.job_id
    assert annotations_of(run).keys() < labels.keys()


@given(st.integers(1, 10**9))
def test_a_job_has_a_name(attempt):
    class OfRun:
        id = "00000000000000a1"

    OfRun.attempt = attempt
    assert NAME.fullmatch(name_of(OfRun))
    assert name_of(OfRun) == f"port104-00000000000000a1-{attempt}"
