"""Trouble of our own: disk, file system, database, memory, descriptors, threads.

The mail server hears a clear 4xx and keeps its mail, the log says why once, and
mail flows again as soon as the trouble is over.
"""

import contextlib
import json
import os
import pwd
import re
import sqlite3
import subprocess
import threading
import time

import pytest

from lib.build import SANITIZER
from lib.lmtp import Closed, Lmtp, message
from lib.proc import PATIENCE
from lib.rig import SENDER, journal, posternd, sandbox, send, states

TO = "b@example.com"
LARGE = "x" * 70 + "\n"

# How long a transaction is held here, so that tests are short.
WITHIN = 2
SOON = {"lmtp": {"answer-within": f"{WITHIN}s"}}

# How long Postfix waits for the reply to RSET, in seconds.
LMTP_RSET_TIMEOUT = 20

# How long what can't be asked for again is tried there, in seconds.
JOURNAL_WAITS = 30

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
plain = pytest.mark.skipif(
    bool(SANITIZER), reason="sanitizers want memory without bounds"
)


def make(parts, store=None, conf=None, start=True, **options):
    """posternd and its SES; store: a directory for the journal."""
    ses = sandbox(parts, **options)
    post = posternd(parts, ses, conf=conf or SOON, start=False)
    if store is not None:
        os.chmod(store, 0o755)
        post._own(store)
        post.store_dir = store
        post.store = os.path.join(store, "postern.db")
        post.configure({"store": {"path": post.store}})
    return (post.start() if start else post), ses


def large():
    """More than is kept in memory."""
    return message(SENDER, TO, body=LARGE * 25000)


def in_data(post, **kw):
    """A session that has only its message left to send."""
    client = post.connect(**kw)
    assert client.mail(SENDER).code == 250
    assert client.rcpt(TO).code == 250
    client.cmd("DATA", 354)
    return client


def verified(post, messages):
    """The journal holds together and tells of so many, all of them sent."""
    assert states(post) == ["sent"] * messages
    post.run("verify", "--projections")


def recovered(post, ses, mark, messages):
    """Mail flows in the process that was in trouble, and it said so."""
    assert send(post, TO)[0].code == 250
    # Log lines come by another way than answers.
    post.daemon.wait_event("journal-recovered", mark)
    assert len(post.daemon.events("journal-trouble", mark)) == 1
    assert len(post.daemon.events("journal-recovered", mark)) == 1
    assert ses.counters()["messages"] == messages


# The disk


class Disk:
    """A small file system: tmpfs, or ext4 in a file."""

    def __init__(self, where, kib=None, image=None):
        self.where = where
        self.image = image
        self.mounted = False
        if image is not None:
            with open(image, "wb") as f:
                f.truncate(16 << 20)
            subprocess.run(["mkfs.ext4", "-q", image], check=True)
        self.kib = kib
        self.mount()

    def mount(self):
        argv = (
            ["-o", "loop", self.image] if self.image is not None
            else ["-t", "tmpfs", "-o", f"size={self.kib}k", "tmpfs"]
        )
        subprocess.run(["mount", *argv, self.where], check=True)
        self.mounted = True

    def unmount(self):
        subprocess.run(["umount", self.where], check=True)
        self.mounted = False

    def close(self):
        if self.mounted:
            self.unmount()

    @property
    def ballast(self):
        return os.path.join(self.where, "ballast")

    def fill(self):
        """Not a byte is left."""
        with open(self.ballast, "ab", buffering=0) as f:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        f.write(b"x" * size)

    def free(self):
        os.unlink(self.ballast)


@as_root
def test_disk_full(parts):
    disk = parts.add(Disk(parts.dir("disk"), 8192))
    post, ses = make(parts, disk.where)
    assert send(post, TO)[0].code == 250
    mark = post.daemon.mark()
    disk.fill()
    for text in (message(SENDER, TO), large()):
        with post.client() as client:
            [reply] = client.deliver(SENDER, [TO], text)
        assert (reply.code, reply.enhanced) == (452, "4.3.1"), reply
        assert "full" in reply.text or "No space" in reply.text, reply
    post.daemon.wait_event("journal-trouble", mark)
    [trouble] = post.daemon.events("journal-trouble", mark)
    assert "full" in trouble["reason"]
    disk.free()
    recovered(post, ses, mark, 2)
    with post.client() as client:
        assert client.deliver(SENDER, [TO], large())[0].code == 250
    verified(post, 3)


