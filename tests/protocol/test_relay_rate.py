"""Slots: the pace that SES allows, used to the full and never overstepped.

Judged by the times at which the sandbox counted each recipient.
"""

import re
import signal
import time

import pytest

from lib.lmtp import message
from lib.rig import SENDER, ask, journal, relay, states
from lib.stalls import Stalls


def names(n):
    return [f"{i}@example.com" for i in range(n)]


def start(post, recipients, **kw):
    """A transaction up to its final dot, on a session of its own."""
    client = post.connect()
    lines = [f"MAIL FROM:<{SENDER}>"]
    lines += [f"RCPT TO:<{r}>" for r in recipients] + ["DATA"]
    client.send("".join(line + "\r\n" for line in lines).encode())
    codes = [r.code for r in client.replies(len(lines))]
    assert codes == [250] * (len(lines) - 1) + [354]
    client.body(message(SENDER, recipients[0], **kw))
    return client


def times(ses):
    return [m["mono_us"] / 1e6 for m in ses.messages()]


@pytest.mark.pace
def test_no_454_at_an_even_pace(parts):
    """SES enforces the same rate: a bucket of one, a tolerance of one interval."""
    post, ses = relay(
        parts, conf={"quota": {"rate": 20}}, rate=20, rate_tolerance="50ms",
    )
    with start(post, names(20)) as one, start(post, names(20)) as two:
        for client in (one, two):
            assert [r.code for r in client.replies(20)] == [250] * 20
    assert ses.counters()["messages"] == 40
    assert ses.counters()["throttled_rate"] == 0


def test_slots_lie_an_interval_apart(parts):
    """However busy the machine: over any stretch no more than the rate allows."""
    post, ses = relay(parts, conf={"quota": {"rate": 20}})
    with start(post, names(15)) as one, start(post, names(15)) as two:
        for client in (one, two):
            assert [r.code for r in client.replies(15)] == [250] * 15
    at = times(ses)
    assert at[29] - at[0] >= 28 / 20


@pytest.mark.pace
@pytest.mark.parametrize("rate, n, share", [(1, 8, 0.99), (14, 70, 0.99),
                                            (200, 600, 0.95)])
