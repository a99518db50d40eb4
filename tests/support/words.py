"""Words that the documentation and the messages do not contain."""

from __future__ import annotations

import re

#: Archaic or idiomatic words, which translation software and readers may misunderstand.
ARCHAIC_WORDS = re.compile(
    r"\b(?:whoever|amiss|anew|mend(?:s|ed|ing)?|worded|told|for ever|belongs? into|dearer|"
    r"what waits|goes on to|at no I/O|tried again)\b",
    re.IGNORECASE,
)