@as_root
def test_disk_full_past_the_dot(parts):
    """What SES has accepted is waited for, and not sent again."""
    disk = parts.add(Disk(parts.dir("disk"), 4096))
    post, ses = make(parts, disk.where)
    ses.fault("dot delay ms=500 nth=1")
    mark = post.daemon.mark()
    with in_data(post) as client:
        client.body(message(SENDER, TO))
        ses.wait_for("faults", 1)
        disk.fill()
        post.daemon.wait_event("journal-trouble", mark)
        disk.free()
        assert client.reply().code == 250
    recovered(post, ses, mark, 2)
    verified(post, 2)


@pytest.mark.soak
@as_root
def test_disk_full_past_the_dot_for_long(parts):
    """The mail server hears of it at last, and its next try finds what SES said."""
    disk = parts.add(Disk(parts.dir("disk"), 4096))
    post, ses = make(parts, disk.where, {
        "lmtp": {"answer-within": "2s"}, "ses": {"data-timeout": "2s"},
    })
    ses.fault("dot delay ms=500 nth=1")
    text = message(SENDER, TO)
    with in_data(post, timeout=120) as client:
        client.body(text)
        ses.wait_for("faults", 1)
        disk.fill()
        reply = client.reply()
    assert (reply.code, reply.enhanced) == (452, "4.3.1"), reply
    with in_data(post) as client:
        client.body(text)
        disk.free()
        reply = client.reply()
    [entry] = ses.messages()
    assert reply.code == 250 and reply.ses_id == entry["id"]
    verified(post, 1)


@as_root
def test_events_on_a_full_disk(parts):
    """They are refused at once, none of them taken, and may be given again."""
    disk = parts.add(Disk(parts.dir("disk"), 8192))
    post, _ = make(parts, disk.where)
    [reply] = send(post, TO)
    [row] = post.log()
    records = "".join(json.dumps({
        "eventType": "Bounce",
        "mail": {"messageId": reply.ses_id,
                 "timestamp": "2026-11-22T10:00:00.000Z",
                 "tags": {"postern": [f"{row['message']}-1-1"]}},
        "bounce": {"bounceType": "Transient", "bounceSubType": "General",
                   "timestamp": "2026-11-22T10:00:05.000Z",
                   "feedbackId": f"0100-{i}", "bouncedRecipients": []},
    }) + "\n" for i in range(200))
    ingest = ["events", "ingest", "--json"]
    disk.fill()
    began = time.monotonic()
    status, out, err = post.run(*ingest, stdin=records, expect=None)
    assert status == 3 and f" {post.store}: " in err and "full" in err, err
    assert time.monotonic() - began < JOURNAL_WAITS
    assert json.loads(out)["taken"] == 0
    disk.free()
    for key in ("taken", "repeated"):
        assert json.loads(post.run(*ingest, stdin=records))[key] == 200
    verified(post, 1)


@as_root
def test_start_on_a_full_disk(parts):
    disk = parts.add(Disk(parts.dir("disk"), 1024))
    post, _ = make(parts, disk.where, start=False)
    disk.fill()
    post.daemon.start(ready=False)
    assert post.daemon.wait() == 1
    assert "full" in post.daemon.tail(1)
    disk.free()
    post.start()
    assert send(post, TO)[0].code == 250


@as_root
def test_file_system_turned_read_only(parts):
    """As ext4 does when its disk fails. Only another mount can mend that."""
    disk = parts.add(Disk(
        parts.dir("disk"), image=os.path.join(parts.rundir, "image")
    ))
    post, ses = make(parts, disk.where)
    assert send(post, TO)[0].code == 250
    mark = post.daemon.mark()
    subprocess.run(["mount", "-o", "remount,abort", disk.where], check=True)
    for _ in range(2):
        [reply] = send(post, TO)
        assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
    post.daemon.wait_event("journal-trouble", mark)
    assert len(post.daemon.events("journal-trouble", mark)) == 1
    post.kill()
    disk.unmount()
    disk.mount()
    post.start()
    assert send(post, TO)[0].code == 250
    assert ses.counters()["messages"] == 2
    verified(post, 2)


