"""Erasing a person from the journal, its archives and the search database."""

import json
import os
import re
import shutil
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.build import SANITIZER
from lib.oldjournal import OldJournal, midnight
from lib.rig import Control, old_relay, relay, send
from lib.store import Store, remains

# The plain build fails at every place, a sanitizer sees enough at some of them.
STEP = 3 if SANITIZER else 1

ANN = "ann@example.org"
SRS = "SRS0=ab12=T3=example.org=Ann@example.com"


@pytest.fixture
def store(rundir):
    return Store(rundir)


def fill(store, days=40, each=4):
    """Ann in every part that there is, and others whose mail stays."""
    people = [ANN, "bob@example.org", "Cid@example.net"]
    middle = days // 2 + 3
    old = OldJournal(store.path)
    old.days(days, each, middle, people)
    at = midnight(middle)
    ident = old.message(at, ["bob@example.org", "ANN@example.org"], ANN, rewritten=SRS,
                        from_="cid@example.net, Ann@Example.org", user="ann",
                        client="ann-laptop[192.0.2.7]")
    old.deliver(at + 5, ident, 1)
    old.deliver(at + 1005, ident, 2)
    old.suppress(midnight(middle - 1), ANN)
    old.days(middle - 2, each, 2, people)
    old.suppress(midnight(2), ANN)
    old.close()


def with_bytes(store, words, *more):
    """The files in which words are, in any case."""
    words = words.lower().encode()
    found = []
    for directory in (store.rundir, *more):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    if words in f.read().lower():
                        found.append(name)
    return found


def test_archives_that_were_not_named(store):
    """As long as the journal knows of files that she may be in, it is not done."""
    fill(store)
    for ago, name in ((30, "a1"), (20, "a2")):
        store.prune(ago, name)
    text = store.run("forget", ANN, expect=1)
    assert text.endswith("a1.db, a2.db were not looked at: run this again with"
                         " --archive and those files. ")
    # A file is known by what is in it.
    moved = store.archive("moved")
    os.rename(store.archive("a1"), moved)
    text = store.run("forget", ANN, "--archive", moved, expect=1)
    assert text.endswith("a2.db was not looked at: run this again with --archive and"
                         " that file. ")
    answer = json.loads(store.run("forget", ANN, "--json", "--archive", moved,
                                  expect=1))
    assert answer["archives_not_looked_at"] == ["a2.db"]
    store.run("forget", ANN, "--archive", moved, store.archive("a2"))
    assert with_bytes(store, ANN) == []


@pytest.mark.threads
def test_nothing_of_her_is_left(store):
    fill(store)
    store.run("log", "--recipient", ANN)  # makes the search database
    store.prune(20)
    before = store.get("SELECT message, n, state, ses_id FROM delivery")
    assert set(with_bytes(store, ANN)) >= {"j.db", "a.db"}
    text = store.run("forget", "Ann@Example.org", "--archive", store.archive())
    assert re.search(r"erased \d+ in \d+ messages, \d suppressions", text), text
    assert with_bytes(store, ANN) == []
    assert with_bytes(store, "=ann@") == []
    assert with_bytes(store, "ann-laptop") == []
    for path in (store.path, store.archive()):
        assert store.get("SELECT count(*) FROM party WHERE value IS NULL"
                         " AND salt IS NULL", path)[0][0] > 5
        assert store.get("SELECT count(*) FROM party WHERE lower(value) ="
                         " 'cid@example.net'", path)[0][0] > 5
    assert store.get("SELECT message, n, state, ses_id FROM delivery") == before
    store.verify("a")
    store.verify()
    store.run("verify", "--projections", store.archive())
    ((detail, message),) = store.get(
        "SELECT detail, message FROM journal WHERE event = 'erased'"
        " AND detail LIKE '%rewritten%'")
    assert "uid" in detail
    assert store.get(f"SELECT role FROM party WHERE message = x'{message.hex()}'"
                     " AND value IS NOT NULL AND n = 0", store.archive()) == []
    again = store.run("forget", ANN, "--archive", store.archive())
    assert again.startswith("erased 0 in 0 messages, 0 suppressions")
    assert "cid@example.net" in store.run("log", "--recipient", "cid@example.net").lower()
    assert "(erased)" in store.run("log")


