"""The day: an exact rolling window, shrunk to seconds here."""

import datetime
import re
import time

import pytest

from lib.lmtp import message
from lib.rig import SENDER, ask, relay, send

TO = "b@example.com"


def slot_time(reply):
    """When the reply says that the next slot comes, as a POSIX time."""
    at = re.search(r"next slot at (\S+)", reply.text)[1]
    return datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()


def day_full(reply):
    return (reply.code, reply.enhanced) == (451, "4.4.5") and (
        "daily quota used" in reply.text
    )


def test_refused_before_data_over_restarts_until_the_window_moves(parts):
    window = 8
    post, ses = relay(
        parts,
        conf={
            "quota": {"daily": 5, "daily-window": f"{window}s"},
            "lmtp": {"answer-within": "1s"},
        },
        day=5, day_window=f"{window}s",
    )
    with post.client() as client:
        replies = client.deliver(
            SENDER, [f"{n}@example.com" for n in range(6)],
            message(SENDER, TO),
        )
        assert [r.code for r in replies[:5]] == [250] * 5
        # The sixth hears it at RCPT: four that wait count already.
        assert day_full(replies[5])
        first = ses.messages()[0]["wall_us"] / 1e6
        assert client.mail(SENDER).code == 250
        full = client.rcpt(TO)
        assert day_full(full) and "5 of 5" in full.text
        # Reckoned from SES's reply, so a moment later than SES counts.
        slot = slot_time(full)
        assert 0 <= slot - (first + window) < 2
        # The mailbox simulator spends nothing of the day.
        assert client.rcpt("success@simulator.amazonses.com").code == 250
        client.rset()
    for end in (post.stop, post.kill):
        end()
        post.start()
        [full] = send(post, TO)
        assert day_full(full)
        assert abs(slot_time(full) - slot) < 1
        assert ask(post, "quota")["spent"] == 5
    assert ses.counters()["messages"] == 5
    # It is taken as soon as the slot lies within answer-within.
    while time.time() < slot - 0.9:
        time.sleep(0.05)
    [reply] = send(post, TO)
    assert reply.code == 250
    assert time.time() >= first + window
    assert ses.counters()["messages"] == 6
    assert ses.counters()["throttled_day"] == 0
    # A day that is full is metrics' business, not the journal's.
    rows = post.sql("SELECT count(*) AS n FROM delivery")
    assert rows[0]["n"] == 6


def test_mail_waits_for_the_window_within_the_transaction(parts):
    post, ses = relay(
        parts,
        conf={"quota": {"daily": 3, "daily-window": "2s"}},
        day=3, day_window="2s",
    )
    names = [f"{n}@example.com" for n in range(7)]
    replies = send(post, *names)
    assert [r.code for r in replies] == [250] * 7
    assert ses.counters()["throttled_day"] == 0
    at = [m["mono_us"] / 1e6 for m in ses.messages()]
    for i in range(4):
        assert at[i + 3] - at[i] >= 2


def test_two_sessions_never_share_the_last_unit(parts):
    post, ses = relay(
        parts,
        conf={
            "quota": {"daily": 3, "daily-window": "1h"},
            "lmtp": {"answer-within": "1s"},
        },
        day=3, day_window="1h",
    )
    clients = [post.connect() for _ in range(6)]
    for client in clients:
        client.mail(SENDER)
        assert client.rcpt(TO).code == 250
        client.cmd("DATA", 354)
    for client in clients:
        client.body(message(SENDER, TO))
    replies = [client.reply() for client in clients]
    assert sorted(r.code for r in replies) == [250] * 3 + [451] * 3
    assert {r.enhanced for r in replies if r.code == 451} == {"4.4.5"}
    assert ses.counters()["messages"] == 3
    assert ses.counters()["throttled_day"] == 0


def test_what_ses_refused_is_given_back(parts):
    post, ses = relay(parts, conf={
        "quota": {"daily": 2, "daily-window": "1h"},
    })
    ses.fault("dot reply rcpt=b@example.com text=554 Transaction failed: No.")
    assert [r.code for r in send(post, TO, "c@example.com")] == [550, 250]
    assert ask(post, "quota")["spent"] == 1
    ses.clear("fault")
    assert send(post, TO)[0].code == 250


def test_what_is_doubtful_counts(parts):
    post, ses = relay(parts, conf={
        "quota": {"daily": 2, "daily-window": "1h"},
        "lmtp": {"answer-within": "1s"},
    })
    ses.fault("dot lose nth=1")
    assert send(post, TO)[0].code == 451
    for end in (None, post.kill):
        if end is not None:
            end()
            post.start()
        assert ask(post, "quota")["spent"] == 1
    assert send(post, TO)[0].code == 250
    assert day_full(send(post, TO)[0])


def test_others_spend_from_the_same_account(parts):
    """SES says that the day is full: believe it, hold, and probe."""
    post, ses = relay(
        parts,
        conf={"quota": {"daily": 10, "daily-window": "4s"}},
        day=10, day_window="4s",
    )
    ses.spend(10)
    began = time.monotonic()
    [reply] = send(post, TO)
    assert reply.code == 250
    assert time.monotonic() - began >= 3.5
    # Probes no closer than two seconds.
    assert 1 <= ses.counters()["throttled_day"] <= 3
    assert "hold_until" not in ask(post, "quota")


def test_held_beyond_answer_within(parts):
    post, ses = relay(
        parts,
        conf={
            "quota": {"daily": 10, "daily-window": "1h"},
            "lmtp": {"answer-within": "1s"},
        },
        day=10, day_window="1h",
    )
    ses.spend(10)
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.4.5")
    assert "Daily message quota exceeded" in reply.text
    assert "hold_until" in ask(post, "quota")
    with post.client() as client:
        client.mail(SENDER)
        assert (client.rcpt(TO)).code == 451


def test_a_smaller_day_takes_effect_at_once(parts):
    post, _ = relay(parts, conf={"lmtp": {"answer-within": "1s"}})
    for _ in range(3):
        assert send(post, TO)[0].code == 250
    mark = post.daemon.mark()
    post.configure({"quota": {"daily": 3, "daily-window": "1h"}})
    post.sighup()
    post.daemon.wait_event("reload", mark)
    # Nobody counted before: the journal tells.
    assert ask(post, "quota")["spent"] == 3
    assert day_full(send(post, TO)[0])


@pytest.mark.parametrize("window", ["1h", "2h"])
def test_a_reload_counts_nothing_twice(parts, window):
    """What is under way at SIGHUP is in the journal and in the count already."""
    post, ses = relay(parts, conf={
        "quota": {"daily": 10, "daily-window": "1h"},
    })
    assert send(post, TO)[0].code == 250
    ses.fault("dot delay ms=1000 nth=1")
    post.configure({"quota": {"daily-window": window}})
    with post.client() as client:
        client.mail(SENDER)
        client.rcpt(TO)
        client.cmd("DATA", 354)
        client.body(message(SENDER, TO))
        ses.wait_for("faults", 1)
        for _ in range(3):
            mark = post.daemon.mark()
            post.sighup()
            post.daemon.wait_event("reload", mark)
        assert ask(post, "quota")["spent"] == 2
        assert client.reply().code == 250
    assert ask(post, "quota")["spent"] == 2
    assert ses.counters()["messages"] == 2