def test_store_that_cannot_be_written(parts):
    post, _ = make(parts)
    assert send(post, TO)[0].code == 250
    post.stop()
    for name in os.listdir(post.store_dir):
        os.chmod(os.path.join(post.store_dir, name), 0o440)
    post.daemon.start(ready=False)
    assert post.daemon.wait() == 1
    assert post.store in post.daemon.tail(1)
    assert "ermission denied" in post.daemon.tail(1)
    for name in os.listdir(post.store_dir):
        os.chmod(os.path.join(post.store_dir, name), 0o640)
    post.start()
    assert send(post, TO)[0].code == 250


# The database


@contextlib.contextmanager
def locked(post, words="BEGIN IMMEDIATE"):
    db = sqlite3.connect(post.store, isolation_level=None)
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute(words)
    try:
        yield
    finally:
        db.rollback()
        db.close()


def test_locked_by_another_process(parts):
    """For longer than a transaction is held."""
    post, ses = make(parts)
    mark = post.daemon.mark()
    with locked(post):
        for _ in range(2):
            [reply] = send(post, TO)
            assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
            assert "locked" in reply.text
    recovered(post, ses, mark, 1)
    verified(post, 1)


@pytest.mark.parametrize(("verb", "conf"), [
    ("RSET", SOON),
    pytest.param("RSET", {"lmtp": {}}, marks=pytest.mark.soak),
    pytest.param("QUIT", {"lmtp": {}}, marks=pytest.mark.soak),
])
def test_locked_when_all_were_refused(parts, verb, conf):
    """What ends the transaction is answered while Postfix still waits, and the
    log tells of what the journal does not."""
    post, ses = make(parts, conf=conf)
    mark = post.daemon.mark()
    with post.client() as client, locked(post):
        assert client.mail(SENDER).code == 250
        assert client.rcpt("nobody").code == 501
        began = time.monotonic()
        assert client.cmd(verb).code in (221, 250)
        assert time.monotonic() - began < LMTP_RSET_TIMEOUT
        lost = post.daemon.wait_event("journal", mark)
        assert lost["outcome"] == "refused"
        assert "locked" in lost["reason"]
    recovered(post, ses, mark, 1)
    verified(post, 1)


@pytest.mark.parametrize("seconds", [
    3, pytest.param(30, marks=pytest.mark.soak),
])
def test_locked_for_a_while(parts, seconds):
    """Within a transaction it is waited out: before the message is known, and
    while it has its turn."""
    post, ses = make(parts, conf={"quota": {"rate": 1}})
    mark = post.daemon.mark()
    ses.fault("data delay ms=300 nth=1")
    with in_data(post) as early, in_data(post) as late:
        early.body(message(SENDER, TO))
        ses.wait_for("faults", 1)
        with locked(post):
            late.body(message(SENDER, TO))
            threading.Event().wait(seconds)
            post.daemon.wait_event("journal-trouble", mark)
            [trouble] = post.daemon.events("journal-trouble", mark)
            assert "locked" in trouble["reason"]
        assert early.reply().code == 250
        assert late.reply().code == 250
    recovered(post, ses, mark, 3)
    verified(post, 3)


def wal(post):
    return os.path.getsize(post.store + "-wal")


@pytest.mark.parametrize("messages", [
    150, pytest.param(2000, marks=pytest.mark.soak),
])
def test_reader_that_pins_the_log(request, parts, messages):
    """It grows while somebody reads, and starts over once he has gone."""
    post, ses = make(parts, save=None)

    def some(n):
        with post.client() as client:
            for _ in range(n):
                [reply] = client.deliver(SENDER, [TO], message(SENDER, TO))
                assert reply.code == 250

    db = sqlite3.connect(f"file:{post.store}?mode=ro", uri=True)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM journal").fetchone()
    some(messages)
    pinned = wal(post)
    assert pinned > messages * 4096
    db.close()
    some(messages)
    # It was at most as long again before it could start over.
    some(messages)
    print(f"{request.node.name}: {pinned >> 10} KB when it was let go, "
          f"{wal(post) >> 10} KB at the end")
    assert wal(post) < 2.5 * max(pinned, 16 << 20)
    assert post.daemon.events("journal-trouble") == []
    assert post.daemon.events("checkpoint") == []
    assert ses.counters()["messages"] == 3 * messages
    post.run("verify")


