"""How fast, and at what cost: ratios from one run on one machine.

"make bench" prints the tables. Postfix through posternd is held against Postfix alone, set up as SES's guides do,
each with 20 deliveries at once and no limits; the sandbox stands for SES in both. Absolute figures
say more of the machine than of anything else.

POSTERN_BENCH=0.1 takes a tenth of the messages, for a look. The journal of 2
million deliveries takes minutes to write; POSTERN_BENCH_JOURNAL names a file
where it is kept. POSTERN_BENCH_RECORD does for the one that questions are
asked of.
"""

import contextlib
import itertools
import os
import statistics
import subprocess
import threading
import time

import pytest

from lib import years
from lib.build import tool
from lib.lmtp import message
from lib.milter import Milter, configure, rewrite_conf
from lib.postfix import Postfix, why_not
from lib.relay import Relay, postfix_listen
from lib.sandbox import Sandbox

pytestmark = pytest.mark.bench
needs_postfix = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

SCALE = float(os.environ.get("POSTERN_BENCH", "1"))
SESSIONS = 20
TICKS = os.sysconf("SC_CLK_TCK")
FREE = {
    "production": True, "rate": "unlimited", "day": "unlimited",
    "session_messages": 0,
}


def cpu_of(pid):
    """Seconds of CPU, those of children that have ended included."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / TICKS


def group_cpu(pgid):
    """The same for a process group, dead members whose parent has waited
    included."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                words = f.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(words[2]) == pgid:
            total += sum(map(int, words[11:15])) / TICKS
    return total


def table(head, rows):
    rows = [head, *rows]
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(head))]
    print()
    for row in rows:
        print("  ".join(
            str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths))
        ))


# Postfix and SES, with and without posternd between them


def by_the_guide(ses, reuse):
    """SES's guide for Postfix; and the certificate is verified, as we do."""
    return {
        "relayhost": f"[localhost]:{ses.port}",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_sasl_password_maps":
            f"inline:{{ [localhost]:{ses.port}={ses.credentials} }}",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": "hostname",
        "smtp_tls_CAfile": ses.ca_file,
        "smtp_tls_connection_reuse": "yes" if reuse else "no",
    }


class Site:
    """A Postfix whose mail gets to a sandbox in one of three ways."""

    def __init__(self, parts, way, latency):
        self.way = way
        self.dir = parts.dir(f"{way}-{latency}")
        main = {
            "in_flow_delay": "0", "initial_destination_concurrency": SESSIONS,
            "default_destination_concurrency_limit": SESSIONS,
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_connection_rate_limit": "0",
        }
        os.mkdir(f"{self.dir}/postfix")
        os.mkdir(f"{self.dir}/ses")
        self.postfix = Postfix(f"{self.dir}/postfix", main)
        self.posternd = None
        if way == "posternd":
            relay = parts.add(Relay(
                f"{self.dir}/ses", listen=[postfix_listen(self.postfix)],
                ses=dict(FREE, save=None),
            ))
            self.ses, self.posternd = relay.sandbox, relay.posternd
            self.transport = "lmtp:unix:postern/lmtp.sock"
        else:
            self.ses = parts.add(Sandbox(
                f"{self.dir}/ses", identity="example.com", sandbox="no", **FREE
            )).start()
            self.postfix.configure(**by_the_guide(self.ses, way == "reuse"))
            self.transport = "smtp:"
        # All of it lies in the queue before the clock starts.
        self.postfix.configure(
            default_transport=self.transport, defer_transports="smtp lmtp"
        )
        parts.add(self.postfix).start()

    def fill(self, messages, size):
        self.postfix.smtp_source(
            "-N", "-s", "10", "-m", str(messages), "-l", str(size),
            "-f", "sender@example.com", "-t", "rcpt@example.net",
        )

    def run(self, messages, size, latency):
        """Messages a second, CPU ms a message of all, and of posternd."""
        self.ses.set(latency=f"{latency}ms")
        self.ses.reset()
        self.fill(messages, size)
        # Restarted, so that no process of the filling goes on or counts.
        self.postfix.stop()
        self.postfix.configure(defer_transports="")
        ours = [cpu_of(self.posternd.daemon.pid)] if self.posternd else [0]
        self.postfix.start()
        self.postfix.flush()
        self.ses.wait_for("messages", 1)
        self.ses.wait_for("messages", messages, 600)
        self.postfix.wait_empty()
        if self.posternd:
            ours.append(cpu_of(self.posternd.daemon.pid))
        theirs = group_cpu(self.postfix.daemon.pid)
        # Between the first and the last, by SES's clock.
        at = sorted(m["mono_us"] for m in self.ses.messages())
        assert len(at) == messages
        assert self.ses.violations() == []
        speed = (messages - 1) / (at[-1] - at[0]) * 1e6
        self.postfix.stop()
        self.postfix.configure(defer_transports="smtp lmtp")
        self.postfix.start()
        own = ours[-1] - ours[0]
        return (
            speed, (theirs + own) * 1000 / messages, own * 1000 / messages
        )


