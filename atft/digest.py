"""Short digests that name caches, markets, configurations and code: 64 bits of SHA-256."""

import hashlib
import json
from typing import Any


def text_digest(text: str | bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a text."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:16]


def json_digest(content: Any) -> str:
    """The same of JSON-able ``content``, whatever the order of its keys."""
    return text_digest(json.dumps(content, sort_keys=True))