def garble(path, root):
    """Overwrite one page."""
    with open(path, "r+b") as f:
        f.seek((root - 1) * 4096)
        f.write(os.urandom(4096))


def test_corrupt(parts):
    """It does not start on what it cannot trust; a copy put back helps."""
    post, ses = make(parts)
    assert send(post, TO)[0].code == 250
    post.stop()
    with sqlite3.connect(post.store) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [[root]] = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'journal'")
    with open(post.store, "rb") as f:
        copy = f.read()
    garble(post.store, root)
    post.daemon.start(ready=False)
    status = post.daemon.wait()
    assert status == 1
    assert post.store in post.daemon.tail(1)
    assert "malformed" in post.daemon.tail(1)
    with open(post.store, "r+b") as f:
        f.write(copy)
    post.start()
    assert send(post, TO)[0].code == 250
    assert ses.counters()["messages"] == 2
    verified(post, 2)


def test_corrupted_while_it_runs(parts):
    post, ses = make(parts)
    assert send(post, TO)[0].code == 250
    post.stop()
    with sqlite3.connect(post.store) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [[root]] = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'digest'")
    with open(post.store, "rb") as f:
        copy = f.read()
    post.start()
    mark = post.daemon.mark()
    garble(post.store, root)
    for _ in range(2):
        [reply] = send(post, TO)
        assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
        assert "malformed" in reply.text
    assert len(post.daemon.events("journal-trouble", mark)) <= 2
    # The page that was damaged, as a backup has it.
    with open(post.store, "r+b") as f:
        f.seek((root - 1) * 4096)
        f.write(copy[(root - 1) * 4096:root * 4096])
    assert send(post, TO)[0].code == 250
    post.daemon.wait_event("journal-recovered", mark)
    assert ses.counters()["messages"] == 2
    verified(post, 2)


def test_journal_moved_away_and_put_back(parts):
    post, ses = make(parts)
    assert send(post, TO)[0].code == 250
    mark = post.daemon.mark()
    os.rename(post.store, post.store + ".away")
    for _ in range(2):
        [reply] = send(post, TO)
        assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
        assert "moved away" in reply.text
    assert not os.path.exists(post.store)
    os.rename(post.store + ".away", post.store)
    recovered(post, ses, mark, 2)
    verified(post, 2)


def test_journal_moved_away_past_the_dot(parts):
    post, ses = make(parts)
    ses.fault("dot delay ms=500 nth=1")
    mark = post.daemon.mark()
    with in_data(post) as client:
        client.body(message(SENDER, TO))
        ses.wait_for("faults", 1)
        os.rename(post.store, post.store + ".away")
        post.daemon.wait_event("journal-trouble", mark)
        os.rename(post.store + ".away", post.store)
        assert client.reply().code == 250
    recovered(post, ses, mark, 2)
    verified(post, 2)


@pytest.mark.soak
@pytest.mark.parametrize(
    "trouble, reply, state",
    [
        (lambda ses: ses.remove("identity", "example.com"),
         "550 5.7.1", "refused"),
        (lambda ses: ses.set(rate="0.01"), "250 2.0.0", "sent"),
        (lambda ses: ses.fault("dot stall nth=1"), "451 4.4.2", "doubtful"),
    ],
    ids=["refused", "throttled", "lost"],
)
def test_journal_moved_away_past_the_dot_for_long(parts, trouble, reply, state):
    """The next try finds what SES said, whatever that was. A delivery that the
    journal takes for sending would be held for ever."""
    post, ses = make(parts, conf={
        "lmtp": {"answer-within": "10s"}, "store": {"doubtful": "hold"},
        "ses": {"data-timeout": "1s"},
    })
    assert send(post, TO)[0].code == 250
    ses.set(latency="500ms")
    trouble(ses)
    text = message(SENDER, TO)
    with in_data(post, timeout=120) as client:
        client.body(text)
        patience = time.monotonic() + PATIENCE
        while states(post) != ["sent", "sending"]:
            assert time.monotonic() < patience
            time.sleep(0.01)
        os.rename(post.store, post.store + ".away")
        answer = client.reply()
    assert (answer.code, answer.enhanced) == (451, "4.3.0"), answer
    ses.set(latency="0s", rate="unlimited")
    with in_data(post) as client:
        client.body(text)
        os.rename(post.store + ".away", post.store)
        answer = client.reply()
    assert f"{answer.code} {answer.enhanced}" == reply, answer
    assert states(post) == ["sent", state]
    assert ses.counters()["messages"] == 1 + (state == "sent")
    post.run("verify", "--projections")


