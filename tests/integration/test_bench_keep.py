"""What keeping the journal costs the mail that goes on: prune and forget.

Part of "make bench". POSTERN_BENCH=0.1 takes a tenth of the journal's 200,000
deliveries. Full load throughout, on a machine that sandbox and senders share.
"""

import os
import shutil
import subprocess
import threading
import time

import pytest

from lib.build import tool
from lib.oldjournal import day
from lib.relay import Relay
from lib.store import remains
from test_bench import FREE, SCALE, cpu_of, table

pytestmark = pytest.mark.bench

SESSIONS = 20
DAYS = 100


@pytest.fixture
def kept(parts, tmp_path_factory):
    """A posternd with a hundred days in its journal, under full load."""
    kept_file = os.environ.get("POSTERN_BENCH_KEEP")
    path = kept_file or str(tmp_path_factory.mktemp("fill") / "j.db")
    if not os.path.exists(path):
        subprocess.run([tool("journalfill"), path, str(int(200_000 * SCALE)),
                        str(DAYS)], check=True)
    relay = parts.add(Relay(parts.dir("r"), ses=dict(FREE, save=None, keep=10)))
    post = relay.posternd
    owner = os.stat(post.store)
    post.stop()
    for old in remains(post.store):
        os.unlink(old)
    for old in remains(path):
        new = post.store + old[len(path):]
        shutil.copy(old, new)
        os.chown(new, owner.st_uid, owner.st_gid)
    post.start()
    load = subprocess.Popen([tool("lmtpload"), post.socket, str(SESSIONS),
                             "100000000", "2048", "1"], stdout=subprocess.PIPE)
    relay.sandbox.wait_for("messages", 200)
    yield relay
    load.kill()
    load.wait()


def rate(relay, until):
    """Messages a second, the CPU of posternd for one in ms, and how long."""
    pid = relay.posternd.daemon.pid
    began, sent, cpu = time.monotonic(), relay.sandbox.counters()["messages"], cpu_of(pid)
    until()
    took = time.monotonic() - began
    sent = relay.sandbox.counters()["messages"] - sent
    return sent / took, (cpu_of(pid) - cpu) * 1000 / sent, took


def postern(post, *args):
    subprocess.run([post.postern(), "-c", post.conf_file, *args], check=True)


def compare(relay, name, what):
    pause = threading.Event()
    rows = [("before", *rate(relay, lambda: pause.wait(15)))]
    rows.append((name, *rate(relay, what)))
    rows.append(("after", *rate(relay, lambda: pause.wait(15))))
    alone = (rows[0][1] + rows[2][1]) / 2
    table((name, "mail a second", "of alone", "posternd CPU ms", "seconds"),
          [(what, f"{r:.0f}", f"{r / alone:.2f}", f"{cpu:.3f}", f"{took:.1f}")
           for what, r, cpu, took in rows])


def test_beside_a_prune(kept, parts):
    post = kept.posternd
    archive = os.path.join(parts.rundir, "a.db")
    compare(kept, "prune", lambda: postern(
        post, "prune", "--before", day(20), "--archive", archive, "--unsettled"))


def test_beside_a_forget(kept):
    post = kept.posternd
    [row] = post.sql("SELECT value FROM party WHERE role = 'recipient' LIMIT 1")
    compare(kept, "forget", lambda: postern(post, "forget", row["value"]))
