"""The URL of a PostgreSQL database, and how it is written where others may read it."""

import re
import urllib.parse

_SCHEMES = ("postgresql://", "postgres://")
# To the last @, for a password may hold one that should have been escaped: rather too much is hidden.
_PASSWORD = re.compile(r"(://[^:/@]*):(.*)@", re.DOTALL)
_SHORTER_PASSWORD = re.compile(r"://[^:/@]*:([^@]*)@")


def url_fault(url: str) -> str | None:
    """What is wrong with it, in words that quote nothing of it."""
    if not url.startswith(_SCHEMES):
        return "it must be of the form postgresql://user:password@host:5432/database"
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    if "@" in path or any(character.isspace() for character in url):
        return "write / @ : # ? % and blanks in user and password as %2F %40 %3A %23 %3F %25 %20"
    return None


def redacted(url: str) -> str:
    """The URL without password and parameters, for messages."""
    return _PASSWORD.sub(r"\1@", url).partition("?")[0]


def without_secrets(text: str, url: str) -> str:
    """A foreign message without the URL's password, on one line."""
    found = [match for match in (_PASSWORD.search(url), _SHORTER_PASSWORD.search(url)) if match]
    written = [match.groups()[-1] for match in found]
    parameters = urllib.parse.parse_qs(url.partition("?")[2])
    named = [value for name, values in parameters.items() if "password" in name for value in values]
    for secret in filter(None, [*written, *map(urllib.parse.unquote, written), *named]):
        text = text.replace(secret, "***")
    return " ".join(text.split())