WAYS = ("direct", "reuse", "posternd")


@needs_postfix
@pytest.mark.parametrize("messages,size", [(2000, 2048), (200, 1 << 20)],
                         ids=["2K", "1M"])
@pytest.mark.parametrize("latency", [0, 20, 100])
def test_beside_postfix_alone(parts, messages, size, latency):
    messages = max(int(messages * SCALE), SESSIONS * 2)
    rows, speeds = [], {}
    bound = SESSIONS / (4 * latency / 1000) if latency else None
    for way in WAYS:
        site = Site(parts, way, latency)
        speed, cpu, own = site.run(messages, size, latency)
        site.postfix.stop()
        speeds[way] = speed
        rows.append((
            {"direct": "Postfix", "reuse": "Postfix with reuse",
             "posternd": "Postfix, posternd"}[way],
            f"{speed:.0f}", f"{speed / bound:.0%}" if bound else "-",
            f"{cpu:.2f}", f"{own:.2f}" if own else "-",
        ))
    table((f"{messages} of {size >> 10} KB, {latency} ms", "a second",
           "of s/4d", "CPU ms", "of it posternd"), rows)


@needs_postfix
def test_one_list(parts):
    """A message with 50 recipients at 100 ms, without limits: under 2 s."""
    relay = parts.add(Relay(
        parts.dir("r"), ses=dict(FREE, latency="100ms", save=None)
    ))
    recipients = [f"r{i}@example.net" for i in range(50)]
    took = []
    for _ in range(3):
        with relay.posternd.client() as client:
            began = time.monotonic()
            replies = client.deliver_pipelined(
                "a@example.com", recipients,
                message("a@example.com", recipients),
            )
            took.append(time.monotonic() - began)
            assert {r.code for r in replies} == {250}
    table(("50 recipients, 100 ms", "cold", "warm", "warm"),
          [("seconds", *(f"{t:.2f}" for t in took))])
    assert max(took) < 2


# posternd alone


def load(relay, sessions, messages):
    out = subprocess.run(
        [tool("lmtpload"), relay.posternd.socket, str(sessions), str(messages),
         "2048", "1"],
        check=True, capture_output=True, text=True,
    ).stdout
    return float(out)


def commits(relay):
    """Transactions of the journal: rows of one share their time."""
    return relay.posternd.sql(
        "SELECT count(DISTINCT mono) AS n FROM journal WHERE seq > "
        "(SELECT max(seq) FROM journal) - 6000")[0]["n"] / 2000


def measure(parts, name, sessions, messages, journal):
    relay = Relay(
        parts.dir(name), ses=dict(FREE, save=None, keep=10), start=False
    )
    try:
        post = relay.posternd
        if journal:
            years.adopt(post, journal)
            # In the page cache, as on a host that has been at work.
            with open(post.store, "rb") as f:
                while f.read(1 << 20):
                    pass
        post.start()
        load(relay, sessions, sessions * 3)
        size = os.path.getsize(post.store)
        pid = post.daemon.pid
        before = cpu_of(pid)
        took = load(relay, sessions, messages)
        cpu = (cpu_of(pid) - before) * 1000 / messages
        share = commits(relay)
        peak = post.daemon.memory_peak()
        post.stop()  # the WAL becomes part of the file
        grown = (os.path.getsize(post.store) - size) / (messages * 1.0)
        if journal:
            years.move(post.store, journal)
        return messages / took, share * messages / took, cpu, peak, grown
    finally:
        relay.close()


def test_by_itself(parts):
    big = os.environ.get(
        "POSTERN_BENCH_JOURNAL", os.path.join(parts.rundir, "big.db")
    )
    deliveries = int(2000000 * SCALE)
    if not os.path.exists(big):
        subprocess.run([tool("journalfill"), big, str(deliveries)], check=True,
                       capture_output=True)
    rows, cpu = [], {}
    for journal in (None, big):
        held = deliveries if journal else 0
        for sessions, messages in ((1, 2000), (20, 10000), (200, 10000)):
            speed, rate, cost, peak, grown = measure(
                parts, f"{held}-{sessions}", sessions, messages, journal
            )
            cpu[held, sessions] = cost
            rows.append((
                f"{sessions} sessions, journal of {held}", f"{speed:.0f}",
                f"{rate:.0f}", f"{cost:.2f}", f"{peak:.0f}", f"{grown:.0f}",
            ))
    table(("posternd alone, 2 KB", "a second", "commits", "CPU ms", "peak MB",
           "bytes a delivery"), rows)
    for sessions in (1, 20, 200):
        print(f"{sessions} sessions: cost with {deliveries} deliveries "
              f"{cpu[deliveries, sessions] / cpu[0, sessions] - 1:+.0%}")


