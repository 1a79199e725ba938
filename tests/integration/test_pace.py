"""How much of what SES allows a second is used, and that no more is tried.

A real Postfix with the settings that the README tells users to set, as "postern init --postfix"
prints them, hands over a backlog; the sandbox enforces the rate as a strict bucket
with a burst of one and a tolerance of one interval, and its own timestamps are the judge.
"""

import contextlib
import os
import re
import subprocess
import threading
import time

import pytest

from lib.lmtp import message
from lib.postfix import SBIN, Postfix, why_not
from lib.relay import Relay, postfix_listen
from lib.sendmail import Sendmail
from lib.sendmail import why_not as why_no_sendmail
from lib.stalls import Stalls, now

needs_postfix = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
pytestmark = pytest.mark.pace

SETTLE = 5  # seconds that do not count
LIMITS = ("concurrency", "recipient")


def advice(posternd, postfix):
    """The lines for main.cf that users are told, without the transport. (The
    status tells of users that are missing here, which is no matter.)"""
    said = subprocess.run(
        [posternd.postern(), "-c", posternd.conf_file, "init", "--postfix",
         "--dry-run"],
        env=dict(postfix.env, PATH=f"{SBIN}:{postfix.env['PATH']}"),
        capture_output=True, text=True, check=False,
    ).stdout
    return dict(
        re.findall(r"^(lmtp_destination_\w+_limit) = (\d+)$", said, re.M)
    )


