"""Killed at any moment: nothing is lost, and nothing doubled but what the journal calls doubtful.

A real Postfix has the mail in its queue; posternd, Postfix or both are ended with
SIGKILL again and again while it goes out. Each recipient is named once, so
how often the sandbox accepted it says how many copies there are.
"""

import collections
import os
import random
import time

import pytest

from lib.postfix import why_not
from lib.proc import PATIENCE
from lib.sandbox import Refused

needs_postfix = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

# All that a store may leave behind, whatever happened.
STORE = {"postern.db", "postern.db-wal", "postern.db-shm", "postern.db-lock"}

# Larger than what is kept in memory, so that temporary files are in use.
LARGE = 1500000

# Who is killed, with so many messages on their way, and how often.
CASES = [
    pytest.param("posternd", 60, 5, id="posternd-short"),
    pytest.param("postfix", 20, 2, id="postfix-short"),
    pytest.param("posternd+postfix", 20, 2, id="both-short"),
    pytest.param("posternd", 1000, 50, id="posternd", marks=pytest.mark.soak),
    pytest.param("postfix", 1000, 50, id="postfix", marks=pytest.mark.soak),
    pytest.param("posternd+postfix", 1000, 50, id="both", marks=pytest.mark.soak),
]


@pytest.fixture
def dice(request):
    """Random moments that a failing test names, so that they can be had again."""
    seed = int(os.environ.get("POSTERN_SEED", time.time_ns() % 1000000))
    print(f"{request.node.name}: POSTERN_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def site(postfix_site):
    """A Postfix with so many messages in its queue, and where they will go."""

    def make(messages, rate, main=None):
        postfix, relay = postfix_site(
            main=dict(main or {}, defer_transports="lmtp",
                      message_size_limit="20480000"),
            conf={"quota": {"rate": rate}},
            ses={"latency": "5ms", "save": None},
        )
        large = max(2, messages // 50)
        for size, count, name in (
            (LARGE, large, "large"), (2048, messages - large, "small"),
        ):
            postfix.smtp_source(
                "-N", "-s", "5", "-m", str(count), "-l", str(size),
                "-f", "sender@example.com", "-t", f"{name}@example.net",
            )
        postfix.stop()
        postfix.configure(defer_transports="")
        return postfix, relay

    return make


def orphans(relay):
    return set(os.listdir(relay.posternd.store_dir)) - STORE


def doubtful(relay):
    """How often each recipient's delivery was marked so."""
    rows = relay.posternd.sql(
        "SELECT p.value AS who FROM journal AS j JOIN party AS p "
        "ON p.message = j.message AND p.n = j.n AND p.role = 'recipient' "
        "WHERE j.event = 'doubtful'"
    )
    return collections.Counter(row["who"] for row in rows)


def judge(request, relay, messages):
    """Everything has arrived; copies are no more than the journal admits."""
    got = collections.Counter(
        rcpt for m in relay.sandbox.messages() for rcpt in m["recipients"]
    )
    marked = doubtful(relay)
    copies = {who: n - 1 for who, n in got.items() if n > 1}
    print(f"{request.node.name}: {len(got)} arrived, "
          f"{sum(copies.values())} copies, {sum(marked.values())} doubtful")
    assert len(got) == messages
    for who, n in copies.items():
        assert n <= marked[who], f"{who}: {n + 1} of them, {marked[who]} doubtful"
    states = relay.posternd.sql("SELECT DISTINCT state FROM delivery")
    assert [row["state"] for row in states] == ["sent"]
    assert relay.sandbox.violations() == []
    relay.posternd.run("verify", "--projections")
    assert orphans(relay) == set()


def some_more(relay, dice, most):
    """Until a few more have been accepted, and then a moment of a delivery's
    length, so that every part of it is struck."""
    seen = relay.sandbox.counters()["messages"]
    try:
        relay.sandbox.wait_for("messages", seen + dice.randint(1, most), 2)
    except Refused:
        pass  # the mail server has not come back yet: as good a moment
    time.sleep(dice.uniform(0, 0.05))


def crash(postfix, relay, who):
    if "posternd" in who:
        relay.posternd.kill()
    if "postfix" in who:
        postfix.kill()
        postfix.start()
    if "posternd" in who:
        relay.posternd.start()
        assert orphans(relay) == set()
        relay.posternd.run("verify")


@needs_postfix
@pytest.mark.parametrize("who,messages,times", CASES)
def test_killed_while_mail_flows(request, site, dice, who, messages, times):
    postfix, relay = site(messages, rate=20)
    postfix.start().flush()
    for left in range(times, 0, -1):
        rest = messages - relay.sandbox.counters()["messages"]
        some_more(relay, dice, max(1, rest // left))
        crash(postfix, relay, who)
    postfix.flush()
    postfix.wait_empty(patience=messages + PATIENCE)
    judge(request, relay, messages)


@needs_postfix
@pytest.mark.parametrize("messages,times", [
    pytest.param(10, 1, id="short"),
    pytest.param(60, 10, id="whole", marks=pytest.mark.soak),
])
def test_postfix_restarted_while_sessions_wait(
        request, site, messages, times):
    """It offers at once what posternd still has in hand: no second copy."""
    postfix, relay = site(messages, rate=2)
    postfix.start().flush()
    daemon = relay.posternd.daemon
    for _ in range(times):
        seen = relay.sandbox.counters()["messages"]
        relay.sandbox.wait_for("messages", seen + 2)
        mark = daemon.mark()
        postfix.stop()
        postfix.start().flush()
        daemon.wait_event("offered", mark)
    relay.posternd.configure({"quota": {"rate": "unlimited"}})
    relay.posternd.sighup()
    postfix.wait_empty()
    assert doubtful(relay) == {}
    judge(request, relay, messages)