# The milter

ROUNDS = 10


@needs_postfix
def test_with_and_without_milter(parts):
    """What the milter costs a Postfix that does nothing but take mail in: a
    ratio, by the best of many short rounds, since what else the machine does can
    only slow one down."""
    postfix = Postfix(parts.dir("postfix"), {
        "default_transport": "discard:", "in_flow_delay": "0",
        "smtpd_client_connection_count_limit": "0",
        "smtpd_client_connection_rate_limit": "0",
    })
    socket = postfix_listen(postfix).replace("lmtp", "milter")
    rundir = parts.dir("milter")
    milter = parts.add(Milter(rundir, configure(
        rundir, rewrite=rewrite_conf(rundir, default="srs"), listen=socket,
    ))).start()
    used = "unix:postern/milter.sock"
    ways = {
        "alone": ("", "a@example.com"),
        "verified": (used, "a@example.com"),
        "rewritten": (used, "a@foreign.example"),
    }
    messages = max(int(1000 * SCALE), SESSIONS * 2)
    speeds = dict.fromkeys(ways, 0)
    for _ in range(ROUNDS):
        for way, (milters, sender) in ways.items():
            postfix.configure(smtpd_milters=milters)
            postfix.start()
            began = time.monotonic()
            postfix.smtp_source(
                "-s", str(SESSIONS), "-m", str(messages), "-l", "2048",
                "-f", sender, "-t", "rcpt@example.net",
            )
            speeds[way] = max(
                speeds[way], messages / (time.monotonic() - began)
            )
            postfix.wait_empty()
            postfix.stop()
    table((f"{messages} of 2 KB into Postfix", "a second", "ratio"), [
        (way, f"{speed:.0f}", f"{speed / speeds['alone']:.2f}")
        for way, speed in speeds.items()
    ])
    cpu = cpu_of(milter.daemon.pid) * 1000 / (2 * ROUNDS * messages)
    print(f"the milter itself: {cpu:.2f} ms CPU a message")


# What is asked of a large journal


def timed(post, *args, tries=3):
    """The shortest of some runs, in seconds."""
    took = []
    for _ in range(tries):
        began = time.monotonic()
        subprocess.run([post.postern(), "-c", post.conf_file, *args], check=True,
                       stdout=subprocess.DEVNULL)
        took.append(time.monotonic() - began)
    return min(took)


@contextlib.contextmanager
def record(parts, **settings):
    """posternd, stopped, with deliveries of 400 days: 1 million, or the journal
    POSTERN_BENCH_RECORD, made with "journalfill FILE 10000000 400"."""
    journal = os.environ.get(
        "POSTERN_BENCH_RECORD", os.path.join(parts.rundir, "record.db"))
    if not os.path.exists(journal):
        years.fill(journal, int(1000000 * SCALE))
    events = os.path.join(parts.rundir, "events")
    relay = parts.add(Relay(parts.dir("r"), start=False, **settings))
    post = relay.posternd
    years.adopt(post, journal)
    try:
        if not post.sql("SELECT 1 FROM event LIMIT 1"):
            years.feedback(post, events, 0.05)
            subprocess.run([post.postern(), "-c", post.conf_file, "events",
                            "ingest", events], check=True, capture_output=True)
        yield relay
    finally:
        post.stop()
        years.move(post.store, journal)


def test_asking(parts):
    with record(parts, ses=dict(FREE, save=None),
                conf={"quota": {"daily": 50000}}) as relay:
        ask_everything(relay.posternd)


