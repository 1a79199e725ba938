"""The power fails: what was told to the mail server is on the disk.

No machine loses its power here. A trace of posternd's writes and syncs tells what
the disk is sure to hold at each moment, and the journal is opened from that.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from lib.build import SANITIZER
from lib.lmtp import message
from lib.powercut import Disk, Trace
from lib.proc import PATIENCE
from lib.rig import SENDER, relay

SESSIONS = 4
AFTER = 10  # messages of each session after the first checkpoint
FAILURES = 12

pytestmark = pytest.mark.skipif(
    bool(SANITIZER) or shutil.which("strace") is None,
    reason="traces the plain build, with strace",
)


def address(who, i):
    return f"r{who}-{i}@example.com"


class Feed(threading.Thread):
    """A session that goes on until the write-ahead log has gone into the
    database, and for a few messages more."""

    def __init__(self, post, who):
        super().__init__(daemon=True)
        self.post = post
        self.who = who
        self.enough = threading.Event()
        self.replies = []

    def run(self):
        rest = AFTER
        with self.post.client() as client:
            while rest > 0:
                if self.enough.is_set():
                    rest -= 1
                to = address(self.who, len(self.replies))
                [reply] = client.deliver(SENDER, [to], message(SENDER, to))
                self.replies.append(reply)


def checkpointed(post, size):
    until = time.monotonic() + PATIENCE
    while os.stat(post.store).st_size == size:
        assert time.monotonic() < until
        time.sleep(0.01)


def known(directory):
    """recipient -> (state, SES id), as the journal has it after a failure."""
    db = sqlite3.connect(os.path.join(directory, "postern.db"))
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {
            to: (state, ses_id) for to, state, ses_id in db.execute(
                "SELECT p.value, d.state, d.ses_id FROM delivery d JOIN party p"
                " ON p.message = d.message AND p.n = d.n"
                " AND p.role = 'recipient'")
        }
    finally:
        db.close()


def judge(post, directory, answered, accepted):
    states = known(directory)
    for to, ses_id in answered.items():
        assert states[to] == ("sent", ses_id)
    for to in accepted:
        assert states[to][0] in ("sending", "sent"), (to, states.get(to))
    conf = os.path.join(directory, "postern.conf")
    with open(post.conf_file, encoding="utf-8") as f:
        text = f.read().replace(post.store, os.path.join(directory, "postern.db"))
    with open(conf, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run(
        [post.postern(), "-c", conf, "verify", "--projections"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_power_fails(parts):
    post, ses = relay(parts)
    base = Disk(post.store_dir)
    size = len(base.files["postern.db"].synced)
    trace = Trace(post.daemon.pid, os.path.join(parts.rundir, "trace"))
    feeds = [Feed(post, who) for who in range(SESSIONS)]
    for feed in feeds:
        feed.start()
    checkpointed(post, size)
    for feed in feeds:
        feed.enough.set()
    for feed in feeds:
        feed.join()
    trace.close()
    replies = [reply for feed in feeds for reply in feed.replies]
    assert {reply.code for reply in replies} == {250}

    # The look-alike's clock counts from the boot, the trace's is the wall's.
    wall = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    messages = ses.messages()
    taken = [(m["mono_us"] / 1e6 + wall, m["recipients"][0]) for m in messages]
    by_id = {m["id"]: m["recipients"][0] for m in messages}
    calls = list(trace.calls())
    told = [
        i for i, (_, phase, call, _, data, _) in enumerate(calls)
        if call == "sendmsg" and phase == "begin"
        and data.startswith(b"250 2.0.0 Ok ")
    ]
    assert len(told) == len(replies)
    dice = random.Random(20)
    fails = set(dice.sample(told, FAILURES)) | set(
        dice.sample(range(len(calls)), FAILURES))
    answered, failures = {}, 0
    for i, (when, phase, call, path, data, offset) in enumerate(calls):
        if i in told:
            for line in data.split(b"\r\n"):
                words = line.decode().split()
                if len(words) > 3 and words[3] in by_id:
                    answered[by_id[words[3]]] = words[3]
        base.feed(phase, call, path, data, offset)
        if i in fails:
            directory = os.path.join(parts.rundir, f"failure{i}")
            base.leave(directory, dice)
            judge(post, directory, answered,
                  [to for at, to in taken if at < when - 0.001])
            failures += 1
    assert failures >= FAILURES and len(answered) == len(replies)
    journal = base.files["postern.db"]
    assert len(journal.synced) > size or journal.since, "no checkpoint was seen"
