"""postern log: what a journal's deliveries are found by, without posternd."""

import csv
import io
import json
import os
import subprocess
import unicodedata

import pytest

from lib.oldjournal import OldJournal, day, midnight
from lib.store import Store, remains


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


def search_anew(store):
    for path in remains(store.path + "-search.db"):
        os.unlink(path)


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


def test_states_and_reports_that_change(store, old):
    """What most deliveries are has a bit each, which is taken back."""
    at = midnight(2)
    messages = [old.message(at + i, [f"r{i}@example.net"]) for i in range(200)]
    for i, message in enumerate(messages[:150]):
        old.deliver(at + 1000, message, 1, "refused" if i % 3 == 0 else "sent")
    for i, message in enumerate(messages[:150]):
        if i % 3:
            old.report(at + 5000, f"0101-{message.hex()}-1", "Delivery",
                       "delivered", message, 1, 1)
    old.db.execute("COMMIT")
    sent = [f"r{i}@example.net" for i in range(149, -1, -1) if i % 3]
    for filters in (("--state", "sent"), ("--feedback", "delivered"),
                    ("--feedback", "delivered", "--state", "sent")):
        assert store.recipients(*filters, "-n", "500") == sent, filters
    assert store.recipients("--feedback", "delivered", "--state", "refused") == []
    old.db.execute("BEGIN")
    for i in 148, 2:
        old.report(at + 6000, f"0101-{messages[i].hex()}-1", "Bounce", "bounced",
                   messages[i], 1, 1)
    old.deliver(at + 7000, messages[199], 1)
    old.close()
    delivered = [r for r in sent if r not in ("r148@example.net", "r2@example.net")]
    assert store.recipients("--feedback", "delivered", "-n", "500") == delivered
    assert store.recipients("--feedback", "bounced") == [
        "r148@example.net", "r2@example.net"]
    assert store.recipients("--state", "sent", "-n", "500") == [
        "r199@example.net", *sent]
    bits = store.get("SELECT what, bits FROM plain", store.path + "-search.db")
    assert sum(bin(b & (1 << 64) - 1).count("1")
               for what, b in bits if what == "delivered") == len(delivered)


def test_a_recipient_added_later_came_then(store, old):
    """Whether the search database has seen the message without him or not."""
    message = old.message(midnight(3), ["first@example.net"])
    old.db.execute("COMMIT")
    assert store.recipients() == ["first@example.net"]
    old.db.execute("BEGIN")
    between = old.message(midnight(2), ["between@example.net"])
    old.row(midnight(1), "offered", message, 0, offered=[1, 2], recipient={
        "2": old.party(message, 2, "recipient", "later@example.net")})
    old.db.execute("INSERT INTO delivery (message, n, state, attempts, updated_at)"
                   " VALUES (?,2,'waiting',0,?)", [message, midnight(1)])
    old.deliver(midnight(1) + 1000, message, 2)
    old.deliver(midnight(1) + 1000, between, 1)
    old.close()
    before = store.log()
    assert [(row["recipient"], row["received"][:10]) for row in before] == [
        ("later@example.net", day(1)), ("between@example.net", day(2)),
        ("first@example.net", day(3))]
    search_anew(store)
    assert store.log() == before
    assert store.recipients("--since", day(1)) == ["later@example.net"]
    assert store.recipients("--until", day(2)) == ["first@example.net"]


def test_times_are_as_they_are_printed(store, old):
    """A row's own time begins a period and ends the one before it."""
    at = midnight(3) + 10 * 3600 * 1_000_000
    for i in range(3):
        old.message(at + i * 123456, [f"r{i}@example.net"])
    old.close()
    times = [row["received"] for row in reversed(store.log())]
    assert times[1].endswith("T10:00:00.123456Z")
    assert store.recipients("--since", times[1]) == ["r2@example.net", "r1@example.net"]
    assert store.recipients("--until", times[1]) == ["r0@example.net"]
    assert store.recipients("--until", times[1][:-2] + "7Z") == [
        "r1@example.net", "r0@example.net"]
    assert len(store.recipients("--since", times[0][:-4], "--until", times[2])) == 2


@pytest.mark.parametrize("time", [
    "2026-02-31", "2026-02-29", "2026-04-31", "2026-13-01", "2026-00-10",
    "2026-01-00", "2026-01-01T24:00:00Z", "2026-01-01T10:00:00.Z",
    "2026-01-01T10:00.5Z", "2026-01-01T10:00:00.5x", "2026-01-01T10"])
def test_times_that_are_none(store, old, time):
    old.close()
    store.run("log", "--since", time, expect=2)


def test_a_leap_day_is_one(store, old):
    old.close()
    store.run("log", "--since", "2000-12-31T23:59:60Z", "--until", "2024-02-29",
              expect=1)


