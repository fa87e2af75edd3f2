"""URLs: which are taken, and that their passwords are shown to nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.database.address import redacted, url_fault, without_secrets


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/port104",
        "postgres://port104:secret@db:5432/port104?sslmode=require",
        "postgresql://port104:se%40cret@[::1]/port104",
        "postgresql:///port104?host=/run/postgresql",
        "postgresql://a@one:1,two:2/port104?target_session_attrs=read-write",
    ],
)
def test_what_is_taken(url):
    assert url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db",
        "sqlite:///x",
        "mysql://a:secret@b/c",
        "postgresql://u:secr/et@db/x",
        "postgresql://u:se cret@db",
    ],
)
def test_what_is_not_taken_and_that_the_reason_quotes_nothing(url):
    assert url_fault(url)
    assert "secr" not in url_fault(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db:5432/x?sslmode=require", "postgresql://u@db:5432/x"),
        ("postgresql://u@db/x?password=secret", "postgresql://u@db/x"),
        ("postgresql://u:se@cr?et/s:e@db/x", "postgresql://u@db/x"),
        ("postgresql://db/x", "postgresql://db/x"),
    ],
)
def test_what_is_shown(url, shown):
    assert redacted(url) == shown


@given(st.text(min_size=4).filter(lambda text: text not in "postgresql://user@host/database"))
def test_no_password_is_shown(password):
    url = f"postgresql://user:{password}@host/database"
    assert password not in redacted(url)


def test_foreign_messages_lose_the_password_in_each_form():
    url = "postgresql://u:se%2Fcret@db/x?sslpassword=other"
    text = 'FATAL: "se%2Fcret" or "se/cret"\n or other'
    assert without_secrets(text, url) == 'FATAL: "***" or "***" or ***'
