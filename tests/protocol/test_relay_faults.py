"""What goes wrong at SES, phase by phase, and what the MTA hears of it.

faults.txt has it for each kind of trouble in each phase; what that table
can't say follows.
"""

import concurrent.futures
import time

import pytest

from lib import faults, manual
from lib.build import SANITIZER
from lib.lmtp import message
from lib.rig import (
    SENDER, accepted, ask, authorities, journal, posternd, relay, sandbox, send,
    states,
)

TO = "b@example.com"
TABLE = faults.load()

# Seconds. Slow builds get more of them.
SLOW = 4 if SANITIZER else 1
SILENCE = 0.3 * SLOW
FLOWS_WITHIN = 5 * SLOW
PROBE_WITHIN = 15

# A dot that waits for its slot leaves a fault the time to strike before it.
BODY_RATE = 4 / SLOW

# SES has the message, whatever posternd heard of that.
HAS_IT = [("lost", "dot"), ("half", "dot")]


class Cell:
    """One kind of trouble in one phase, with a relay of its own."""

    def __init__(self, room, kind, phase):
        self.kind, self.phase = kind, phase
        self.want = TABLE.cell(kind, phase)
        self.action, self.text = TABLE.action(kind)
        # Where there is no session each answer takes that long.
        self.within = (1 if self.want.breaker == "endpoint" else 2) * SLOW
        self.ses = sandbox(room, configuration_set=["there"])
        self.endpoints = [self.ses.endpoint, f"127.0.0.1:{self.ses.port}"]
        self.post = posternd(room, self.ses, self.endpoints, conf={
            "ses": {
                "configuration-set": "there",
                "connect-timeout": f"{SILENCE * 1000:.0f}ms",
                "command-timeout": f"{SILENCE * 1000:.0f}ms",
                "data-timeout": f"{SILENCE * 1000:.0f}ms",
            },
            "lmtp": {"answer-within": f"{self.within}s"},
            "quota": {
                "rate": BODY_RATE if phase == "body" else "unlimited",
                "daily-window": "100s",
            },
        })
        self.number = None

    def strike(self, keys=""):
        self.number = self.ses.fault(
            f"{self.phase} {self.action}{keys}{self.text}"
        )

    def struck(self):
        [one] = [f for f in self.ses.faults() if f["id"] == self.number]
        return one["struck"]

    def deliver(self, text):
        with self.post.client() as client:
            began = time.monotonic()
            [reply] = client.deliver(SENDER, [TO], text)
            took = time.monotonic() - began
        # A message past its dot waits for SES as long as data-timeout says.
        assert took < self.within + SILENCE + 2 * SLOW, (reply, took)
        return reply

    def good(self):
        assert accepted(self.ses, self.deliver(message(SENDER, TO)))

    def prepare(self):
        """Up to where the next message meets the fault."""
        if self.phase == "body":
            self.good()
            self.strike()
        elif self.phase == "idle":
            self.strike()
            self.good()
            self.ses.wait_for("faults", 1)
        elif self.phase == "rset":
            self.ses.fault("rcpt reply nth=1 text=553 address unknown")
            self.strike()
            assert self.deliver(message(SENDER, TO)).code == 550
            self.ses.wait_for("faults", 2)
        else:
            self.strike()

    def breakers(self):
        what = {
            "": [],
            "account": ["account"],
            "endpoint": [f"endpoint {e}" for e in self.endpoints],
            "identity": ["identity example.com"],
            "mail-from-domain": ["mail-from-domain of example.com"],
            "configuration-set": ["configuration-set there"],
        }
        return what[self.want.breaker]

    def check_breakers(self):
        open_now = ask(self.post, "status")["breakers"]
        assert sorted(b["what"] for b in open_now) == sorted(self.breakers())
        rows = journal(self.post, "breaker")
        assert sorted(r["what"] for r in rows) == sorted(self.breakers())
        assert all(row["open"] for row in rows)

    def check_words(self, reply):
        """Its own words tell what is going on."""
        if self.text and self.phase != "tls" and reply.code != 250:
            assert self.text[len(" text=000 "):][:50] in reply.text, reply
        if self.want.state == "doubtful":
            assert "may have accepted" in reply.text, reply
        if self.want.word == "new":
            self.post.daemon.wait_event("unknown-reply")
        else:
            assert not self.post.daemon.events("unknown-reply")

    def meet(self):
        """The message that meets it; returns what the MTA tries next."""
        self.prepare()
        before = self.ses.counters()["messages"]
        text = message(SENDER, TO)
        reply = self.deliver(text)
        assert f"{reply.code} {reply.enhanced}" == self.want.reply, reply
        assert self.struck() > 0
        self.check_words(reply)
        assert states(self.post)[-1] == self.want.state
        doubtful = journal(self.post, "doubtful")
        assert len(doubtful) == (self.want.state == "doubtful")
        self.check_breakers()
        took = self.ses.counters()["messages"] - before
        assert took == (
            self.want.state == "sent" or (self.kind, self.phase) in HAS_IT
        )
        return text if reply.code // 100 == 4 else message(SENDER, TO)

    def flows(self, text, within):
        """Mail goes out again within that many seconds."""
        until = time.monotonic() + within
        while (reply := self.deliver(text)).code != 250:
            assert time.monotonic() < until, reply
            time.sleep(0.1)
        assert accepted(self.ses, reply)

    def lasting(self):
        text = self.meet()
        before = self.ses.counters()
        self.ses.clear("fault")
        if self.want.breaker:
            # A probe would find it, too; see below.
            mark = self.post.daemon.mark()
            self.post.sighup()
            self.post.daemon.wait_event("reload", mark)
        self.flows(text, FLOWS_WITHIN)
        after = self.ses.counters()
        assert after["messages"] == before["messages"] + 1
        # What SES has against one message is no reason to hang up.
        if self.want.state == "refused" and self.phase != "body":
            assert after["connections"] == before["connections"]
        assert self.ses.violations() == []

    def once(self):
        """Made good within the transaction."""
        if self.phase != "body":
            self.ses.disconnect()
        self.strike(" nth=1")
        self.good()
        assert self.struck() == 1

    def run(self):
        self.lasting()
        if self.want.once == "ok":
            self.once()

    def probed(self):
        """Nobody tells posternd that it is over."""
        text = self.meet()
        self.ses.clear("fault")
        self.flows(text, PROBE_WITHIN + 2 * SLOW)
        rows = [(r["what"], r["open"]) for r in journal(self.post, "breaker")]
        assert len(set(rows)) == len(rows), rows
        # Of two endpoints the one that serves again.
        alarms = self.post.daemon.wait_events(
            "alarm", len(self.breakers()) + 1
        )
        assert alarms[-1]["words"].endswith("is over")


