"""What tests read of a page."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def without_script(page: str) -> str:
    """The page less its own script: the only one, at its end, and the one that the page's policy names by its hash."""
    (script,) = _SCRIPT.findall(page)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.partition("</head>")[0]
    before, after = page.split(f"<script>{script}</script>")
    assert after.split() == ["</body>", "</html>"]
    return before + after