def test_a_suppression_outlives_her_unless_told_otherwise(store):
    fill(store)
    store.run("forget", ANN)
    assert "(erased)" in store.run("suppress", "list")
    assert oct(os.stat(store.path + "-key").st_mode & 0o777) == "0o600"
    store.run("suppress", "remove", ANN)
    store.run("suppress", "remove", ANN, expect=1)
    store.run("suppress", "add", ANN)
    store.run("forget", ANN, "--suppression-too")
    assert with_bytes(store, ANN) == []
    store.run("suppress", "remove", ANN, expect=1)
    store.verify()


def test_of_many_kept_suppressions_none_stays(store):
    """More than one row of the journal tells of."""
    fill(store)
    store.run("suppress", "add", ANN)
    store.run("forget", ANN)
    db = sqlite3.connect(store.path)
    db.executemany(
        "INSERT INTO suppression (seq, address, salt, reason, since, until)"
        " SELECT 1000000 + ?, address, salt, reason, since, until FROM suppression"
        " WHERE address LIKE 'hmac:%' LIMIT 1", [(n,) for n in range(70)])
    db.commit()
    db.close()
    store.run("forget", ANN, "--suppression-too")
    assert store.get("SELECT count(*) FROM suppression"
                     " WHERE address LIKE 'hmac:%'") == [(0,)]


def tampered(store, path, statement):
    """What verify says of a file after somebody has changed it, and put it back."""
    with open(path, "rb") as f:
        was = f.read()
    db = sqlite3.connect(path)
    assert db.execute(statement).rowcount == 1
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    text = store.verify("a", expect=1)
    with open(path, "wb") as f:
        f.write(was)
    store.verify("a")
    return text


@pytest.mark.parametrize("erased_first", [False, True])
def test_what_hides_a_suppression_is_chained(store, erased_first):
    """The hidden one lies in the journal, and in an archive made later."""
    old = store.fill(40, 2, 30)
    seq = old.suppress(midnight(30), ANN)
    old.days(29, 2)
    old.close()
    if erased_first:
        store.run("forget", ANN)
        store.prune(20)
    else:
        store.prune(20)
        store.run("forget", ANN, expect=1)  # the archive was not named
    for path in [store.path] + erased_first * [store.archive()]:
        ((name, salt),) = store.get(
            f"SELECT address, salt FROM suppression WHERE seq = {seq}", path)
        assert name.startswith("hmac:") and len(salt) == 16
        for change in ("address = 'hmac:' || hex(randomblob(32))", "salt = NULL",
                       "salt = randomblob(16)",
                       "salt = NULL, address = 'hmac:' || hex(randomblob(32))"):
            assert "has made of it" in tampered(
                store, path, f"UPDATE suppression SET {change} WHERE seq = {seq}")
    tampered(store, store.path,
             f"UPDATE suppression SET address = NULL, salt = NULL WHERE seq = {seq}")
    store.run("forget", ANN, "--suppression-too", "--archive", store.archive())
    for path in (store.path, store.archive()):
        assert store.get("SELECT address, salt FROM suppression", path) == [(None,) * 2]
    store.verify("a")


def test_somebody_whose_address_contains_hers(store):
    store.fill(20, 3).close()  # joann@example.org is among them
    text = store.run("forget", ANN)
    assert re.search(r"part of \d+ other values", text), text
    assert store.get("SELECT count(*) FROM party WHERE value = ?".replace(
        "?", f"'{ANN}'")) == [(0,)]
    text = store.run("forget", "joann@example.org")
    assert "other" not in text
    assert with_bytes(store, ANN) == []
    store.verify()