@pytest.mark.soak
def test_stopped_while_in_trouble(parts):
    """It ends all the same, and what it could not write down is in doubt."""
    post, ses = make(parts)
    ses.fault("dot delay ms=300")
    mark = post.daemon.mark()
    clients = [in_data(post) for _ in range(20)]
    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
            client.body(message(SENDER, TO))
        ses.wait_for("faults", 20)
        os.rename(post.store, post.store + ".away")
        post.daemon.wait_event("journal-trouble", mark)
        began = time.monotonic()
        post.stop()
        assert time.monotonic() - began < 30
    os.rename(post.store + ".away", post.store)
    post.start()
    assert states(post) == ["doubtful"] * 20
    post.run("verify", "--projections")


def test_another_file_in_its_place(parts):
    post, ses = make(parts)
    assert send(post, TO)[0].code == 250
    os.rename(post.store, post.store + ".away")
    with open(post.store, "wb"):
        pass
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
    assert "another file" in reply.text
    os.rename(post.store + ".away", post.store)
    assert send(post, TO)[0].code == 250
    assert ses.counters()["messages"] == 2
    verified(post, 2)


# What the kernel gives

# prlimit's names, and those in /proc/PID/limits.
LIMITS = {
    "nproc": "Max processes", "nofile": "Max open files",
    "as": "Max address space",
}


def limit(post, what, soft):
    """As posternd's user, since root need not be allowed to."""
    entry = pwd.getpwnam(post.user)
    ids = {} if os.geteuid() != 0 else {
        "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [],
    }
    subprocess.run(
        ["prlimit", f"--pid={post.daemon.pid}", f"--{what}={soft}:"],
        check=True, **ids,
    )


@contextlib.contextmanager
def limited(post, what, n):
    with open(f"/proc/{post.daemon.pid}/limits", encoding="ascii") as f:
        [line] = [line for line in f if line.startswith(LIMITS[what])]
    old = line[len(LIMITS[what]):].split()[0]
    limit(post, what, n)
    try:
        yield
    finally:
        if post.daemon.running():
            limit(post, what, old)