def connections(rate):
    """What the README says of ses.connections."""
    return {"ses": {"connections": rate // 2}} if rate > 100 else {}


@contextlib.contextmanager
def before_others():
    """What is started in here goes before the rest of this machine, the mail
    server's own work on its backlog included: slots are 5 ms apart at 200 a
    second, and a real server has processors for both."""
    usual = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, *usual)


class Feed:
    """Mail from smtp-source, while the test goes on."""

    def __init__(self, postfix, messages, recipients=1):
        self.proc = subprocess.Popen(
            [SBIN / "smtp-source", "-N", "-s", "5", "-m", str(messages),
             "-r", str(recipients), "-l", "2048", "-f", "sender@example.com",
             "-t", "rcpt@example.net", f"inet:127.0.0.1:{postfix.port}"],
            env=postfix.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        _, err = self.proc.communicate()
        assert self.proc.returncode in (0, -9), err


@pytest.fixture
def site(parts):
    """Makes Postfix, posternd and the sandbox for a rate."""

    def make(rate, latency, actual=None, stock=False, conf=None):
        actual = actual or rate
        postfix = Postfix(parts.dir("postfix"), {
            # A backlog is wanted at once, not when the disk likes it.
            "in_flow_delay": "0",
            # As on a real server: what is deferred is gone for minutes.
            "minimal_backoff_time": "300s", "queue_run_delay": "300s",
            "maximal_backoff_time": "4000s",
        })
        with before_others():
            relay = parts.add(Relay(
                parts.dir("r"),
                listen=[postfix_listen(postfix)],
                ses={
                    "rate": actual, "burst": 1, "rate_reading": "strict",
                    "rate_tolerance": f"{round(1000000 / actual)}us"
                    if 1000 % actual else f"{1000 // actual}ms",
                    "latency": f"{latency}ms", "save": None,
                },
                conf=dict(conf or {}, quota={"rate": rate},
                          **connections(rate)),
            ))
        postfix.configure(default_transport="lmtp:unix:postern/lmtp.sock")
        if not stock:
            # Postfix must have its files before it can be asked.
            postfix.write_config()
            said = advice(relay.posternd, postfix)
            assert len(said) == len(LIMITS)
            postfix.configure(**said)
        return parts.add(postfix).start(), relay

    return make


def slots(relay):
    """When each was accepted, in seconds."""
    return sorted(
        m["mono_us"] / 1e6 for m in relay.sandbox.messages()
        for _ in m["recipients"]
    )


def judged(times, settle=SETTLE, seconds=float("inf")):
    """Those after the first seconds."""
    start = times[0] + settle
    return [t for t in times if start <= t <= start + seconds]


def wait_share(relay, seconds, start="messages"):
    """From the first message on, so many seconds."""
    relay.sandbox.wait_for(start, 1)
    time.sleep(seconds)


def judge(request, postfix, relay, share, least):
    counters = relay.sandbox.counters()
    throttled = counters["throttled_rate"] / counters["messages"]
    deferred = [d for d in postfix.deliveries() if d["status"] != "sent"]
    print(f"{request.node.name}: used {share:.1%}, met a 454 {throttled:.2%}")
    assert not deferred, deferred[:3]
    assert share >= least
    assert relay.sandbox.violations() == []
    return throttled


CASES = [
    # rate, latency, recipients, seconds judged, in CI
    (1, 30, 1, 10, True),
    (14, 30, 1, 8, True),
    (200, 30, 1, 6, True),
    (14, 100, 10, 8, True),
    (1, 30, 1, 120, False),
    (14, 30, 1, 60, False),
    (200, 30, 1, 60, False),
    (1, 30, 10, 120, False),
    (14, 30, 10, 60, False),
    (200, 30, 10, 60, False),
    (1, 100, 1, 120, False),
    (14, 100, 1, 60, False),
    (200, 100, 1, 60, False),
    (1, 100, 10, 120, False),
    (14, 100, 10, 60, False),
    (200, 100, 10, 60, False),
]


def cases(table):
    for *values, ci in table:
        yield pytest.param(
            *values, id="-".join(map(str, values)),
            marks=[] if ci else [pytest.mark.soak],
        )


@needs_postfix
@pytest.mark.parametrize("rate,latency,recipients,seconds", cases(CASES))
def test_rate_is_used(request, parts, site, rate, latency, recipients, seconds):
    postfix, relay = site(rate, latency)
    backlog = int(rate * (SETTLE + seconds + 10) * 1.2 / recipients) + 5
    stalls = parts.add(Stalls(parts.rundir))
    parts.add(Feed(postfix, backlog, recipients))
    wait_share(relay, SETTLE + seconds + 1)
    share = stalls.used(judged(slots(relay), seconds=seconds), rate)
    throttled = judge(
        request, postfix, relay, share, 0.95 if rate == 200 else 0.99
    )
    assert throttled < 0.01


STRICTER = [
    # rate, latency, seconds judged after the first 30, in CI
    (14, 30, 10, True),
    (1, 30, 120, False),
    (14, 30, 120, False),
    (200, 30, 60, False),
]


@needs_postfix
@pytest.mark.parametrize("rate,latency,seconds", cases(STRICTER))
def test_stricter_than_announced(request, parts, site, rate, latency, seconds):
    """SES allows 10 % less than it says: found out within 30 seconds, and
    the mail server never hears of it."""
    settle, actual = 30, rate * 0.9
    postfix, relay = site(rate, latency, actual=actual)
    backlog = int(rate * (settle + seconds + 10) * 1.2)
    stalls = parts.add(Stalls(parts.rundir))
    parts.add(Feed(postfix, backlog))
    wait_share(relay, settle + seconds + 1)
    share = stalls.used(judged(slots(relay), settle, seconds), actual)
    judge(request, postfix, relay, share, 0.85)
    times = [r["mono_us"] / 1e6 for r in relay.sandbox.refusals()]
    assert times, "the sandbox was not stricter"


class List(threading.Thread):
    """A long list on its way, in one transaction."""

    def __init__(self, posternd, recipients):
        super().__init__(daemon=True)
        self.posternd = posternd
        self.recipients = [f"l{i}@example.net" for i in range(recipients)]
        self.sent = 0

    def run(self):
        with self.posternd.client(timeout=300) as client:
            text = message("list@example.com", self.recipients[:2])
            lines = ["MAIL FROM:<list@example.com>"]
            lines += [f"RCPT TO:<{r}>" for r in self.recipients] + ["DATA"]
            client.send("".join(line + "\r\n" for line in lines).encode())
            client.replies(len(lines))
            client.body(text)
            try:
                for _ in self.recipients:
                    self.sent += client.reply().code == 250
            except OSError:
                pass


@pytest.mark.parametrize("singles,latency", [
    pytest.param(8, 30, id="short"),
    pytest.param(40, 30, id="whole", marks=pytest.mark.soak),
])
def test_in_turn(request, parts, singles, latency):
    """A list of 1,000 at 14 a second does not hold up single messages: with
    one such beside the list, its share is 7 a second, with two 14 / 3."""
    rate = 14
    with before_others():
        relay = parts.add(Relay(parts.dir("r"), ses={
            "rate": rate, "rate_tolerance": "71ms", "latency": f"{latency}ms",
            "save": None,
        }, conf={"quota": {"rate": rate}}))
    stalls = parts.add(Stalls(parts.rundir))
    many = List(relay.posternd, 1000)
    many.start()
    relay.sandbox.wait_for("messages", rate * 2)

    took, offered = {}, {}
    for sessions in (1, 2):
        def one(who):
            with relay.posternd.client() as client:
                for i in range(singles):
                    name = f"s{sessions}-{who}-{i}@example.net"
                    assert client.mail("one@example.com").code == 250
                    assert client.rcpt(name).code == 250
                    client.cmd("DATA", 354)
                    text = message("one@example.com", name)
                    offered[name] = now()
                    client.body(text)
                    assert client.reply().code == 250
                    time.sleep(0.2)

        threads = [
            threading.Thread(target=one, args=(who,)) for who in range(sessions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Before the dot, SES has to answer thrice; nobody's share has that.
        at = {
            m["recipients"][0]: m["mono_us"] / 1e6
            for m in relay.sandbox.messages()
        }
        took[sessions] = [
            at[name] - offered[name] - 3 * latency / 1000
            - stalls.within(offered[name], at[name])
            for name in offered if name.startswith(f"s{sessions}-")
        ]

    bounds = {n: 2 * (n + 1) / rate for n in took}
    for n, waits in took.items():
        print(f"{request.node.name}: {n} beside the list: "
              f"{max(waits):.3f} s at most, {bounds[n]:.3f} s allowed")
    assert many.sent < len(many.recipients), "the list was gone too early"
    for n, waits in took.items():
        assert max(waits) <= bounds[n]
    assert stalls.used(judged(slots(relay)), rate) >= 0.99
    assert relay.sandbox.counters()["throttled_rate"] == 0


# With nothing tuned. In CI ten times as fast, and a tenth of the time:
# answer-within, too, so that as much of the mail does not fit into it.

def stock_conf(speed):
    return {"lmtp": {"answer-within": f"{240 // speed}s"}}


def judge_stock(request, relay, speed):
    seconds = 240 // speed
    wait_share(relay, seconds)
    times = slots(relay)
    share = sum(t <= times[0] + seconds for t in times) / (speed * seconds)
    print(f"{request.node.name}: used {share:.1%} of {seconds} s")
    assert share >= 0.6


SPEEDS = [
    pytest.param(10, id="shrunk"),
    pytest.param(1, id="whole", marks=pytest.mark.soak),
]


@needs_postfix
@pytest.mark.parametrize("speed", SPEEDS)
def test_stock_postfix(request, parts, site, speed):
    postfix, relay = site(speed, 30, stock=True, conf=stock_conf(speed))
    parts.add(Feed(postfix, 40, 10))
    judge_stock(request, relay, speed)


@pytest.mark.skipif(bool(why_no_sendmail()), reason=why_no_sendmail() or "-")
@pytest.mark.parametrize("speed", SPEEDS)
def test_stock_sendmail(request, safe_parts, speed):
    relay = safe_parts.add(Relay(safe_parts.dir("r"), ses={
        "rate": speed, "rate_tolerance": f"{1000 // speed}ms",
        "latency": "30ms", "save": None,
    }, conf=dict(stock_conf(speed), quota={"rate": speed})))
    sendmail = safe_parts.add(Sendmail(
        safe_parts.dir("sendmail"), f"FILE {relay.posternd.socket}"
    )).start()
    for i in range(40):
        recipients = [f"r{i}-{n}@example.net" for n in range(10)]
        sendmail.smtp("sender@example.com", recipients, (
            "From: sender@example.com\r\nTo: many@example.net\r\n"
            f"Subject: {i}\r\n\r\nThrough Sendmail.\r\n"
        ))
    judge_stock(request, relay, speed)