@pytest.mark.parametrize(("since", "until"), [
    ("1d", "2d"), ("2d", "2d"), ("2024-03-01", "2024-02-29"),
    ("2024-03-01", "1970-01-01")])
def test_a_period_that_ends_before_it_begins(store, old, since, until):
    old.close()
    assert "--since lies not before --until" in store.run(
        "log", "--since", since, "--until", until, expect=2)


def test_one_form_at_a_time(store, old):
    old.close()
    assert "not both" in store.run("log", "--csv", "--json", expect=2)


def test_erased_is_not_null(store, old):
    """In each form: who was erased, and who sent without a name."""
    message = old.message(midnight(3), [TO], "ann@example.org")
    old.message(midnight(2), [TO], "")
    old.db.execute("UPDATE party SET value = NULL, salt = NULL WHERE message = ?",
                   [message])
    old.close()
    table = [line.split()[3:5] for line in subprocess.run(
        [*store.postern, "log"], capture_output=True, text=True,
        check=True).stdout.splitlines()[1:]]
    assert table == [["<>", TO], ["(erased)", "(erased)"]]
    out = subprocess.run([*store.postern, "log", "--csv"], capture_output=True,
                         text=True, check=True).stdout
    who = ("sender", "original_sender", "recipient")
    assert [[row[key] for key in who] for row in csv.DictReader(io.StringIO(out))] == [
        ["", "", TO], ["(erased)"] * 3]
    assert [[row[key] for key in who] for row in store.log()] == [
        ["", "", TO], [None] * 3]


def columns(text):
    """What a terminal takes for it."""
    return sum(0 if unicodedata.combining(c) else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_wide_characters_keep_columns_in_line(store, old):
    for who in ("\u7530\u4e2d\u592a\u90ce@example.org", "plain@example.org",
                "\uc870\ud604@example.org", "\u304b\u3099\uff21\U0001f600@example.org",
                "e\u0301@example.org", "\U00020bb7\u3000a@example.org"):
        old.message(midnight(3), [TO], who)
    old.close()
    head, *rows = subprocess.run(
        [*store.postern, "log"], capture_output=True, text=True,
        check=True).stdout.splitlines()
    assert len(rows) == 6
    begins = head.index("RECIPIENT")
    assert {columns(row[:row.index(TO)]) for row in rows} == {begins}


@pytest.mark.parametrize("local", ["taro", "\u5c71\u7530"])
def test_international_domains_are_found_by_either_name(store, old, local):
    """What was refused is there in letters, all else as punycode."""
    letters, puny = "\u4f8b\u3048.jp", "xn--r8jz45g.jp"
    for domain in letters, puny:
        old.message(midnight(3), [f"{local}@{domain}"], f"boss@{domain}",
                    from_=f"a@example.org,info@{domain}", user="\u592a\u90ce")
    old.message(midnight(2), [TO], "\u592a\u90ce@example.org")
    old.close()
    for domain in letters, puny, puny.upper():
        for filters in (("--domain", domain), ("--recipient", f"{local}@{domain}"),
                        ("--sender", f"boss@{domain}"),
                        ("--sender", f"info@{domain}")):
            assert store.recipients(*filters) == [
                f"{local}@{puny}", f"{local}@{letters}"], filters
    assert len(store.recipients("--user", "\u592a\u90ce")) == 2
    assert store.recipients("--sender", "\u592a\u90ce@example.org") == [TO]


def test_what_a_prune_left_is_found_after_a_rebuild(store, old):
    """Messages whose row `received` is in an archive: what came later of them
    is still here. One got a recipient then, too."""
    old.days(20, 2, last=12)
    at = midnight(12) - 1_000_000
    late = old.message(at, ["first@example.net"])
    old.days(12, 2)
    at = midnight(0)
    old.row(at, "offered", late, 0, offered=[1, 2], recipient={
        "2": old.party(late, 2, "recipient", "later@example.net")})
    old.db.execute("INSERT INTO delivery (message, n, state, attempts, updated_at)"
                   " VALUES (?,2,'waiting',0,?)", [late, at])
    old.deliver(at + 1000, late, 1)
    old.deliver(at + 3000, late, 2)
    old.close()
    rows = store.log("-n", "500")
    store.prune(12)

    def found():
        return [{k: v for k, v in row.items() if k != "cursor"}
                for row in store.log("-n", "500")]

    before = found()
    assert 0 < len(before) < len(rows)
    assert before[-1]["received"] < day(12)
    search_anew(store)
    assert found() == before
    assert store.recipients("--until", day(12)) == [
        row["recipient"] for row in before if row["received"] < day(12)]