def in_use(post, key):
    with open(f"/proc/{post.daemon.pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise KeyError(key)


def unserved(post):
    unix = next(a for a in post.addresses if a.startswith("unix:"))
    return Lmtp(unix[len("unix:"):], greeting=False)


def test_no_thread_for_a_session(parts):
    post, ses = make(parts)
    mark = post.daemon.mark()
    with limited(post, "nproc", 0):
        for _ in range(5):
            with unserved(post) as client:
                reply = client.reply()
            assert reply.code == 421 and "thread" in reply.text, reply
    post.daemon.wait_event("no-session", mark)
    assert len(post.daemon.events("no-session", mark)) == 1
    assert send(post, TO)[0].code == 250
    assert ses.counters()["messages"] == 1


def test_no_thread_for_a_connection_to_ses(parts):
    """A session has its thread already; the delivery waits for one of its own."""
    post, ses = make(parts)
    mark = post.daemon.mark()
    with in_data(post) as client:
        with limited(post, "nproc", 0):
            client.body(message(SENDER, TO))
            reply = client.reply()
        assert (reply.code, reply.enhanced) == (451, "4.3.0"), reply
        assert "thread" in reply.text
        post.daemon.wait_event("no-thread", mark)
        assert len(post.daemon.events("no-thread", mark)) == 1
        assert client.deliver(SENDER, [TO], message(SENDER, TO))[0].code == 250
    assert ses.counters()["messages"] == 1


def test_no_thread_for_a_further_connection(parts):
    """Those that there are take longer, and the log says so once."""
    post, ses = make(parts, latency="5ms")
    assert send(post, TO)[0].code == 250
    mark = post.daemon.mark()
    names = [f"{n}@example.com" for n in range(30)]
    with in_data(post) as client:
        with limited(post, "nproc", 0):
            client.body(message(SENDER, TO))
            assert client.reply().code == 250
            replies = client.deliver(SENDER, names, message(SENDER, names))
        assert [r.code for r in replies] == [250] * 30
        assert len(post.daemon.events("no-thread", mark)) == 1
    assert ses.counters()["messages"] == 32


def test_no_descriptor_left(parts):
    """New clients wait; those inside are served."""
    post, ses = make(parts)
    assert send(post, TO)[0].code == 250
    mark = post.daemon.mark()
    with post.client() as inside:
        with limited(post, "nofile", 3):
            with unserved(post) as waits:
                post.daemon.wait_event("no-session", mark)
                text = message(SENDER, TO)
                assert inside.deliver(SENDER, [TO], text)[0].code == 250
                threading.Event().wait(1)
                assert len(post.daemon.events("no-session", mark)) == 1
                limit(post, "nofile", 256)
                assert waits.reply().code == 220
    assert send(post, TO)[0].code == 250
    assert ses.counters()["messages"] == 3


def started_with(parts, limit, **lmtp):
    post, _ = make(parts, conf={"lmtp": lmtp}, start=False)
    post.daemon.argv[:0] = ["prlimit", f"--nofile={limit}"]
    return post.start()


def test_as_many_descriptors_as_it_may_need(parts):
    """The limit of a shell is no limit, the administrator's is."""
    post = started_with(parts, "64:4096", **{"max-sessions": 300})
    assert post.daemon.events("descriptors") == []
    clients = [post.connect() for _ in range(100)]
    for client in clients:
        client.quit()
    assert post.daemon.events("no-session") == []


def test_fewer_descriptors_than_it_may_need(parts):
    post = started_with(parts, "128:128", **{"max-sessions": 300})
    # Root may be free to raise even that.
    with open(f"/proc/{post.daemon.pid}/limits", encoding="ascii") as f:
        raised = not re.search(r"^Max open files +128 ", f.read(), re.M)
    told = post.daemon.events("descriptors")
    assert raised or told[0]["limit"] == "128"
    assert send(post, TO)[0].code == 250


def test_no_descriptor_for_a_connection_to_ses(parts):
    post, ses = make(parts)
    with in_data(post) as client:
        with limited(post, "nofile", 3):
            client.body(message(SENDER, TO))
            reply = client.reply()
        assert reply.code == 451, reply
        assert "Too many open files" in reply.text
        post.daemon.wait_event("alarm")
        assert len(post.daemon.events("alarm")) == 1
        # It would look again by itself, after a while.
        mark = post.daemon.mark()
        post.sighup()
        post.daemon.wait_event("reload", mark)
        assert client.deliver(SENDER, [TO], message(SENDER, TO))[0].code == 250
    assert ses.counters()["messages"] == 1


@plain
def test_memory_limit(parts):
    """More sessions than there is room for: each is served, told to come
    back, or sees the end of posternd, which says why; and nothing is lost."""
    post, ses = make(parts)
    assert send(post, TO)[0].code == 250
    room = (in_use(post, "VmSize") + 4096) * 1024
    texts = {f"{n}@example.com": message(SENDER, TO, body=LARGE * 12000)
             for n in range(12)}
    answers = {}

    def offer(to):
        try:
            with Lmtp(post.socket, greeting=False) as client:
                greeting = client.reply()
                if greeting.code != 220:
                    answers[to] = greeting
                    return
                client.lhlo()
                [answers[to]] = client.deliver_pipelined(
                    SENDER, [to], texts[to])
        except (Closed, OSError) as e:
            answers[to] = e

    with limited(post, "as", room):
        threads = [threading.Thread(target=offer, args=(to,)) for to in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    done = {to for to, a in answers.items() if getattr(a, "code", 0) == 250}
    for answer in answers.values():
        assert getattr(answer, "code", 421) // 100 in (2, 4), answer
    # Clients see the end of their connections a moment before we see the
    # process's.
    with contextlib.suppress(subprocess.TimeoutExpired):
        if not all(hasattr(answer, "code") for answer in answers.values()):
            post.daemon.proc.wait(1)
    if not post.daemon.running():
        assert post.daemon.wait() == 1
        assert "out of memory" in post.daemon.tail(5)
        post.start()
    assert len(done) < len(texts), "the limit was not felt"
    for to in set(texts) - done:
        with post.client() as client:
            assert client.deliver(SENDER, [to], texts[to])[0].code == 250
    copies = ses.counters()["messages"] - 1 - len(texts)
    assert 0 <= copies <= len(journal(post, "doubtful"))
    verified(post, 1 + len(texts))
