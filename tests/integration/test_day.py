"""The day, shrunk to seconds: never more than SES allows in any window, and nearly all of it.

More mail than fits is offered all the time. The sandbox judges: by its own clock, which
nobody steps, and by what it had to refuse.
"""

import contextlib
import copy
import glob
import os
import random
import threading
import time

import pytest

from lib.lmtp import Closed, message
from lib.rig import SENDER, journal, posternd, sandbox

pytestmark = pytest.mark.pace

DAY = 50
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
HOUR = 3600

# Length of a window in seconds, and how many of them.
SIZES = [
    pytest.param(4, 3, id="short"),
    pytest.param(30, 10, id="whole", marks=pytest.mark.soak),
]


class Feed(threading.Thread):
    """A mail server that always has more to offer, in several sessions."""

    SESSIONS = 4

    def __init__(self, post):
        super().__init__(daemon=True)
        self.post = post
        self.ending = threading.Event()
        self.failures = []
        self.threads = [
            threading.Thread(target=self._session, args=(who,), daemon=True)
            for who in range(self.SESSIONS)
        ]
        for thread in self.threads:
            thread.start()

    def _session(self, who):
        n = 0
        while not self.ending.is_set():
            # posternd may be gone for the moment; the answer is as good as none.
            with contextlib.suppress(OSError, Closed), self.post.client() as c:
                while not self.ending.is_set():
                    n += 1
                    to = f"{who}-{n}@example.net"
                    [reply] = c.deliver(SENDER, [to], message(SENDER, to))
                    if reply.code not in (250, 451):
                        self.failures.append(str(reply))
                    if reply.code != 250:
                        break
            self.ending.wait(0.02)

    def close(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        assert self.failures == []


@pytest.fixture
def site(parts):
    def make(window, env=None):
        ses = sandbox(
            parts, day=DAY, day_window=f"{window}s", sandbox=False, save=None,
        )
        post = posternd(parts, ses, env=env, conf={
            # Mail flows most of the time, not in bursts.
            "quota": {"daily": DAY, "daily-window": f"{window}s",
                      "rate": round(1.25 * DAY / window, 2)},
            "identities": {"sandbox": False},
            # What is in doubt counts for so much longer.
            "ses": {"data-timeout": "1s"},
            "lmtp": {"answer-within": f"{2 * window}s"},
        })
        return post, ses

    return make


def elapsed(ses, seconds):
    """From the first message on, by the sandbox's clock."""
    ses.wait_for("messages", 1)
    first = ses.messages()[0]["mono_us"] / 1e6
    time.sleep(max(0, first + seconds - time.clock_gettime(time.CLOCK_BOOTTIME)))
    return first


def most_in_a_window(times, window):
    most, first = 0, 0
    for i, t in enumerate(times):
        while times[first] <= t - window:
            first += 1
        most = max(most, i - first + 1)
    return most


def judge(request, ses, first, window, windows, others=0, least=0.9):
    times = [m["mono_us"] / 1e6 for m in ses.messages()]
    most = most_in_a_window(times, window)
    sent = sum(t < first + window * windows for t in times)
    share = (sent + others) / (DAY * windows)
    refused = ses.counters()["throttled_day"]
    print(f"{request.node.name}: {share:.1%} used, at most {most} of {DAY} in "
          f"{window} s, {refused} refused")
    assert most <= DAY
    assert share >= least
    assert ses.violations() == []
    return refused


@pytest.mark.parametrize("window,windows", SIZES)
def test_steady_feed(request, parts, site, window, windows):
    post, ses = site(window)
    parts.add(Feed(post))
    first = elapsed(ses, window * windows)
    assert judge(request, ses, first, window, windows) == 0


@pytest.mark.parametrize("window,windows", SIZES)
def test_killed_on_the_way(request, parts, site, window, windows):
    """What was in flight then is in doubt, and counts."""
    post, ses = site(window)
    feed = parts.add(Feed(post))
    # Each may cost what was in flight for longer than the short form takes.
    kills, least = (5, 0.9) if windows == 10 else (2, 0.6)
    for i in range(kills):
        elapsed(ses, window * windows * (i + random.random() / 2) / kills)
        # SES accepts one that posternd does not live to hear of.
        ses.fault("dot delay ms=300 nth=1")
        ses.wait_for("faults", i + 1)
        post.kill()
        post.start()
    first = elapsed(ses, window * windows)
    doubtful = len(journal(post, "doubtful"))
    print(f"{request.node.name}: {doubtful} doubtful")
    assert doubtful >= kills
    assert judge(request, ses, first, window, windows, least=least) == 0
    feed.close()
    post.run("verify")


class Clock:
    """A wall clock that can be stepped under a running posternd."""

    def __init__(self, where, library):
        self.file = os.path.join(where, "faketime")
        self.env = {
            "LD_PRELOAD": library, "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1",
            # It takes glibc for an older one, and ends timed waits at once.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        self.pids = []
        self.step(0)

    def step(self, seconds):
        with open(self.file + ".new", "w", encoding="ascii") as f:
            f.write(f"{seconds:+d}\n")
        os.chmod(self.file + ".new", 0o644)
        os.rename(self.file + ".new", self.file)

    def close(self):
        """What libfaketime leaves in shared memory when it is killed."""
        for pid in self.pids:
            for path in glob.glob(f"/dev/shm/*faketime*_{pid}"):
                os.unlink(path)


@pytest.mark.skipif(not glob.glob(FAKETIME), reason="no libfaketime")
@pytest.mark.parametrize("window,windows", SIZES)
def test_wall_clock_stepped(request, parts, site, window, windows):
    """An hour either way, while it runs and while it is down."""
    [library] = glob.glob(FAKETIME)[:1]
    clock = parts.add(Clock(parts.dir("clock"), library))
    post, ses = site(window, env=clock.env)
    clock.pids.append(post.daemon.pid)
    feed = parts.add(Feed(post))
    steps = [(HOUR, False), (0, False), (-HOUR, True), (HOUR, True), (0, True)]
    for i, (to, restart) in enumerate(steps):
        elapsed(ses, window * windows * (i + 0.5) / len(steps))
        if restart:
            post.kill()
        clock.step(to)
        if restart:
            post.start()
            clock.pids.append(post.daemon.pid)
    first = elapsed(ses, window * windows)
    assert judge(request, ses, first, window, windows) == 0
    feed.close()
    # Over a restart it is told from the last row, which stays ahead when the clock
    # was put back.
    told = [round(row["step_us"] / 1e6 / HOUR) for row in journal(post, "clock")]
    assert [hours for hours in told if hours != 0] == [1, -1, -2, -1]
    [row] = post.sql("SELECT count(*) AS n FROM journal AS a JOIN journal AS b "
                     "ON b.seq = a.seq + 1 WHERE b.at < a.at")
    assert row["n"] == 0
    post.run("verify")
    post.stop()


@pytest.mark.parametrize("window,windows", SIZES)
def test_others_spend_too(request, parts, site, window, windows):
    """Another sender takes two fifths, when there is room. SES tells posternd only by
    refusing."""
    post, ses = site(window)
    ending = threading.Event()
    spent = []
    # A connection to the control socket belongs to one thread.
    account = copy.copy(ses)
    account._control = None

    def other():
        while not ending.wait(window / (DAY * 2 / 5)):
            if account.limits()["used"] < DAY:
                account.spend(1)
                spent.append(time.clock_gettime(time.CLOCK_BOOTTIME))
        account._hang_up()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    feed = parts.add(Feed(post))
    first = elapsed(ses, window * windows)
    ending.set()
    thread.join()
    others = sum(first <= t < first + window * windows for t in spent)
    print(f"{request.node.name}: others spent {others}")
    judge(request, ses, first, window, windows, others)
    feed.close()