def test_what_is_hers_and_what_is_not(store):
    at = midnight(9)
    old = OldJournal(store.path)
    for sender, message_id in (("joann@example.org", "<9.joann@example.org>"),
                               ("bob@example.org", f"<1.{ANN}.uk>"),
                               (ANN, f"<{ANN}.uk>"), ("cid@example.net", f"<{ANN}>")):
        old.message(at, ["bob@example.org"], sender, message_id=message_id)
    old.suppress(at, "joann@example.org")
    old.close()
    text = store.run("forget", ANN, "--json")
    assert json.loads(text) == {"messages": 2, "parties": 3, "suppressions": 0,
                                "others": 4, "traces": False,
                                "archives_not_looked_at": []}
    assert store.get("SELECT header_message_id FROM message ORDER BY id") == [
        ("<9.joann@example.org>",), (f"<1.{ANN}.uk>",), (None,), (None,)]
    store.verify()


def test_a_message_id_in_whatever_case(store):
    old = OldJournal(store.path)
    for message_id in ("<Ann@Example.org>", "<ANN@example.org>", "<joAnn@example.org>"):
        old.message(midnight(9), ["bob@example.org"], message_id=message_id)
    old.close()
    assert store.run("forget", ANN).startswith("erased 2 in 2 messages")
    assert store.get("SELECT header_message_id FROM message ORDER BY id") == [
        (None,), (None,), ("<joAnn@example.org>",)]
    store.verify()


@pytest.mark.parametrize("address", [
    '"john doe"@example.org', '"a,b"@example.org', '"o\\"b; <"@example.org'])
def test_quoted_addresses(store, address):
    at = midnight(9)
    old = OldJournal(store.path)
    old.message(at, [address, "bob@example.org"])
    old.message(at, ["bob@example.org"],
                from_=f'"Doe, J" <cid@example.net>, {address}')
    old.message(at, ["bob@example.org"], from_=f'{address}, 5" of rain, cid@example.net')
    old.message(at, ['"john"@example.org', '"a"@example.org', "b@example.org"])
    old.close()
    text = store.run("forget", address)
    assert text.startswith("erased 3 in 3 messages") and "other" not in text
    assert with_bytes(store, address) == []
    store.verify()


def test_bytes_that_no_value_explains_are_told(store):
    old = store.fill(20, 30)  # joann@example.org is among them
    old.db.execute("INSERT INTO mark VALUES ('note', CAST(? AS BLOB))", [ANN])
    old.close()
    assert "Bytes of it may be left" in store.run("forget", ANN, expect=1)
    db = sqlite3.connect(store.path)
    db.execute("DELETE FROM mark WHERE name = 'note'")
    db.commit()
    db.close()
    store.run("forget", ANN)


