"""postern-replies(7) and the replies that stand in the sources are the same."""

import re

from lib import ownreplies


def _says(pattern, words):
    """Words that come from elsewhere stand as WORDS in the page."""
    return words == "WORDS" if pattern == ".*" else re.fullmatch(pattern, words)


def test_every_reply_is_in_the_page():
    page = ownreplies.in_page()
    missing = [
        (code, status, pattern, where)
        for code, status, pattern, where in ownreplies.in_sources()
        if not any((code, status) == (c, s) and _says(pattern, words)
                   for c, s, words in page)
    ]
    assert missing == []


def test_the_page_has_no_others():
    sources = ownreplies.in_sources()
    assert len(sources) > 50
    others = [
        (code, status, words) for code, status, words in ownreplies.in_page()
        if not any((code, status) == (c, s) and _says(pattern, words)
                   for c, s, pattern, _ in sources)
    ]
    assert others == []
