"""Old days of the journal, moved into archives: postern prune and verify."""

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.build import SANITIZER
from lib.oldjournal import OldJournal, day, midnight
from lib.rig import Control, old_relay, relay, send
from lib.store import Store, remains
from lib.verifier import verifier as make_verifier

@pytest.fixture
def store(rundir):
    return Store(rundir)


@pytest.fixture
def verifier(rundir):
    return make_verifier(rundir)


def everything(store, *names):
    """All rows and all that is known of messages, wherever it lies."""
    files = [store.path, *map(store.archive, names)]
    return {
        table: sorted(map(repr, (row for path in files for row in
                                 store.get(query, path))))
        for table, query in {
            "journal": "SELECT * FROM journal WHERE event NOT IN"
                       " ('started', 'stopped', 'pruned', 'clock')",
            "message": "SELECT * FROM message",
            "party": "SELECT * FROM party",
            "delivery": "SELECT * FROM delivery",
        }.items()
    }


def test_both_verifiers_agree(store, verifier):
    store.fill(40, 3).close()
    store.prune(30, "a")
    store.prune(20, "b")
    a, b, live = store.archive("a"), store.archive("b"), store.path
    for files in ([a], [b], [live], [a, b], [b, live], [a, b, live]):
        rows, head = re.search(r"(rows \d+ to \d+).* head (\S+)",
                               store.run("verify", *files)).groups()
        assert verifier(*files, head, status=0) == f"good, {rows}, head {head}\n"
    verifier(a, live, status=1)
    store.run("verify", a, live, expect=1)
    for lie in (
            "INSERT INTO pruned VALUES (999999, 400, zeroblob(32), 'x')",
            "INSERT INTO pruned SELECT 999999, seq, chain, 'x' FROM journal"
            " WHERE seq = 600",
            "UPDATE pruned SET last_chain = zeroblob(32) WHERE last_seq > 300",
            "DELETE FROM pruned WHERE last_seq > 300"):
        copy = f"{store.rundir}/copy.db"
        store.run("snapshot", copy)
        db = sqlite3.connect(copy)
        for (trigger,) in db.execute("SELECT name FROM sqlite_schema"
                                     " WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        db.executescript(lie)
        db.close()
        verifier(copy, status=1)
        store.run("verify", copy, expect=1)
        os.unlink(copy)


def test_two_archives_and_the_journal_are_one_chain(store):
    store.fill(40, 3).close()
    before = everything(store)
    (head,) = store.get("SELECT seq || ':' || lower(hex(chain)) FROM journal"
                        " ORDER BY seq DESC LIMIT 1")[0]
    (early,) = store.get("SELECT seq || ':' || lower(hex(chain)) FROM journal"
                         " WHERE seq = 20")[0]
    store.prune(30, "a")
    store.prune(20, "b")
    assert everything(store, "a", "b") == before
    for files in ([], ["a"], ["b"], ["a", "b"], ["b", "a"]):
        missing = len(files) == 1
        text = store.verify(*files, expect=1 if missing else 0)
        assert ("in an archive that was not named" in text) == missing
    for name in "ab":
        store.run("verify", "--projections", store.archive(name))
    ((end,),) = store.get("SELECT max(seq) FROM journal")
    ((bound,),) = store.get("SELECT max(last_seq) FROM pruned")
    assert f"rows {bound + 1} to {end}; 1 to {bound} lie in archives that were" \
        " not named" in store.verify()
    assert f"rows 1 to {end} head" in store.verify("a", "b")
    assert json.loads(store.verify(more=["--json"]))["first_seq"] == bound + 1
    store.run("verify", "--projections", store.archive("a"), store.archive("b"))
    store.verify("a", "b", more=["--since-head", head])
    store.verify("a", "b", more=["--since-head", early])
    store.verify("a", "b", more=["--since-head", early[:-1] + "x"], expect=2)
    assert "name the archive" in store.verify(
        "b", more=["--since-head", early], expect=1)
    bound, chain = store.get("SELECT last_seq, lower(hex(last_chain)) FROM pruned"
                             " ORDER BY seq DESC")[0]
    store.verify(more=["--since-head", f"{bound}:{chain}"])
    # Whole days, and nothing that was settled after them.
    assert store.get("SELECT min(at) FROM journal")[0][0] >= midnight(20)
    assert store.get("SELECT max(at) FROM journal", store.archive("b"))[0][0] \
        < midnight(20)
    assert store.get("SELECT count(*) FROM message WHERE received_at <"
                     f" {midnight(20)}") == [(1,)]
    assert "nothing before" in store.prune(20, "c")
    assert not os.path.exists(store.archive("c"))


def test_what_may_not_go_stays(store):
    old = store.fill(40, 2, 20)
    doubtful = old.message(midnight(19), ["ann@example.org"])
    old.deliver(midnight(19) + 5, doubtful, 1, "doubtful")
    old.close()
    text = store.prune(9, expect=1)
    assert f"--before {day(10)} at the latest" in text
    text = store.prune(15, expect=1)
    assert "is doubtful" in text and f"prune --before {day(19)}" in text
    assert not os.path.exists(store.archive())
    store.prune(19)
    store.prune(15, "b", "--unsettled")
    store.verify("a", "b")


def test_a_file_that_is_something_else_is_left_alone(store):
    store.fill(40, 2).close()
    other = store.archive()
    with open(other, "w", encoding="ascii") as f:
        f.write("precious")
    assert "exists already" in store.prune(30, expect=1)
    with open(other, encoding="ascii") as f:
        assert f.read() == "precious"
    store.prune(30, "b")
    assert "exists already" in store.prune(20, "b", expect=1)
    store.verify("b")


def test_an_archive_of_a_long_path(store, rundir):
    """As long as it may be, of what is longest in a request; and longer."""
    store.fill(40, 2).close()
    where = str(rundir)
    while len(where) < 400:
        where += "/" + '"' * 60
    os.makedirs(where)
    name = '"' * (480 - len(where) - 1)
    text = store.run("prune", "--before", day(30), "--archive",
                     f"{where}/{name}d", expect=1)
    assert "has 481 bytes, and may have 480" in text
    assert os.listdir(where) == []
    store.run("prune", "--before", day(30), "--archive", f"{where}/{name}")
    store.run("verify", "--projections", "--archive", f"{where}/{name}")
    text = store.run("prune", "--before", day(30), "--archive",
                     f"{rundir}/none/a.db", expect=3)
    assert "the archive's directory: No such file" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_who_may_read_the_journal_may_read_its_archive(store):
    store.fill(40, 3).close()
    os.chown(store.path, 65534, 60)
    os.chmod(store.path, 0o640)
    store.prune(30, "a")
    made = os.stat(store.archive("a"))
    assert (made.st_uid, made.st_gid) == (65534, 60)
    assert made.st_mode & 0o777 == 0o640


def test_one_at_a_time(store):
    store.fill(40, 2).close()
    with open(store.path + "-prune", "w", encoding="ascii") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        text = store.prune(30, expect=1)
        assert f"by process {os.getpid()}" in text
        text = store.run("forget", "ann@example.org", expect=1)
        assert f"by process {os.getpid()}" in text
    assert not os.path.exists(store.archive())
    store.prune(30)


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
def test_a_file_that_came_meanwhile_is_left_alone(store, rundir):
    store.fill(24, 2).close()
    file = store.archive()
    with store.traced("?link,linkat", "delay_enter=2000000", "prune",
                      "--before", day(20), "--archive", file) as prune:
        while not os.path.exists(file + ".part"):
            assert prune.poll() is None
        with open(file, "x", encoding="ascii") as f:
            f.write("precious")
        assert "exists already" in prune.communicate()[1]
        assert prune.returncode == 1
    with open(file, encoding="ascii") as f:
        assert f.read() == "precious"
    assert "pruned" not in dict(store.get("SELECT event, seq FROM journal"))
    assert sorted(n for n in os.listdir(rundir) if ".part" in n) == []
    store.verify()


def test_suppressions_in_force_stay(store):
    old = OldJournal(store.path)
    old.suppress(midnight(50), "ended@example.org", midnight(45))
    old.suppress(midnight(50), "ann@example.org")
    old.days(40, 2)
    old.close()
    store.prune(20)
    store.verify()
    store.verify("a")
    assert store.get("SELECT address FROM suppression") == [("ann@example.org",)]
    assert len(store.get("SELECT address FROM suppression", store.archive())) == 2


@pytest.mark.parametrize("rows", ["first", "both", "all"])
def test_an_event_that_came_several_times(store, rows):
    """With a tag, then for nobody, then known again: table event keeps the first;
    how many of its rows are archived makes no difference."""
    old = store.fill(40, 2, 33)
    ident = old.message(midnight(33), ["ann@example.org"])
    old.deliver(midnight(33) + 5, ident, 1)
    name = {"ses_id": f"0101-{ident.hex()}-1", "what": "Bounce", "feedback_id": "F"}
    old.report(midnight(30), **name, feedback="bounced", ident=ident, n=1, attempt=1)
    lone = old.report(midnight(20), **name)
    old.report(midnight(15), **name, feedback="bounced", ident=ident, n=1,
               unmatched=lone)
    old.days(14, 2)
    old.close()
    store.run("verify", "--projections")
    store.prune(31)
    store.prune({"first": 25, "both": 18, "all": 13}[rows], "b")
    store.verify()
    store.verify("a", "b")
    store.verify("b", expect=1)
    assert "in an archive that was not named" in store.verify("b", expect=1)
    assert "missing" not in store.verify("b", expect=1)


def test_through_posternd_while_mail_flows(parts):
    post, _ = old_relay(parts, lambda old: old.days(60, 40))
    post.start()
    archive = os.path.join(parts.rundir, "a.db")
    with ThreadPoolExecutor(1) as pool:
        pruning = pool.submit(
            post.run, "prune", "--before", day(20), "--archive", archive)
        sent = 0
        while not pruning.done() or sent < 2:
            (reply,) = send(post, "one@example.com")
            assert reply.code == 250
            sent += 1
    pruning.result()
    post.run("verify", "--projections", "--archive", archive)
    post.run("verify", "--projections")
    (row,) = post.sql("SELECT json_extract(detail, '$.who') AS who FROM journal"
                      " WHERE event = 'pruned'")
    assert "uid" in row["who"]
    post.restart()
    post.run("quota")


def archives_of(parts, post, name, *days, window=""):
    """What pruning a copy of a journal brings forth."""
    owner = os.stat(post.store)
    os.mkdir(f"{parts.rundir}/{name}")
    os.chown(f"{parts.rundir}/{name}", owner.st_uid, owner.st_gid)
    store = Store(f"{parts.rundir}/{name}")
    with open(store.conf, "w", encoding="ascii") as f:
        f.write(f'store {{ path = "{store.path}"\n{window} }}\n'
                f'daemon {{ control = "{store.rundir}/none" }}\n')
    for path in remains(post.store):
        shutil.copy(path, store.path + path[len(post.store):])
        os.chown(store.path + path[len(post.store):], owner.st_uid, owner.st_gid)
    for i, ago in enumerate(days):
        store.prune(ago, f"a{i}", "--unsettled")
    return [store.archive(f"a{i}") for i in range(len(days))]


def test_what_posternd_refuses_leaves_no_archive(parts):
    """It goes by the configuration that it has, the command by a newer one."""
    post, _ = old_relay(parts, lambda old: old.days(9, 5))
    post.start()
    post.configure({"store": {"repeat-window": "1d"}})
    archive = os.path.join(parts.rundir, "a.db")
    prune = ["prune", "--before", day(2), "--archive", archive]
    status, out, err = post.run(*prune, expect=None)
    assert (status, out) == (1, "") and "at the latest" in err, err
    assert "is left" not in err
    assert [n for n in os.listdir(parts.rundir) if n.startswith("a.db")] == []
    post.sighup()
    post.run(*prune)
    post.run("verify", "--projections", "--archive", archive)


def reports_of(row):
    """What SES says late about a delivery."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(row["sent_at"] / 1e6))
    return json.dumps({
        "eventType": "Bounce", "mail": {
            "timestamp": at, "messageId": row["ses_id"],
            "destination": [row["value"]]},
        "bounce": {"timestamp": at, "feedbackId": "F", "bounceType": "Permanent",
                   "bounceSubType": "General",
                   "bouncedRecipients": [{"emailAddress": row["value"]}]}})


def test_posternd_does_not_trust_who_prunes(parts):
    def fill(old):
        old.days(60, 5, 45)
        doubtful = old.message(midnight(45), ["ann@example.org"])
        old.deliver(midnight(45) + 5, doubtful, 1, "doubtful")
        old.days(44, 5)

    post, _ = old_relay(parts, fill)
    good, later = archives_of(parts, post, "good", 40, 30)
    (young,) = archives_of(parts, post, "young", 2,
                           window='repeat-window = "1d"')
    post.start()
    first, late, *_, = post.sql(
        "SELECT m.id, d.ses_id, d.sent_at, p.value FROM message m"
        " JOIN delivery d ON d.message = m.id AND d.n = 1 JOIN party p"
        " ON p.message = m.id AND p.n = 1 WHERE d.state = 'sent' ORDER BY m.id")
    (last,) = post.sql("SELECT id FROM message ORDER BY id DESC LIMIT 1")
    (doubtful,) = post.sql("SELECT message FROM delivery WHERE state = 'doubtful'")

    fifo = f"{parts.rundir}/fifo"
    os.mkfifo(fifo)

    def end():
        return post.sql("SELECT max(seq) AS seq FROM journal")[0]["seq"]

    with Control(post) as control:
        def ask(op, archive, **keys):
            return str(control.ask(f"prune-{op}", archive=archive, **keys))

        def messages(*rows, as_of=None, archive=good):
            return ask("messages", archive, as_of=end() if as_of is None else as_of,
                       messages=[str(uuid.UUID(bytes=row)) for row in rows])

        assert "no prune is unfinished" in messages(first["id"])
        for op in "begin", "rows":
            assert "no archive given" in ask(op, "good/a0.db")
            assert "looks at the archive first" in ask(op, f"{parts.rundir}/none")
            assert "looks at the archive first" in ask(op, post.store)
            # One would wait to be opened, one give up the lock when closed.
            for file in fifo, post.store + "-lock":
                assert "this is no archive" in ask(op, file)
        assert "no prune into that archive" in ask("rows", good)
        assert "is doubtful" in ask("begin", good)
        assert "the archive begins at row" in ask("begin", later, unsettled=True)
        assert "at the latest" in ask("begin", young, unsettled=True)
        assert "'ok': True" in ask("begin", good, unsettled=True)
        assert "is unfinished" in ask("begin", good, unsettled=True)

        assert "no such messages" in messages(first["id"], as_of=-1)
        assert "no such messages" in messages(first["id"], as_of=10**9)
        assert "'again': True" in messages(first["id"], as_of=0)
        assert "no prune into that archive" in messages(first["id"], archive=young)
        assert "it has no message" in messages(last["id"])
        post.run("events", "ingest", stdin=reports_of(late))
        assert "'again': False" in messages(late["id"], doubtful["message"])
        there = [row["id"] for row in post.sql("SELECT id FROM message")]
        assert late["id"] in there and doubtful["message"] not in there
        assert first["id"] in there and last["id"] in there

        # Messages before rows, and no rows that are in no archive.
        before = post.sql("SELECT count(*) AS n FROM journal")
        holed = f"{parts.rundir}/good/holed.db"
        shutil.copy(good, holed)
        owner = os.stat(post.store)
        os.chown(holed, owner.st_uid, owner.st_gid)
        with contextlib.closing(sqlite3.connect(holed)) as db:
            db.execute("DROP TRIGGER journal_no_delete")
            db.execute("DELETE FROM journal WHERE seq = 40")
            db.commit()
        assert "does not have row 40" in ask("rows", holed)
        assert "have to go before its rows" in ask("rows", good)
        assert post.sql("SELECT count(*) AS n FROM journal") == before
    post.run("prune", "--before", day(40), "--archive", good, "--unsettled")
    post.run("verify", "--projections")


def test_only_keepers_may_take_away(parts):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    post, _ = relay(parts)
    other = pwd.getpwnam("daemon")
    os.chmod(parts.rundir, 0o755)
    for path in (post.control, os.path.dirname(post.control)):
        os.chmod(path, 0o777)
    asks = """
import json, socket, sys
for op in sys.argv[2:]:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(json.dumps({"op": op}).encode() + b"\\n")
    print(s.makefile().readline(), end="")
"""
    done = subprocess.run(
        [sys.executable, "-c", asks, post.control, "prune-begin",
         "prune-messages", "prune-rows", "forget", "scrub", "quota"],
        user=other.pw_uid, group=other.pw_gid, extra_groups=[],
        capture_output=True, text=True, check=True)
    *refused, told = done.stdout.splitlines()
    assert len(refused) == 5
    assert all("only root and the user of posternd" in line for line in refused)
    assert json.loads(told)["ok"]


class Killed:
    """posternd ends at its nth call of a kind, on the log, from now on."""

    def __init__(self, post, call, nth):
        self.strace = subprocess.Popen(
            ["strace", "-f", "-o", "/dev/null", "-P", post.store + "-wal",
             "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}",
             "-p", str(post.daemon.pid)],
            stderr=subprocess.PIPE, text=True)
        assert "attached" in self.strace.stderr.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate()


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
@pytest.mark.skipif(SANITIZER == "tsan", reason="a tracer would stop it")
@pytest.mark.parametrize("call, step", [("fdatasync,fsync", 1), ("pwrite64", 23)])
def test_posternd_killed_at_every_commit_of_a_prune(parts, call, step):
    """Nothing is lost, the command says so, and can be run again; mail goes on."""
    post, _ = old_relay(parts, lambda old: old.days(30, 16, people=[
        "ann@example.org", "bob@example.org"]))
    store = Store(parts.rundir, make=False)
    store.path = post.store
    before = everything(store)
    owner = os.stat(post.store)
    saved = parts.dir("saved")
    for path in remains(post.store):
        shutil.copy(path, saved)
    archive = os.path.join(parts.rundir, "a.db")
    prune = ["prune", "--before", day(15), "--archive", archive]
    states = set()
    for nth in range(1, 1000 * step, 3 * step if SANITIZER else step):
        for path in remains(post.store) + remains(archive):
            os.unlink(path)
        shutil.copytree(saved, os.path.dirname(post.store), dirs_exist_ok=True)
        for path in remains(post.store):
            os.chown(path, owner.st_uid, owner.st_gid)
        post.start()
        with Killed(post, call, nth):
            status, out, err = post.run(*prune, expect=None)
            if status != 0:
                post.daemon.wait()
        if status == 0:
            break
        assert status == 3 and "posternd" in err, (status, out, err)
        post.kill()
        begun = store.get("SELECT 1 FROM pruned") != []
        assert begun or f"{archive} is left: the same command" in err, err
        there = ["a"] if begun else []
        states.add((begun, store.get("SELECT count(*) FROM message")[0][0],
                    store.get("SELECT min(seq) FROM journal")[0][0]))
        after = everything(store, *there)
        for table, rows in before.items():
            assert set(rows) <= set(after[table]), (nth, table)
        post.start()
        (reply,) = send(post, "one@example.com")
        assert reply.code == 250
        post.run("verify", "--projections", *(["--archive", archive] if begun else []))
        post.run(*prune)
        (reply,) = send(post, "two@example.com")
        assert reply.code == 250
        post.run("verify", "--projections", "--archive", archive)
        post.stop()
        after = everything(store, "a")
        for table, rows in before.items():
            assert set(rows) <= set(after[table]), (nth, table)
    post.run("verify", "--projections", "--archive", archive)
    # Before it was journalled, with messages on their way, and rows.
    assert (False in {begun for begun, *_ in states}) == (call == "pwrite64")
    if not SANITIZER:
        assert len({messages for begun, messages, _ in states if begun}) > 2
        assert len({first for begun, _, first in states if begun}) > 1


# Each thread counts its own calls. That of the archive has most, and hides what
# comes after it in that of the journal, unless only the journal's are counted.
# Between two syncs a sanitizer sees nothing new, and at each of them little.
KILLS = [("fdatasync,fsync", 1, None), ("?link,linkat,unlink", 1, None),
         ("fdatasync", 1, "-wal")]
if SANITIZER:
    KILLS = [(call, 2 * step, on) for call, step, on in KILLS]
else:
    KILLS += [("pwrite64", 9, None), ("pwrite64", 5, "-wal")]


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_an_archive_that_was_damaged_takes_nothing_more(store):
    store.fill(24, 8).close()
    store.run("suppress", "add", "ann@example.org")  # and so it is posternd's
    before, n = everything(store), 1
    while not store.get("SELECT 1 FROM pruned"):
        assert store.killed("fdatasync", n, "prune", "--before", day(20),
                            "--archive", store.archive(), on=store.path + "-wal")
        n += 1
    shutil.copy(store.archive(), store.archive() + ".good")
    with contextlib.closing(sqlite3.connect(store.archive())) as db:
        db.execute("DELETE FROM party")
        db.commit()
    text = store.run("prune", "--before", day(20), "--archive", store.archive(),
                     expect=1)
    assert "does not verify" in text
    os.rename(store.archive() + ".good", store.archive())
    store.prune(20)
    store.verify("a")
    assert everything(store, "a") == before


def interrupted(store, until):
    """A prune into a.db, one step a time, until something is so; what there was
    before."""
    store.run("suppress", "add", "ann@example.org")  # and so it is posternd's
    before = everything(store)
    while not store.get(f"SELECT 1 FROM pruned WHERE {until}"):
        assert store.killed("fdatasync", 2, "prune", "--before", day(15),
                            "--archive", store.archive(), on=store.path + "-wal")
    return before


def run_killed(store, *args):
    """Killed at ever later commits, it is run again until it comes to its end."""
    n = 2
    while store.killed("fdatasync", n, *args, on=store.path + "-wal"):
        n += 1
    assert n > 3


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_a_lost_archive_is_made_again(store):
    store.fill(20, 8).close()
    before = interrupted(store, "1")
    os.unlink(store.archive())
    for args in (["prune", "--before", day(15), "--archive", store.archive("b")],
                 ["forget", "bob@example.org"]):
        text = store.run(*args, expect=1)
        assert "prune into a.db is unfinished" in text and "--archive-lost" in text
    assert "a name of its own" in store.prune(15, "a", "--archive-lost", expect=1)
    assert "exists already" in store.run(
        "prune", "--before", day(15), "--archive", store.conf, "--archive-lost",
        expect=1)
    run_killed(store, "prune", "--before", day(15), "--archive",
               store.archive("b"), "--archive-lost")
    store.verify()
    store.verify("b")
    assert everything(store, "b") == before
    (first,), (again,) = store.get("SELECT seq FROM pruned ORDER BY seq")
    assert store.get("SELECT json_extract(detail, '$.instead'),"
                     " json_extract(detail, '$.remains'),"
                     " json_extract(detail, '$.archive') FROM journal"
                     f" WHERE seq = {again}") == [(first, None, "b.db")]
    store.run("forget", "bob@example.org", "--archive", store.archive("b"))
    store.prune(10, "c")
    store.verify("b", "c")


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("until, rows", [
    ("(SELECT count(*) FROM message) < 300", False),
    ("(SELECT min(seq) FROM journal) > 1", True)])
def test_what_is_lost_with_an_archive_is_told(store, verifier, until, rows):
    store.fill(25, 16).close()
    whole = interrupted(store, until)
    os.unlink(store.archive())
    there = everything(store)
    ((first,),) = store.get("SELECT min(seq) FROM journal")
    text = store.prune(15, "b", "--archive-lost", *([] if rows else ["--json"]))
    messages = len(
        {ident for (ident,) in store.get("SELECT message FROM journal WHERE message"
                                         " IS NOT NULL", store.archive("b"))}
        - {ident for name in (store.path, store.archive("b"))
           for (ident,) in store.get("SELECT id FROM message", name)})
    if rows:
        assert f"Lost with a.db: rows 1 to {first - 1}," in text
        assert f"who was in {messages} messages" in text
    else:
        told = json.loads(text)
        assert told["instead"] == "a.db" and told["first_seq"] == first == 1
        assert told["lost"] == {"first_seq": 0, "last_seq": 0, "messages": messages}
    assert messages > 0
    assert {name: there[name] for name in there if name != "journal"} == \
        {name: rest for name, rest in everything(store, "b").items()
         if name != "journal"}
    assert there["journal"] == everything(store, "b")["journal"]
    assert set(there["journal"]) <= set(whole["journal"])
    assert store.get("SELECT json_extract(detail, '$.remains') FROM journal"
                     " WHERE event = 'pruned' ORDER BY seq DESC")[0] == (1,)
    store.verify()
    verifier(store.path, status=0)
    text = store.run("verify", "--archive", store.archive("b"),
                     expect=1 if rows else 0)
    assert (f"rows 1 to {first - 1} are missing" in text) == rows
    store.run("forget", "bob@example.org", "--archive", store.archive("b"))
    store.prune(10, "c")
    store.verify()
    store.run("verify", "--projections", store.archive("c"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_an_archive_of_what_remains_is_taken_up_again(store):
    store.fill(25, 16).close()
    interrupted(store, "(SELECT min(seq) FROM journal) > 1")
    os.unlink(store.archive())
    run_killed(store, "prune", "--before", day(15), "--archive",
               store.archive("b"), "--archive-lost")
    store.verify()
    assert store.get("SELECT min(seq) FROM journal") == store.get(
        "SELECT max(last_seq) + 1 FROM pruned")


def test_a_lost_archive_is_made_again_through_posternd(parts):
    post, _ = old_relay(parts, lambda old: old.days(40, 5))
    (good,) = archives_of(parts, post, "good", 20)
    (shorter,) = archives_of(parts, post, "shorter", 30)
    post.start()
    with Control(post) as control:
        def begin(archive, **keys):
            return str(control.ask("prune-begin", archive=archive, **keys))

        assert "no prune is unfinished" in begin(good, instead=True)
        assert "'ok': True" in begin(good)
        assert "is unfinished" in begin(good)
        assert "the archive ends at row" in begin(shorter, instead=True)
    os.unlink(good)
    archive = os.path.join(parts.rundir, "b.db")
    prune = ["prune", "--before", day(20), "--archive", archive]
    status, _, err = post.run(*prune, expect=None)
    assert status == 1 and "--archive-lost" in err
    assert "Nothing is lost with a0.db." in post.run(*prune, "--archive-lost")
    post.run("verify", "--projections", "--archive", archive)


@pytest.mark.parametrize("call, step, on", KILLS)
def test_killed_at_every_step_it_loses_nothing(store, rundir, call, step, on):
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    store.fill(24, 8).close()
    store.run("suppress", "add", "ann@example.org")  # and so it is posternd's
    before = everything(store)
    saved = f"{rundir}/saved"
    os.mkdir(saved)
    for path in remains(store.path):
        shutil.copy(path, saved)
    unfinished = 0
    for kills in range(1, 10000):
        for path in remains(store.path) + remains(store.archive()):
            os.unlink(path)
        shutil.copytree(saved, rundir, dirs_exist_ok=True)
        if not store.killed(call, 1 + (kills - 1) * step, "prune", "--before",
                            day(20), "--archive", store.archive(),
                            on=on and store.path + on):
            break
        # Until the journal says so it is no archive of its own, and made anew.
        there = ["a"] if store.get("SELECT 1 FROM pruned") else []
        store.verify()
        store.verify(*there)
        if store.get("SELECT 1 FROM pruned WHERE last_seq >="
                     " (SELECT min(seq) FROM journal)"):
            text = store.run("forget", "bob@example.org", expect=1)
            assert "prune into a.db is unfinished" in text
            unfinished += 1
        after = everything(store, *there)
        for table, rows in before.items():
            assert set(rows) <= set(after[table]), table
        store.prune(20)
        store.verify("a")
        assert everything(store, "a") == before
    assert kills > (1 if "link" in call else 5 if on is None else 3)
    assert unfinished > 0 or on is None
    assert not os.path.exists(store.archive() + ".part")
