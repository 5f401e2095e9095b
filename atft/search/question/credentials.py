"""Keep passwords out of messages and logs: a database's URL is shown without them.

A password may hold any character, also ones that a URL should escape (``/``, ``@``), and drivers quote parts of a
URL that they cannot parse. So everything between ``://`` and the last ``@`` counts as credentials, and each part of
it is also removed from what a driver says.
"""

import re
from urllib.parse import unquote

MIN_SECRET_LENGTH = 3
"""Characters of the shortest secret that is also removed from a driver's words; shorter ones occur by chance."""
IN_QUERY = re.compile(r"([?&][^=&?]*(?:pass|pwd|secret|token|key)[^=&?]*=)([^&]*)", re.IGNORECASE)
"""``?password=...`` and its like: name, then value."""


def hide(text: str, url: str) -> str:
    """Remove a URL's credentials from a text that may quote parts of it: ``postgresql://user:***@host/database``.

    With the URL itself as the text, it is a URL that can be shown. The name of an SQLite file is no secret.
    """
    shown, secrets = _split(url)
    others = text.split(url)
    for secret in sorted(secrets, key=len, reverse=True):
        others = [other.replace(secret, "***") for other in others]
    return shown.join(others)


def _split(url: str) -> tuple[str, set[str]]:
    """The URL as it may be shown, and the secrets in it."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.startswith("sqlite"):
        return url, set()
    # The query first: a password in it may hold an @ too.
    secrets = {match[2] for match in IN_QUERY.finditer(rest)}
    credentials, at, server = IN_QUERY.sub(r"\1***", rest).rpartition("@")
    user, colon, password = credentials.partition(":")
    if at and colon:
        secrets.add(password)
        credentials = f"{user}:***"
    secrets |= {part for secret in secrets for part in re.split("[@/:?#&]", secret)}
    secrets |= {unquote(secret) for secret in secrets}
    shown = f"{scheme}{separator}{credentials}{at}{server}"
    return shown, {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH and secret != "***"}
