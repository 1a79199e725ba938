"""The list of addresses that are not written to, as people meet it."""

import json

import pytest

from lib.oldjournal import OldJournal, day, midnight
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


def test_what_is_in_force_is_said(store):
    OldJournal(store.path).close()
    add = ["suppress", "add", "Gone@example.org"]
    tomorrow = day(-1)
    assert store.run(*add, "--until", tomorrow) == (
        f"gone@example.org is suppressed until {tomorrow} 00:00:00 (UTC) ")
    assert store.run(*add) == "gone@example.org is suppressed for ever "
    assert json.loads(store.run(*add, "--json", "--until", tomorrow)) == {
        "address": "gone@example.org", "suppressed": True,
        "until": f"{tomorrow}T00:00:00.000000Z"}
    [(until,)] = store.get("SELECT until FROM suppression ORDER BY seq DESC LIMIT 1")
    assert until == midnight(-1)
    remove = ["suppress", "remove", "Gone@example.org"]
    assert store.run(*remove) == "gone@example.org is not suppressed any more "
    assert "is not listed" in store.run(*remove, expect=1)


def test_until_lies_ahead(store):
    OldJournal(store.path).close()
    text = store.run("suppress", "add", "gone@example.org", "--until", day(0), expect=2)
    assert f"--until {day(0)}: that is over already" in text
    assert store.get("SELECT * FROM suppression") == []