def attempt(room, kind, phase, what):
    try:
        what(Cell(room, kind, phase))
    except Exception as e:  # the others are worth hearing of, too
        return f"{kind} at {phase}: {type(e).__name__} {e}"
    finally:
        room.close()
    return None


# Silence is short here, and machines are noisy: a cell that went wrong has
# another try when the others are through.
def attempt_all(parts, cells, what):
    """All at once: most of the time is waiting."""
    with concurrent.futures.ThreadPoolExecutor(len(cells)) as pool:
        said = [
            pool.submit(attempt, parts.room(f"{n}"), *cell, what)
            for n, cell in enumerate(cells)
        ]
    wrong = [
        (n, cells[n]) for n, s in enumerate(said) if s.result() is not None
    ]
    still = [
        attempt(parts.room(f"{n}-again"), *cell, what) for n, cell in wrong
    ]
    still = [words for words in still if words is not None]
    assert not still, "\n".join(still)


def test_each_kind_in_each_phase():
    """The table leaves nothing out."""
    assert set(TABLE.cells) == {
        (kind, phase) for kind in TABLE.kinds for phase in TABLE.phases
    }
    assert set(TABLE.cells.values()) == set(TABLE.answers)


# A sanitizer need not see all of them to see all of the code.
KINDS = list(TABLE.kinds)[::6] if SANITIZER else list(TABLE.kinds)


@pytest.mark.parametrize("kind", KINDS)
def test_fault(parts, kind):
    attempt_all(parts, [(kind, phase) for phase in TABLE.phases], Cell.run)


def test_a_probe_finds_that_it_is_over(parts):
    """One of each answer that has a breaker."""
    cells = {
        word: cell for cell, word in TABLE.cells.items()
        if TABLE.answers[word].breaker
    }
    attempt_all(parts, list(cells.values()), Cell.probed)


@pytest.mark.parametrize("kind, pause", [("454-service", 5), ("454-day", 2)])
def test_made_good_after_a_pause(parts, kind, pause):
    assert TABLE.cell(kind, "dot").once == "later"
    post, ses = relay(parts, conf={"quota": {"daily-window": "100s"}})
    action, text = TABLE.action(kind)
    ses.fault(f"dot {action} nth=1{text}")
    began = time.monotonic()
    assert accepted(ses, send(post, TO)[0])
    assert pause - 0.1 < time.monotonic() - began < pause + FLOWS_WITHIN


def test_the_manual_has_the_same_table():
    assert manual.listing("cells") == TABLE.matrix
    assert manual.items("kinds") == {
        kind: TABLE.happens(kind) for kind in TABLE.kinds
    }
    assert manual.items("phases") == dict(TABLE.phases.values())
    told = manual.items("answers")
    assert list(told) == [f"{a.word} {a.reply}" for a in TABLE.answers.values()]
    for answer, text in zip(TABLE.answers.values(), told.values()):
        assert answer.state in text and answer.breaker in text, text


# What strikes once, and that the table does not have, is made good as well.
ONCE = [
    "mail reply close=yes text=421 Too many messages in one session",
    "mail reply close=yes "
    "text=451 4.4.2 Timeout waiting for data from client.",
    "dot reply close=yes "
    "text=451 4.4.2 Timeout waiting for data from client.",
    "mail reply close=yes text=421 Service shutting down",
    "dot pieces ms=1", "mail delay ms=200", "dot delay ms=200", "quit drop",
]