def unwiped(path):
    """Pages that have something between their rows (SQLite's file format, 1.6)."""
    with open(path, "rb") as f:
        data = f.read()
    size = int.from_bytes(data[16:18], "big")
    found = []
    for at in range(size, len(data), size):
        page = data[at:at + size]
        if page[0] in (2, 5, 10, 13):
            start = (8 if page[0] >= 10 else 12) + 2 * int.from_bytes(page[3:5], "big")
            if any(page[start:int.from_bytes(page[5:7], "big")]):
                found.append(1 + at // size)
    return found


def everything_but(store, address):
    return [store.get(query, path) for path in (store.path, store.archive())
            for query in (
                "SELECT * FROM journal WHERE event NOT IN"
                " ('started', 'stopped', 'erased')", "SELECT * FROM delivery",
                f"SELECT * FROM party WHERE lower(value) <> '{address}'")]


def test_no_part_of_a_row_stays_behind(store):
    store.fill(40, 60).close()
    store.prune(20)
    assert unwiped(store.path) and unwiped(store.archive())
    before = everything_but(store, "cid@example.net")
    store.run("forget", "cid@example.net", "--archive", store.archive())
    assert not unwiped(store.path) and not unwiped(store.archive())
    assert everything_but(store, "cid@example.net") == before
    store.verify("a")


def test_a_reader_in_the_way_is_told(store):
    fill(store)
    store.run("suppress", "add", "x@example.net")
    reader = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True,
                             isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM party").fetchone()
    assert "somebody reads" in store.run("forget", ANN, expect=1)
    reader.close()
    store.run("forget", ANN)
    assert with_bytes(store, ANN) == []


def test_a_search_database_that_stays_is_told(store):
    fill(store)
    path = store.path + "-search.db"
    os.mkdir(path)
    assert path in store.run("forget", ANN, expect=3)
    os.rmdir(path)
    store.run("forget", ANN)


def test_an_erasure_that_nobody_journalled_is_found(store):
    fill(store)
    store.prune(20)
    for path in (store.path, store.archive()):
        db = sqlite3.connect(path)
        db.execute("UPDATE party SET value = NULL, salt = NULL"
                   " WHERE lower(value) = 'cid@example.net'")
        db.execute("INSERT INTO erased SELECT 1000000, message, n, role FROM party"
                   " WHERE value IS NULL")
        db.commit()
        db.close()
    assert "no row says that" in store.verify("a", expect=1)
    assert "no row says that" in store.verify(expect=1)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
@pytest.mark.parametrize("file", ["j", "a"])
@pytest.mark.parametrize("call", ["pwrite64", "fsync,fdatasync"])
def test_a_full_disk_is_told_and_it_can_be_run_again(store, file, call):
    """At each write of the file itself, of which the last overwrite remains."""
    fill(store, 24, 2)
    store.prune(13)
    forget = ["forget", ANN, "--archive", store.archive()]
    path = f"{store.rundir}/{file}.db"
    told = []
    for when in range(1, 1000, STEP):
        with store.traced(call, f"error=ENOSPC:when={when}", *forget,
                          on=path) as done:
            out, err = done.communicate()
        if done.returncode == 0:
            break
        assert "full" in err or "disk I/O" in err or "overwriting" in err, err
        told.append("erased" in out)
        if told[-1]:
            assert "may be left" in out
        store.verify("a")
    assert told
    store.run(*forget)
    assert with_bytes(store, ANN) == []
    assert not unwiped(store.path) and not unwiped(store.archive())


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
def test_killed_at_every_sync_it_can_be_run_again(store, rundir):
    fill(store, 24, 2)
    store.prune(13)
    saved = f"{rundir}/saved"
    os.mkdir(saved)
    for path in remains(store.path) + remains(store.archive()):
        shutil.copy(path, saved)
    forget = ["forget", ANN, "--archive", store.archive()]
    kills = 0
    while True:
        for path in remains(store.path) + remains(store.archive()):
            os.unlink(path)
        shutil.copytree(saved, rundir, dirs_exist_ok=True)
        if not store.killed("fdatasync,fsync", 1 + 2 * STEP * kills, *forget):
            break
        kills += 1
        hot = f"{store.archive()}-journal" in remains(store.archive())
        try:
            store.verify("a")
        except AssertionError as e:
            assert hot and "whoever wrote it last was interrupted" in str(e)
        store.run(*forget)
        assert with_bytes(store, ANN) == []
        store.verify("a")
    assert kills > 5 / STEP


def test_mail_flows_while_a_large_journal_is_wiped(parts):
    def days(old):
        old.days(60, 150, 2)
        old.message(midnight(2), ["zoe@example.org"])

    post, _ = old_relay(parts, days)
    assert unwiped(post.store)
    post.start()
    with ThreadPoolExecutor(1) as pool:
        erasing = pool.submit(post.run, "forget", "zoe@example.org")
        meanwhile = 0
        while not erasing.done():
            (reply,) = send(post, "one@example.com")
            assert reply.code == 250
            meanwhile += not erasing.done()
    erasing.result()
    assert meanwhile > 0
    post.stop()
    assert with_bytes(Store(parts.rundir, make=False), "zoe@example.org",
                      os.path.dirname(post.store)) == []
    post.start()
    post.run("verify", "--projections")


def erasures(get):
    """How many rows tell of messages, and how often they were committed."""
    return get("SELECT count(*) AS n, count(DISTINCT at) AS times FROM journal"
               " WHERE event = 'erased' AND message IS NOT NULL")[0]


def test_many_messages_go_together(store):
    fill(store, 40, 30)
    store.prune(20)
    store.run("forget", ANN, "--archive", store.archive())
    assert with_bytes(store, ANN) == []
    store.verify("a")
    n, times = erasures(store.get)
    assert n > 500 and times < n / 20


def test_many_messages_go_together_through_posternd(parts):
    idents = []

    def days(old):
        old.days(20, 10, 2, [ANN, "bob@example.org"])
        idents.append(old.message(midnight(2), [ANN] * 150))

    post, _ = old_relay(parts, days)
    post.start()
    with Control(post) as control:
        def ask(items):
            return str(control.ask("forget", address=ANN, items=items))

        item = {"message": str(uuid.UUID(bytes=idents[0])),
                "parties": [{"n": 1, "role": "recipient"}]}
        alone = {"parties": [{"n": 1, "role": "suppression"}]}
        for items in ([], None, "x", [item] * 51, [item, alone], [alone, item],
                      [item, 1], [{**item, "parties": item["parties"] * 30}] * 7):
            assert "not a list of up to 50 messages" in ask(items), items
        assert "not a list of parties" in ask(
            [{**item, "parties": item["parties"] * 33}])
        assert "not a message" in ask([{**item, "message": "x"}])
    assert erasures(post.sql) == {"n": 0, "times": 0}
    post.run("forget", ANN)
    done = erasures(post.sql)
    assert done["n"] > 100 and done["times"] < done["n"] / 10
    post.run("verify", "--projections")
    assert with_bytes(Store(parts.rundir, make=False), ANN,
                      os.path.dirname(post.store)) == []


def test_through_posternd(parts):
    post, _ = relay(parts)
    (reply,) = send(post, "ann@example.com")
    assert reply.code == 250
    send(post, "bob@example.com")
    post.run("log")
    post.run("suppress", "add", "ann@example.com", "--reason", "bounced")
    post.run("forget", "ann@example.com")
    store = Store(parts.rundir, make=False)
    where = os.path.dirname(post.store)
    assert with_bytes(store, "ann@example.com", where) == []
    for _ in range(2):
        (reply,) = send(post, "ann@example.com")
        assert reply.code == 550 and "bounced" in reply.text
        post.restart()
    post.run("forget", "ann@example.com", "--suppression-too")
    assert [r.code for r in send(post, "ann@example.com")] == [250]
    post.run("verify", "--projections")


NONE = [  # what comes with RCPT, what the journal keeps of it, the person in it
    ("TO:<山田太郎@例え.jp>", "山田太郎@例え.jp", "山田太郎@例え.jp"),
    ("TO:<" + "x" * 65 + "@example.org>", "x" * 65 + "@example.org", None),
    ("TO:<" + "山" * 300 + "@example.org>", "山" * 166, "山" * 300 + "@example.org"),
    ("TO:dora@example.org", "dora@example.org", "Dora@Example.org"),
    ("TO: <eve@example.org FOO=BAR", "eve@example.org", "eve@example.org"),
    ("TO:Fay Roe <fay@example.org", "fay@example.org", "fay@example.org"),
    ("TO:<gus@example.org;hal@example.org>", "gus@example.org;hal@example.org",
     "hal@example.org"),
    ("TO:<Ian Poe>", "Ian Poe", "ian poe"),
]


def test_recipients_that_were_refused_as_no_addresses(parts):
    post, _ = relay(parts)
    with post.client() as client:
        client.mail("a@example.com")
        for command, _, _ in NONE:
            assert client.cmd(f"RCPT {command}").code in (501, 553)
        client.cmd("RSET")

    def kept():
        return {row["value"] for row in post.sql(
            "SELECT value FROM party WHERE role = 'recipient'")} - {None}

    values = {value for _, value, _ in NONE}
    assert kept() == values
    for _, value, person in NONE:
        assert value in post.run("log", "--recipient", value)
        assert post.run("forget", person or value).startswith("erased 1 in 1 messages")
        values.remove(value)
        assert kept() == values
    post.run("verify", "--projections")