def ask_everything(post):
    size = os.path.getsize(post.store)
    [ends] = post.sql("SELECT min(seq) AS a, max(seq) AS b FROM journal")
    rows_there = ends["b"] - ends["a"] + 1
    [held] = post.sql("SELECT count(*) AS n FROM delivery")
    search = post.store + years.SEARCH
    if os.path.exists(search):
        os.unlink(search)
    caught_up = timed(post, "log", "-n", "1", tries=1)
    verified = timed(post, "verify", tries=1)
    post.start()
    one = years.some_delivery(post)
    domain = one["recipient"].partition("@")[2]
    asked = {
        "log": ("log",),
        "log --recipient": ("log", "--recipient", one["recipient"]),
        "log --sender": ("log", "--sender", one["sender"]),
        "log --domain": ("log", "--domain", domain),
        "log --client": ("log", "--client", "192.0.2.25"),
        "log --queue-id": ("log", "--queue-id", one["queue_ids"]),
        "log --ses-id": ("log", "--ses-id", one["ses_id"]),
        "log --feedback bounced": ("log", "--feedback", "bounced"),
        "log --feedback complained": ("log", "--feedback", "complained"),
        "log --state refused": ("log", "--state", "refused"),
        "log --state doubtful": ("log", "--state", "doubtful"),
        "log --reply": ("log", "--reply", "throttling rate"),
        "log --sender --state": (
            "log", "--sender",
            years.some_delivery(post, "deferred")["sender"],
            "--state", "deferred"),
        "log --until": ("log", "--until", "200d"),
        "show": ("show", one["queue_ids"]),
        "quota": ("quota",),
        "metrics": ("metrics",),
    }
    rows, slow = [], []
    for name, args in asked.items():
        took = timed(post, *args)
        limit = 0.05 if name in ("quota", "metrics") else 0.1
        rows.append((name, f"{took * 1000:.0f} ms", f"{limit * 1000:.0f} ms"))
        slow += [name] if took > limit else []
    month = timed(post, "report", "--since", "30d", tries=1)
    rows += [
        ("report, 30 days", f"{month:.1f} s", "5 s"),
        ("verify", f"{rows_there / verified:.0f} rows/s", "300000"),
        ("catching up", f"{rows_there / caught_up:.0f} rows/s", "50000"),
        ("bytes a delivery", f"{size / held['n']:.0f}", "-"),
    ]
    table((f"{held['n']} deliveries", "took", "wanted"), rows)
    assert slow == [] and month < 5
    assert rows_there / verified > 300000 and rows_there / caught_up > 50000


# SES's distance in ms, sessions, by how much mail may fall. Beside Postfix as
# in the first of these tests; with all that a slow host's processors and disk
# can do while SES is far away; and with SES at no distance, where the load and the
# look-alike have the processors to themselves and what is asked has to take
# from them: that is told only.
LOADS = [(20, 20, 0.1), (20, 100, 0.1), (0, 20, None)]


@pytest.mark.parametrize("latency,sessions,most", LOADS)
def test_mail_while_asked(parts, latency, sessions, most):
    """Mail at full load beside somebody who asks something of the large journal
    every second; in turns, since a host's pace changes by the minute."""
    questions = itertools.cycle([
        ("metrics",), ("log", "-n", "50"), ("log", "--state", "refused"),
        ("log", "--reply", "throttling rate"), ("quota",),
        ("log", "--count", "--by", "domain", "--since", "30d"),
        ("report", "--since", "30d"), ("verify",),
    ])
    bound = sessions * 1000 / (4 * latency) if latency else 2500
    messages = max(int(8 * bound * SCALE), 200)
    ses = dict(FREE, save=None, keep=10, latency=f"{latency}ms")
    with record(parts, ses=ses) as relay:
        post = relay.posternd
        post.run("log", "-n", "1")  # the search database, made once
        post.start()
        load(relay, sessions, messages)
        alone, beside, asked = [], [], 0
        for _ in range(5):
            alone.append(load(relay, sessions, messages))
            post.run("log", "-n", "1")  # pays for those, which nobody asked of
            with asking(post, questions) as count:
                beside.append(load(relay, sessions, messages))
            asked += count()
    less = 1 - statistics.median(alone) / statistics.median(beside)
    table((f"{sessions} sessions, {latency} ms", "messages a second"), [
        ("alone", f"{messages / statistics.median(alone):.0f}"),
        (f"beside {asked} questions",
         f"{messages / statistics.median(beside):.0f}"),
        ("less by", f"{less:.0%}")])
    assert asked and (most is None or less < most)


def idle():
    """The lowest share of the processors among sessions, as a service with
    CPUWeight=idle has it; what postern does for itself counts within one."""
    with contextlib.suppress(OSError), \
            open("/proc/self/autogroup", "w", encoding="ascii") as f:
        f.write("19")


@contextlib.contextmanager
def asking(post, questions):
    """Asks one after the other; what is under way at the end is ended."""
    stop, answers = threading.Event(), 0
    lock, running = threading.Lock(), []

    def ask():
        nonlocal answers
        for question in questions:
            with lock:
                if stop.is_set():
                    return
                running[:] = [subprocess.Popen(
                    [post.postern(), "-c", post.conf_file, *question],
                    stdout=subprocess.DEVNULL, start_new_session=True,
                    preexec_fn=idle)]
            answers += running[0].wait() == 0
            stop.wait(1)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield lambda: answers
    finally:
        stop.set()
        with lock:
            running[0].kill()
        asker.join()