def test_the_allowance_is_used(parts, rate, n, share):
    interval = 1_000_000 // rate
    post, ses = relay(
        parts, conf={"quota": {"rate": rate}}, rate=rate,
        rate_tolerance=f"{interval}us", latency="30ms",
    )
    stalls = parts.add(Stalls(parts.rundir))
    clients = [start(post, names(n // 2)) for _ in range(2)]
    for client in clients:
        assert {r.code for r in client.replies(n // 2)} == {250}
        client.close()
    at = times(ses)
    # Without the first moments, in which connections are made.
    first = min(len(at) // 4, 2 * rate)
    assert stalls.used(at[first:], rate) >= share
    assert ses.counters()["throttled_rate"] <= n // 100


def test_a_long_list_does_not_hold_up_a_single_message(parts):
    """300 recipients in one session, one in another: they take turns."""
    post, ses = relay(parts, conf={"quota": {"rate": 25}})
    crowd = start(post, names(300))
    ses.wait_for("messages", 10)
    before = ses.counters()["messages"]
    with start(post, ["reset@example.com"]) as single:
        assert single.reply().code == 250
    order = [m["recipients"][0] for m in ses.messages()]
    # Those that were given out when it came stand between, and one in turn.
    assert order.index("reset@example.com") - before <= 12
    # Who has gone is not written to any more.
    crowd.close()
    while ask(post, "status")["waiting"] > 0:
        time.sleep(0.01)
    assert ses.counters()["messages"] < 100


def test_no_turn_within_answer_within(parts):
    post, ses = relay(
        parts,
        conf={"quota": {"rate": 2}, "lmtp": {"answer-within": "2s"}},
    )
    began = time.monotonic()
    with start(post, names(12)) as client:
        replies = client.replies(12)
    assert time.monotonic() - began >= 1.9
    sent = [r for r in replies if r.code == 250]
    late = [r for r in replies if r.code != 250]
    assert 3 <= len(sent) <= 6
    assert ses.counters()["messages"] == len(sent)
    for reply in late:
        assert (reply.code, reply.enhanced) == (451, "4.4.5")
        assert re.search(
            r"no turn within \d+ s at 2 recipients a second; next slot at "
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", reply.text
        )
    assert sorted(states(post)) == sorted(
        ["sent"] * len(sent) + ["deferred"] * len(late)
    )


def test_a_throttled_message_is_tried_again_within_the_transaction(parts):
    post, ses = relay(parts, conf={"quota": {"rate": 20}})
    ses.fault(
        "dot reply nth=2 "
        "text=454 Throttling failure: Maximum sending rate exceeded."
    )
    with start(post, names(4)) as client:
        assert [r.code for r in client.replies(4)] == [250] * 4
    assert post.daemon.wait_event("retry")["class"] == "rate"
    quota = ask(post, "quota")
    assert quota["rate"] == 20 and 18 < quota["pace"] < 20
    assert [row["attempt"] for row in journal(post, "deferred")] == [1]
    assert max(m["tags"]["postern"][0][-1] for m in ses.messages()) == "2"


@pytest.mark.parametrize("before, after", [
    ({"rate": 0.01}, {"rate": 20}),
    ({"daily": 1, "daily-window": "200s"}, {"daily": 2}),
])
def test_limits_are_raised_while_mail_waits(parts, before, after):
    """SIGHUP is enough: nobody waits for a slot of the old ones."""
    post, ses = relay(parts, conf={"quota": before})
    with start(post, names(2)) as client:
        assert client.reply().code == 250
        post.configure({"quota": after})
        mark = post.daemon.mark()
        post.sighup()
        post.daemon.wait_event("reload", mark)
        began = time.monotonic()
        assert client.reply().code == 250
        assert time.monotonic() - began < 6
    assert ses.counters()["messages"] == 2


def test_throttled_to_the_end(parts):
    post, ses = relay(parts, conf={
        "quota": {"rate": 20}, "lmtp": {"answer-within": "2500ms"},
    })
    ses.fault(
        "dot reply text=454 Throttling failure: Maximum sending rate exceeded."
    )
    with start(post, names(1)) as client:
        reply = client.reply()
    assert (reply.code, reply.enhanced) == (451, "4.4.5")
    assert "Maximum sending rate exceeded" in reply.text
    assert ses.counters()["faults"] > 1


def test_stricter_than_announced(parts):
    """The pace settles at what SES really allows, and the MTA sees nothing of it."""
    post, ses = relay(
        parts, conf={"quota": {"rate": 40}}, rate=36, rate_tolerance="25ms",
    )
    with start(post, names(60)) as client:
        assert [r.code for r in client.replies(60)] == [250] * 60
    assert 30 < ask(post, "quota")["pace"] < 40
    assert ses.counters()["throttled_rate"] < 12


def test_late_together(parts):
    """SES stood still, so that two are ready at one time. The second does not
    sit in DATA for longer than SES bears, nor is its dot seconds behind its
    `sending`."""
    post, ses = relay(parts, conf={"quota": {"rate": 0.16}})
    ses.fault("rcpt delay ms=1000 nth=1")
    with start(post, names(2)) as client:
        ses.wait_for("faults", 1)
        ses.wait_for("auth", 2)
        ses.signal(signal.SIGSTOP)
        try:
            while ask(post, "status")["under_way"] < 2:
                time.sleep(0.01)
        finally:
            ses.signal(signal.SIGCONT)
        assert [r.code for r in client.replies(2)] == [250] * 2
    rows = post.sql(
        "SELECT at, event, n FROM journal WHERE event IN"
        " ('sending', 'sent', 'deferred') ORDER BY seq"
    )
    begun = {}
    for row in rows:
        if row["event"] == "sending":
            begun[row["n"]] = row["at"]
        else:
            assert row["at"] - begun[row["n"]] < 3_000_000, rows
    assert "deferred" in [row["event"] for row in rows], rows
    assert journal(post, "doubtful") == []
    assert ses.violations() == []