@pytest.mark.parametrize("fault", ONCE)
def test_once_is_not_noticed(parts, fault):
    post, ses = relay(parts)
    action, _, text = fault.partition(" text=")
    ses.fault(f"{action} nth=1" + (f" text={text}" if text else ""))
    for _ in range(2):
        assert accepted(ses, send(post, TO)[0])
    assert ses.counters()["messages"] == 2
    assert ses.violations() == []
    assert journal(post, "doubtful") == journal(post, "breaker") == []


@pytest.mark.parametrize("fault", [
    "connect drop", "greeting reply text=421 Too many concurrent SMTP connections",
    "tls garbage", "auth stall",
])
def test_the_next_endpoint_takes_over(parts, fault):
    """However long the first one's trouble lasts."""
    one = sandbox(parts, "one")
    one.fault(fault)
    two = sandbox(parts, "two")
    post = posternd(
        parts, two, [one.endpoint, two.endpoint],
        ca_file=authorities(parts, one, two),
        conf={"ses": {"command-timeout": "1s"}},
    )
    [reply] = send(post, TO)
    assert accepted(two, reply)


@pytest.mark.parametrize("phase, text, answer", [
    ("dot", "450 Nobody has seen this before", "451 4.3.0"),
    ("rcpt", "452 Error: too many recipients", "451 4.3.0"),
    ("dot", "554 Message is 10485761 bytes long, and the maximum is 10485760 "
     "bytes long.", "552 5.3.4"),
    ("dot", "599 Nor this", "599 5.0.0"),
    ("dot", "354 What?", "451 4.4.2"),
])
def test_other_words(parts, phase, text, answer):
    post, ses = relay(parts)
    ses.fault(f"{phase} reply nth=1 done=no text={text}")
    [reply] = send(post, TO)
    assert str(reply).startswith(answer), reply
    assert text.partition(" ")[2][:60] in reply.text
    assert journal(post, "breaker") == []
    assert accepted(ses, send(post, TO)[0])


def test_the_cap_on_messages_of_a_session_is_routine(parts):
    post, ses = relay(parts, session_messages=3)
    replies = send(post, *[f"{n}@example.com" for n in range(20)])
    assert [r.code for r in replies] == [250] * 20
    with post.client() as client:
        for _ in range(10):
            [reply] = client.deliver(SENDER, [TO], message(SENDER, TO))
            assert reply.code == 250
    assert ses.counters()["messages"] == 30
    assert journal(post, "doubtful") == []


def test_connections_that_others_used_up_cost_no_try(parts):
    post, ses = relay(parts, session_messages=1, latency="50ms")
    names = [f"{n}@example.com" for n in range(8)]
    assert [r.code for r in send(post, *names)] == [250] * 8
    assert ses.counters()["open"] > 4
    [reply] = send(post, TO)
    assert reply.code == 250
    assert ses.counters()["session_caps"] > 4


def test_our_own_cap_spares_ses_that(parts):
    post, ses = relay(
        parts, conf={"ses": {"messages-per-connection": 3, "connections": 1}},
        session_messages=3,
    )
    with post.client() as client:
        for _ in range(10):
            [reply] = client.deliver(SENDER, [TO], message(SENDER, TO))
            assert reply.code == 250
    assert ses.counters()["session_caps"] == 0


def test_an_idle_connection_that_ses_closed(parts):
    post, ses = relay(parts, idle_timeout="200ms")
    for n in range(1, 4):
        assert send(post, TO)[0].code == 250
        ses.wait_for("timeouts", n)
    assert ses.counters()["messages"] == 3


def test_connections_are_closed_before_ses_does(parts):
    post, ses = relay(
        parts, conf={"ses": {"idle-timeout": "300ms"}}, idle_timeout="5s",
    )
    assert send(post, TO)[0].code == 250
    ses.wait_for("quits", 1)
    assert ses.counters()["timeouts"] == 0


def test_cut_off_in_the_middle_of_many(parts):
    """Each is sent, or doubtful and said so; nothing is lost."""
    post, ses = relay(parts, latency="5ms")
    clients = [post.connect() for _ in range(10)]
    for client in clients:
        client.mail(SENDER)
        for n in range(10):
            client.rcpt(f"{n}@example.com")
        client.cmd("DATA", 354)
        client.body(message(SENDER, TO))
    ses.wait_for("messages", 20)
    ses.disconnect()
    replies = [r for client in clients for r in client.replies(10)]
    sent = [r for r in replies if r.code == 250]
    doubt = [r for r in replies if r.code != 250]
    assert {r.enhanced for r in doubt} <= {"4.4.2"}
    assert len({r.ses_id for r in sent}) == len(sent)
    ids = {m["id"] for m in ses.messages()}
    assert {r.ses_id for r in sent} <= ids
    assert len(ids) <= len(sent) + len(doubt)
    assert sorted(states(post)) == ["doubtful"] * len(doubt) + ["sent"] * len(sent)
