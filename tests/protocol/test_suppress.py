"""The list of addresses that are not written to, as people meet it."""

import pytest

from lib.oldjournal import OldJournal, midnight
from lib.store import Store


@pytest.fixture
def store(rundir):
    return Store(rundir)


def test_a_reason_of_another_message_accuses_nobody(store):
    """As older versions have written them, with that message's placeholders."""
    reason = "bounced: 550 <{recipient:2}> not from {sender}"
    refusal = "{recipient:1} is suppressed (" + reason + "); postern suppress remove ADDRESS"
    at = midnight(3)
    old = OldJournal(store.path)
    ident = old.message(at, ["gone@example.org", "dan@example.org"])
    old.deliver(at + 1, ident, 2)
    old.row(at + 2, "refused", ident, 1, code=550, dsn="5.7.1", reply=refusal)
    old.db.execute("UPDATE delivery SET state = 'refused', code = 550, reply = ?"
                   " WHERE message = ? AND n = 1", [refusal, ident])
    old.row(at + 3, "suppressed", ident, 2, reason=reason, who="event")
    old.suppress(at, "gone@example.org")
    old.db.execute("UPDATE suppression SET reason = ?", [reason])
    old.close()
    neutral = "bounced: 550 <this address> not from an address"
    story = store.run("show", "4Q1")
    assert story.count(f"gone@example.org is suppressed ({neutral})") == 2
    assert f"suppressed dan@example.org reason={neutral} who=event" in story
    assert f"gone@example.org is suppressed ({neutral})" in store.run("log", "--wide")
    assert neutral in store.run("suppress", "list")
