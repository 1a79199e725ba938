"""postern log: what a journal's deliveries are found by, without posternd."""

import json
import subprocess

import pytest

from lib.oldjournal import OldJournal, midnight
from lib.store import Store


class Logged(Store):
    """What was delivered long ago, and what is found of it."""

    def log(self, *filters):
        done = subprocess.run([*self.postern, "log", "--json", *filters],
                              capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def recipients(self, *filters):
        return [row["recipient"] for row in self.log(*filters)]


@pytest.fixture
def store(rundir):
    return Logged(rundir)


@pytest.fixture
def old(store):
    return OldJournal(store.path)


TO = "to@example.net"


def test_a_long_from_hides_nothing(store, old):
    """As many as fit into 4096 bytes, in front of the roles that come after
    "from"."""
    many = [f"p{i}@a.example" for i in range(240)]
    old.message(midnight(2), [TO], "hidden@example.org", from_=",".join(many),
                client="host[192.0.2.7]", user="paul", original="o@example.org",
                rewritten="w@example.org")
    old.close()
    for name in ["hidden@example.org", "paul", "o@example.org", "w@example.org",
                 many[0], many[-1]]:
        assert store.recipients("--sender", name) == [TO], name
    assert store.recipients("--user", "paul") == [TO]
    assert store.recipients("--client", "192.0.2.7") == [TO]


def test_a_long_trace_hides_nothing(store, old):
    message = old.message(midnight(2), [TO], "hidden@example.org")
    ids = [f"4Q{i:05}" for i in range(120)]
    old.db.execute("UPDATE message SET queue_ids = ? WHERE id = ?",
                   [" ".join(ids), message])
    old.close()
    for filters in (("--sender", "hidden@example.org"), ("--queue-id", ids[0]),
                    ("--queue-id", ids[-1]), ("--recipient", TO)):
        assert store.recipients(*filters) == [TO], filters


def test_quoted_local_parts(store, old):
    """What is in quotes is one name, blanks and commas in it or not."""
    sender, first = '"q u"@example.org', r'"a, \"b"@example.org'
    old.message(midnight(2), [TO], sender, from_=f'{first},c@example.org')
    old.close()
    for name in sender, first, "c@example.org":
        assert store.recipients("--sender", name) == [TO], name
    for name in "u", '"q', 'u"@example.org', "a":
        assert store.recipients("--sender", name) == [], name
