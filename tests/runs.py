"""Runs as the ledger gives them to whoever carries them out."""

from port104.jobs.ledger.runs import Run


def run_of(**facts):
    """The first attempt of a run."""
    usual = {
        "id": "00000000000000a1",
        "job_id": "00000000000000b1",
        "group_id": "00000000000000c1",
        "called_ae_title": "COVIDAET",
        "pipeline": "covid",
        "pipeline_id": "p-1",
        "name": "covidaet-covid-20261129213000",
        "attempt": 1,
        "first": 1,
        "retry_delay": 5.0,
    }
    return Run(**usual | facts)
