"""postern-sandbox says what SES says, when SES says it.

Wire strings are those of the documented and observed dialogues; the sandbox
is talked to with Python's own TLS and with bytes, by nothing of Postern's.
"""

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import zlib

import pytest

from lib import build
from lib.sandbox import PASSWORD, USER, Refused, Sandbox

MESSAGE = "From: Ann <ann@example.com>\r\nSubject: x\r\n\r\nHello.\r\n"
EICAR = (
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
)
FREE = {"rate": "unlimited", "day": "unlimited"}


@pytest.fixture
def ses(parts, rundir):
    """Starts sandboxes that verify example.com and limit nothing."""

    def start(**options):
        given = dict(FREE, identity=["example.com"])
        given.update(options)
        return parts.add(Sandbox(rundir, **given).start())

    return start


class Client:
    """A dialogue in bytes: what is sent is what the test says."""

    def __init__(self, ses, tls=True, login=True, wrapper=False, greeting=True):
        self.ses = ses
        port = ses.wrapper_port if wrapper else ses.port
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        if wrapper:
            self.start_tls()
        if greeting:
            self.greeting = self.reply()
        if tls and not wrapper:
            self.cmd("EHLO client.example", 250)
            self.cmd("STARTTLS", 220)
            self.start_tls()
        if tls or wrapper:
            self.ehlo = self.cmd("EHLO client.example", 250)
        if login and (tls or wrapper):
            self.auth(ses.username, ses.password, 235)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def start_tls(self, host="localhost"):
        self.sock = self.ses.context().wrap_socket(
            self.sock, server_hostname=host
        )

    def send(self, text):
        if isinstance(text, str):
            text = text.encode()
        self.sock.sendall(text)

    def line(self):
        while b"\n" not in self.data:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise EOFError(self.data)
            self.data += chunk
        line, _, self.data = self.data.partition(b"\n")
        assert line.endswith(b"\r"), line
        return line[:-1].decode("ascii")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def cmd(self, text, expect=None):
        self.send(text + "\r\n")
        reply = self.reply()
        if isinstance(expect, int):
            assert reply.startswith(str(expect)), (text, reply)
        elif expect is not None:
            assert reply == expect, text
        return reply

    def auth(self, user, password, expect):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.cmd(f"AUTH PLAIN {secret}", expect)

    def envelope(self, sender="ann@example.com", to=("bob@example.com",)):
        self.cmd(f"MAIL FROM:<{sender}>", "250 Ok")
        for rcpt in [to] if isinstance(to, str) else to:
            self.cmd(f"RCPT TO:<{rcpt}>", "250 Ok")
        self.cmd("DATA", "354 End data with <CR><LF>.<CR><LF>")

    def deliver(self, message=MESSAGE, expect=None, **envelope):
        self.envelope(**envelope)
        self.send(message)
        return self.cmd(".", expect)

    def gone(self):
        """Whether the server closes, without a further word."""
        try:
            rest = self.data + self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return True
        return rest == b""


def identities_failed(*names, region="US-EAST-1"):
    return (
        "554 Message rejected: Email address is not verified. The following "
        f"identities failed the check in region {region}: " + ", ".join(names)
    )


# What SES says first

def test_greeting_and_ehlo_in_clear(ses):
    with Client(ses(), tls=False) as c:
        assert re.fullmatch(
            r"220 email-smtp\.amazonaws\.com ESMTP "
            r"SimpleEmailService-d-[A-Z0-9]{9} [A-Za-z0-9]{20}", c.greeting
        )
        c.cmd("EHLO client.example", "\n".join([
            "250-email-smtp.amazonaws.com", "250-8BITMIME", "250-STARTTLS",
            "250-AUTH PLAIN LOGIN", "250 Ok",
        ]))


@pytest.mark.parametrize("command", ["AUTH PLAIN AGEAYg==", "MAIL FROM:<a@b.c>"])
def test_tls_comes_first(ses, command):
    with Client(ses(), tls=False) as c:
        c.cmd("EHLO client.example", 250)
        c.cmd(command, "530 Must issue a STARTTLS command first")


def test_login_comes_second(ses):
    with Client(ses(), login=False) as c:
        c.cmd("MAIL FROM:<ann@example.com>", "530 Authentication required")


def test_wrapper(ses):
    with Client(ses(), wrapper=True) as c:
        assert "STARTTLS" not in c.ehlo
        assert c.deliver().startswith("250 Ok ")


def test_words_of_commands(ses):
    with Client(ses()) as c:
        c.cmd("RSET", "250 Ok")
        c.cmd("NOOP", "250 Ok")
        c.cmd("RCPT TO:<a@example.com>", "503 5.5.1 Error: need MAIL command")
        c.cmd("DATA", "503 5.5.1 Error: need MAIL command")
        c.cmd("MAIL FROM:<ann@example.com>", "250 Ok")
        c.cmd("MAIL FROM:<ann@example.com>", "503 5.5.1 Sender already specified.")
        c.cmd("DATA", "503 Error: need RCPT command")
        c.cmd("QUIT", "221 Bye")
        assert c.gone()


# Credentials

def test_login_by_each_mechanism(ses):
    s = ses()
    name, secret = (base64.b64encode(t.encode()).decode() for t in (USER, PASSWORD))
    both = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    done = "235 Authentication successful."
    with Client(s, login=False) as c:
        c.cmd("AUTH PLAIN", "334 Ok")
        c.cmd(both, done)
        c.cmd(f"AUTH PLAIN {both}", "503 Refusing any other AUTH command.")
    with Client(s, login=False) as c:
        c.cmd("AUTH LOGIN", "334 VXNlcm5hbWU6")
        c.cmd(name, "334 UGFzc3dvcmQ6")
        c.cmd(secret, done)
    with Client(s, login=False) as c:
        c.cmd(f"AUTH LOGIN {name}", "334 UGFzc3dvcmQ6")
        c.cmd("*", "501 Authentication canceled by client.")
        c.cmd("AUTH CRAM-MD5", 504)
        c.cmd("AUTH PLAIN !!!", 501)
        c.cmd(f"AUTH PLAIN {both}", done)


def test_kinds_of_users(ses):
    s = ses(user=["good:pw", "bad:pw:bad", "un:pw:unsubscribed",
                  "tmp:pw:temporary", "old:pw:sigv2"])
    with Client(s, login=False) as c:
        bad = "535 Authentication Credentials Invalid"
        c.auth("good", "wrong", bad)
        c.auth("nobody", "pw", bad)
        c.auth("bad", "pw", bad)
        c.auth("un", "pw", "535 Account not subscribed to SES")
        c.auth("tmp", "pw", "454 Temporary authentication failure")
        c.auth("old", "pw", 235)
        c.deliver(expect="454 Throttling failure: Maximum SigV2 SMTP sending "
                         "rate exceeded.")
    assert s.counters()["auth_failed"] == 5
    s.add("user", "good:new")
    with Client(s, login=False) as c:
        c.auth("good", "pw", 535)
        c.auth("good", "new", 235)


def test_credentials_are_made_and_kept(rundir):
    args = [build.program("postern-sandbox"), "--state", rundir + "/st",
            "--starttls-port", "0", "--wrapper-port", "0"]
    seen = []
    for _ in range(2):
        with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as p:
            seen.append(json.loads(p.stdout.readline()))
            p.terminate()
            assert p.wait(30) == 0
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", seen[0]["user"])
    assert re.fullmatch(r"B[A-P][A-Za-z0-9+/]{42}", seen[0]["password"])
    assert seen[0]["password"] == seen[1]["password"]
    file = seen[0]["credentials_file"]
    assert os.stat(file).st_mode & 0o777 == 0o600
    with open(file, encoding="ascii") as f:
        assert f.read() == "{user}:{password}\n".format(**seen[0])
    assert not os.path.exists(rundir + "/st/control.sock")


# Envelope

def test_null_and_odd_senders(ses):
    with Client(ses()) as c:
        for sender in ("", "postmaster", "jörg@example.com", "@example.com"):
            c.cmd(f"MAIL FROM:<{sender}>",
                  "501 Invalid MAIL FROM address provided")
        c.cmd("MAIL ann@example.com", 501)


@pytest.mark.parametrize("rcpt, words", [
    ('"re:ceiver"@example.com',
     "Address contains illegal characters in user name: "
     "'<\"re:ceiver\"@example.com>'."),
    ("bob@gmail.com.0927168644",
     "Invalid domain name: 'gmail.com.0927168644'."),
    ("bob@-x.example", "Invalid domain name: '-x.example'."),
    ("bob", "Missing final '@domain'"),
])
def test_odd_recipients_fail_at_the_dot(ses, rcpt, words):
    with Client(ses(sandbox=False)) as c:
        c.deliver(to=[rcpt], expect=f"554 Transaction failed: {words}")


def test_recipient_syntax_fails_at_rcpt(ses):
    with Client(ses()) as c:
        c.cmd("MAIL FROM:<ann@example.com>", 250)
        c.cmd("RCPT TO:<>", "553 <> address unknown")
        c.cmd("RCPT TO:<a b@example.com>",
              "553 <a b@example.com> address unknown")
        c.cmd("RCPT bob@example.com", 501)


def test_fifty_recipients(ses):
    to = [f"r{i}@example.com" for i in range(51)]
    with Client(ses()) as c:
        assert c.deliver(to=to[:50]).startswith("250 Ok ")
        c.deliver(to=to,
                  expect="554 Transaction failed: Recipient count exceeds 50.")


# Identities

def test_who_is_verified(ses):
    s = ses(sandbox=False, identity=["Example.com", "me@Case.example"],
            region="eu-central-1")
    with Client(s) as c:
        def send(sender, frm, *headers):
            return c.deliver(
                "".join(h + "\r\n" for h in (f"From: {frm}", *headers))
                + "\r\nx\r\n", sender=sender)

        def failed(*names):
            return identities_failed(*names, region="EU-CENTRAL-1")

        ok = "ann@example.COM"
        assert send(ok, "Ann <ann@sub.eXample.com>").startswith("250 Ok ")
        assert send("me@Case.example", ok).startswith("250 Ok ")
        assert send("me+label@Case.example", ok).startswith("250 Ok ")
        # Address identities compare with case, domain included.
        for odd in ("me@case.example", "Me@Case.example", "you@Case.example",
                    "me@sub.Case.example", "x@badexample.com"):
            assert send(odd, ok) == failed(odd)
        assert send("a@b.example", "A <a@b.example>") == failed(
            "A <a@b.example>", "a@b.example")
        assert send(ok, '"A, B" <a@b.example>, c@d.example') == failed(
            '"A, B" <a@b.example>', "c@d.example")
        assert send(ok, ok, "Sender: s@b.example") == failed("s@b.example")
        assert send(ok, ok, "Return-Path: <r@b.example>") == failed("r@b.example")
        assert send(ok, ok, "Reply-To: r@b.example").startswith("250 Ok ")
        assert send(ok, f"x@y.example via list <{ok}>") == failed(
            "x@y.example via list")
        assert send(ok, f'"x@y.example via list" <{ok}>').startswith("250 ")


def test_long_list_of_failures_is_cut(ses):
    with Client(ses()) as c:
        reply = c.deliver(to=[f"{i:030}@elsewhere.example" for i in range(50)])
    assert reply.startswith(identities_failed("0" * 30 + "@elsewhere"))
    assert reply.endswith("...")


def test_sandbox_recipients(ses):
    s = ses()
    with Client(s) as c:
        c.deliver(to=["bob@elsewhere.example", "bob@example.com"],
                  expect=identities_failed("bob@elsewhere.example"))
        assert c.deliver(to=["bob@example.com", "ooto@simulator.amazonses.com"])
        s.set(sandbox=False)
        assert c.deliver(to="bob@elsewhere.example").startswith("250 Ok ")
        s.remove("identity", "example.com")
        c.deliver(expect=identities_failed(
            "Ann <ann@example.com>", "ann@example.com"))


def test_operators_trouble(ses):
    s = ses(configuration_set=["relay"], deny=["no.example.com"],
            mail_from_broken=["dns.example.com"])
    with Client(s) as c:
        c.deliver(sender="x@no.example.com", expect=(
            f"554 Access denied: User `arn:aws:iam::111122223333:user/{USER}' "
            "is not authorized to perform `ses:SendRawEmail' on resource "
            "`arn:aws:ses:us-east-1:111122223333:identity/no.example.com'"))
        c.deliver(sender="x@dns.example.com", expect=(
            "554 MAIL FROM domain not verified: DNS setup for MAIL FROM "
            "domain is invalid."))
        c.deliver("X-SES-CONFIGURATION-SET: gone\r\n" + MESSAGE, expect=(
            "554 Message rejected: Configuration set <gone> does not exist."))
        assert c.deliver("X-SES-Configuration-Set: relay\r\n" + MESSAGE)
        s.set(paused=True)
        assert c.deliver().startswith(
            "554 Message rejected: Sending paused for this account.")


# Content

@pytest.mark.parametrize("name", [
    "Content-Type", "DKIM-Signature", "Delivered-To", "subject",
    "acceptLanguage", "VBR-Info", "Message-ID",
])
def test_once_only_headers(ses, name):
    twice = f"{name}: a\r\n{name.upper()}: b\r\n"
    with Client(ses(easy_dkim=False)) as c:
        c.deliver(twice + "From: ann@example.com\r\n\r\nx\r\n",
                  expect="554 Transaction failed: Duplicate header "
                         f"'{name.upper()}'.")
        many = "Received: a\r\nReceived: b\r\nX-Y: c\r\nX-Y: d\r\n"
        assert c.deliver(many + MESSAGE).startswith("250 ")


def test_headers_that_are_missing_or_broken(ses):
    s = ses()
    with Client(s) as c:
        c.deliver("Subject: x\r\n\r\nx\r\n", expect=(
            "554 Transaction failed: Missing required header 'From'."))
        c.deliver("From: ann\r\n\r\nx\r\n", expect=(
            "554 Transaction failed: Missing final '@domain'"))
        c.deliver("Return-Path: <=?utf-8?q?x?=@=?y?=>\r\n" + MESSAGE, expect=(
            "554 Transaction failed: Domain contains illegal character"))
        assert c.deliver("Return-Path: <>\r\n" + MESSAGE).startswith("250 ")
        # SES is about to sign, and would make two of it.
        c.deliver("DKIM-Signature: v=1\r\n" + MESSAGE, expect=(
            "554 Transaction failed: Duplicate header 'DKIM-Signature'."))


def test_size(ses):
    s = ses(message_size="20K")
    with Client(s) as c:
        assert c.deliver(MESSAGE + ("x" * 70 + "\r\n") * 200).startswith("250 ")
        c.deliver(MESSAGE + ("x" * 70 + "\r\n") * 300,
                  expect="552 Message is too long.")
        assert c.deliver().startswith("250 Ok ")


def test_content_arrives_as_sent(ses, rundir):
    """Dots unstuffed, nothing else ends a message, whatever the pieces."""
    s = ses(save=rundir + "/mail")
    text = (MESSAGE + ".\r\n..\r\n.x\r\n\r\n").replace("\r\n.", "\r\n..")
    wire = (text + ".\r\n").encode()
    want = (MESSAGE + ".\r\n..\r\n.x\r\n\r\n").encode()
    with Client(s) as c:
        for size in (1, 2, 3, 7, len(wire)):
            c.envelope()
            for i in range(0, len(wire), size):
                c.send(wire[i:i + size])
            assert c.reply().startswith("250 Ok ")
    assert s.violations() == []
    messages = s.messages()
    assert len(messages) == 5
    for m in messages:
        assert m["size"] == len(want)
        assert m["crc32"] == zlib.crc32(want)
        with open(f"{rundir}/mail/{m['id']}.eml", "rb") as f:
            assert f.read() == want
    assert len(os.listdir(rundir + "/mail")) == 5


@pytest.mark.parametrize("end", [
    "\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r.\r\n", "\n.\r\r\n",
])
def test_only_one_thing_ends_a_message(ses, end):
    s = ses()
    with Client(s) as c:
        c.envelope()
        c.send(MESSAGE + "x" + end + "RSET\r\n")
        assert c.cmd(".").startswith("250 Ok ")
        c.cmd("NOOP", "250 Ok")
    assert len(s.messages()) == 1
    assert s.counters()["violations"] > 0


def test_message_id_has_the_shape_of_ses(ses):
    with Client(ses(region="eu-central-1")) as c:
        reply = c.deliver()
    assert re.fullmatch(
        r"250 Ok 0107[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-"
        r"[89ab][0-9a-f]{3}-[0-9a-f]{12}-000000", reply
    )
    assert len(reply) == len("250 Ok ") + 60


# Manners

def kinds(ses):
    return ses.command("counters")["violations_by_kind"]


@pytest.mark.parametrize("kind, wire", [
    ("bare-lf", MESSAGE + "a\nb\r\n"),
    ("bare-cr", MESSAGE + "a\rb\r\n"),
    ("line-too-long", MESSAGE + "x" * 999 + "\r\n"),
    ("8bit-content", MESSAGE + "ä\r\n"),
    ("8bit-header", "X-A: ä\r\n" + MESSAGE),
    ("nul", MESSAGE + "a\0b\r\n"),
    ("header-syntax", "nonsense\r\n" + MESSAGE),
])
def test_violations_in_content(ses, kind, wire):
    s = ses()
    with Client(s) as c:
        assert c.deliver(wire).startswith("250 Ok ")
    assert kinds(s)[kind] == 1
    assert s.violations()[0]["phase"] == "dot"


def test_good_manners_are_no_violation(ses):
    s = ses()
    with Client(s) as c:
        c.cmd("MAIL FROM:<ann@example.com> BODY=8BITMIME", 250)
        c.cmd("RCPT TO:<bob@example.com>", 250)
        c.cmd("DATA", 354)
        c.send(MESSAGE + "ä" + "x" * 996 + "\r\n")
        assert c.cmd(".").startswith("250 ")
        c.cmd("QUIT", 221)
    assert s.violations() == []
    assert s.counters()["quits"] == 1


@pytest.mark.parametrize("kind, commands", [
    ("parameter-not-offered", ["MAIL FROM:<ann@example.com> SIZE=100"]),
    ("parameter-not-offered", ["MAIL FROM:<ann@example.com> SMTPUTF8"]),
    ("parameter-not-offered", ["MAIL FROM:<ann@example.com>",
                               "RCPT TO:<b@example.com> NOTIFY=NEVER"]),
    ("syntax", ["MAIL FROM: <ann@example.com>"]),
    ("sequence", ["RCPT TO:<b@example.com>"]),
    ("unknown-command", ["BDAT 10 LAST"]),
    ("command-too-long", ["NOOP " + "x" * 600]),
    ("8bit-command", ["NOOP ä"]),
])
def test_violations_in_commands(ses, kind, commands):
    s = ses()
    with Client(s) as c:
        for command in commands:
            c.cmd(command)
    assert kinds(s) == {kind: 1}


def test_bare_lf_ends_a_command(ses):
    s = ses()
    with Client(s) as c:
        c.send("NOOP\n")
        assert c.reply() == "250 Ok"
    assert kinds(s) == {"bare-lf": 1}


def test_pipelining_is_noticed(ses):
    s = ses()
    with Client(s) as c:
        c.send("MAIL FROM:<ann@example.com>\r\nRCPT TO:<b@example.com>\r\n")
        assert [c.reply(), c.reply()] == ["250 Ok", "250 Ok"]
        c.cmd("DATA", 354)
        c.send(MESSAGE + ".\r\nRSET\r\n")
        assert c.reply().startswith("250 Ok ")
        c.reply()
    assert kinds(s) == {"pipelining": 2}
    phases = [v["phase"] for v in s.violations()]
    assert phases == ["mail", "dot"]


def test_pipelining_is_noticed_though_it_arrives_later(ses):
    """Bytes that come between a command and its late reply."""
    s = ses()
    with Client(s) as c:
        s.set(latency="1s")
        c.send("NOOP\r\n")
        time.sleep(0.1)
        c.send("NOOP\r\n")
        c.reply()
        c.reply()
    assert kinds(s) == {"pipelining": 1}


def test_clear_text_credentials_are_noticed(ses):
    s = ses()
    with Client(s, tls=False) as c:
        c.cmd("EHLO client.example", 250)
        c.cmd("AUTH PLAIN AGEAYg==", 530)
    assert kinds(s) == {"clear-auth": 1}


def test_what_came_before_tls_is_forgotten(ses):
    s = ses()
    with Client(s, tls=False) as c:
        c.cmd("EHLO client.example", 250)
        c.send("STARTTLS\r\nNOOP\r\n")
        assert c.reply().startswith("220")
        c.start_tls()
        c.auth(USER, PASSWORD, 235)
    assert kinds(s) == {"pipelining": 1, "sequence": 1}


# Limits

def throttled(c, n, **envelope):
    """How many of n messages pass, and the replies of the others."""
    replies = [c.deliver(**envelope) for _ in range(n)]
    return (sum(r.startswith("250 ") for r in replies),
            {r for r in replies if not r.startswith("250 ")})


RATE = {"454 Throttling failure: Maximum sending rate exceeded."}
DAY = {"454 Throttling failure: Daily message quota exceeded."}


def test_strict_rate(ses):
    s = ses(rate="0.01", burst=3, rate_tolerance="0")
    to = [f"r{i}@example.com" for i in range(3)]
    with Client(s) as c:
        assert throttled(c, 2, to=to[:2]) == (1, RATE)  # one token is left
        assert throttled(c, 2) == (1, RATE)
        s.reset("limits")
        assert throttled(c, 2, to=to) == (1, RATE)
    assert s.counters()["throttled_rate"] == 3


def test_rate_with_debt(ses):
    s = ses(rate="0.01", burst=3, rate_tolerance="0", rate_reading="debt")
    to = [f"r{i}@example.com" for i in range(10)]
    with Client(s) as c:
        assert throttled(c, 2) == (2, set())
        assert throttled(c, 2, to=to) == (1, RATE)  # the last token, and 9 more


def test_tolerance_lets_early_messages_pass(ses):
    s = ses(rate="0.01", rate_tolerance="100s")
    with Client(s) as c:
        assert throttled(c, 3) == (2, RATE)


def test_rate_over_time(ses):
    """Whatever a client tries, no more than the rate gets through."""
    s = ses(rate=50, rate_tolerance="0")
    with Client(s) as c:
        start = time.monotonic()
        passed, _ = throttled(c, 300)
        took = time.monotonic() - start
    assert passed <= took * 50 + 1
    times = [m["mono_us"] for m in s.messages()]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert min(gaps) >= 20000, "by the sandbox's own clock"


def test_rolling_day(ses):
    s = ses(day=3, day_window="3s")
    with Client(s) as c:
        assert throttled(c, 4) == (3, DAY)
        times = [m["mono_us"] for m in s.messages()]
        # What SES looks at is the sum before: a message may pass it.
        while c.deliver(to=[f"r{i}@example.com" for i in range(5)]) in DAY:
            time.sleep(0.05)
        late = s.messages()[-1]["mono_us"]
        assert late - times[0] >= 3000000
        assert throttled(c, 1) == (0, DAY)
        assert s.limits()["used"] >= 5


def test_simulator_spends_rate_and_no_day(ses):
    s = ses(day=1)
    with Client(s) as c:
        assert throttled(c, 3, to="success@simulator.amazonses.com") == (3, set())
        assert s.limits()["used"] == 0
        s.set(rate="0.01", rate_tolerance="0")
        assert throttled(c, 2, to="bounce+x@simulator.amazonses.com") == (1, RATE)


def test_another_sender_spends(ses):
    s = ses(day=10)
    s.spend(9)
    with Client(s) as c:
        assert throttled(c, 2) == (1, DAY)
        s.set(day=100)
        assert throttled(c, 1) == (1, set())


def test_new_account_is_in_the_sandbox(parts, rundir):
    s = parts.add(Sandbox(rundir).start())
    limits = s.limits()
    assert (limits["rate"], limits["day"]) == (1, 200)
    with Client(s) as c:
        assert "not verified" in c.deliver()


def test_production(parts, rundir):
    s = parts.add(Sandbox(rundir, production=True, identity="a@example.com").start())
    limits = s.limits()
    assert (limits["rate"], limits["day"]) == (14, 50000)
    with Client(s) as c:
        assert c.deliver("From: a@example.com\r\n\r\nx\r\n",
                         sender="a@example.com", to="x@y.example")[:4] == "250 "


# Connections

TIMEOUT = "451 4.4.2 Timeout waiting for data from client."


def test_idle_timeout(ses):
    s = ses()
    with Client(s) as c:
        s.set(idle_timeout="300ms")
        c.cmd("NOOP", 250)
        assert c.reply() == TIMEOUT
        assert c.gone()
        s.set(idle_timeout="10s")
    with Client(s) as c:
        c.envelope()
        s.set(idle_timeout="300ms")
        c.send("From: ann@example.com\r\n")
        assert c.reply() == TIMEOUT
        assert c.gone()
    assert s.counters()["timeouts"] == 2


def test_bytes_put_the_timeout_off(ses):
    s = ses(idle_timeout="3s")
    with Client(s) as c:
        for _ in range(4):
            time.sleep(1)
            c.send("N")
        c.send("\r\n")
        assert c.reply().startswith("500")


def test_messages_per_session(ses):
    s = ses(session_messages=3)
    with Client(s) as c:
        for _ in range(3):
            c.deliver(expect=250)
        c.cmd("MAIL FROM:<ann@example.com>",
              "421 Connection closed by server. Maximum message count per "
              "session reached.")
        assert c.gone()
    assert s.counters()["session_caps"] == 1


def test_connections_at_once(ses):
    s = ses(connections=2)
    with Client(s), Client(s, wrapper=True):
        with Client(s, tls=False) as c:
            assert c.greeting == "421 Too many concurrent SMTP connections"
            assert c.gone()
    assert s.counters()["turned_away"] == 1


def test_latency(ses):
    s = ses(latency="50ms")
    with Client(s) as c:
        start = time.monotonic()
        c.deliver()
        assert time.monotonic() - start >= 0.2  # four replies


def test_ports_close_and_open(ses):
    s = ses()
    with Client(s) as c:
        s.listen(False)
        with pytest.raises(ConnectionRefusedError):
            Client(s)
        c.cmd("NOOP", "250 Ok")
        s.disconnect()
        assert c.gone()
        s.listen(True)
    with Client(s) as c:
        c.deliver(expect=250)


# Certificates

def handshake(s, host, ca=None):
    context = ssl.create_default_context(cafile=ca or s.ca_file)
    with socket.create_connection(("127.0.0.1", s.wrapper_port), 30) as raw:
        with context.wrap_socket(raw, server_hostname=host) as tls:
            return tls.getpeercert()


def test_certificate_names(ses):
    s = ses(region="us-west-2", name="ses.example")
    good = ["email-smtp.us-west-2.amazonaws.com",
            "email-smtp-fips.us-west-2.amazonaws.com",
            "vpce-0a1b-2c3d.email-smtp.us-west-2.vpce.amazonaws.com",
            "vpce-0a1b-2c3d-us-west-2a.email-smtp.us-west-2.vpce.amazonaws.com",
            "localhost", "127.0.0.1", "ses.example"]
    for host in good:
        cert = handshake(s, host)
    assert ("commonName", good[0]) in cert["subject"][0]
    for host in ("email-smtp.us-east-1.amazonaws.com",
                 "a.b.email-smtp.us-west-2.vpce.amazonaws.com"):
        with pytest.raises(ssl.SSLCertVerificationError, match="ostname"):
            handshake(s, host)


def test_certificate_without_local_names(ses):
    s = ses(no_local_names=True)
    handshake(s, "email-smtp.us-east-1.amazonaws.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(s, "localhost")


@pytest.mark.parametrize("kind, words", [
    ("wrong-name", "ostname mismatch"),
    ("expired", "expired"),
    ("not-yet-valid", "not yet valid"),
    ("self-signed", "self.signed"),
    ("untrusted", "unable to get local issuer"),
])
def test_bad_certificates(ses, kind, words):
    s = ses(certificate=kind)
    with pytest.raises(ssl.SSLCertVerificationError, match=words):
        handshake(s, "localhost")
    s.wait_for("tls_failed", 1)
    s.set(certificate="good")
    handshake(s, "localhost")


def test_ca_is_kept(parts, rundir):
    s = parts.add(Sandbox(rundir).start())
    with open(s.ca_file, encoding="ascii") as f:
        ca = f.read()
    port = s.port
    s.stop()
    s.start()
    with open(s.ca_file, encoding="ascii") as f:
        assert f.read() == ca
    assert s.port == port
    handshake(s, "localhost")


# Events

TAGGED = "X-SES-MESSAGE-TAGS: postern=1-2-3, job=a_b\r\n" + MESSAGE


def test_no_configuration_set_no_events(ses):
    s = ses()
    with Client(s) as c:
        c.deliver(TAGGED, expect=250)
    assert s.published() == []


def test_events_of_an_ordinary_message(ses):
    s = ses()
    with Client(s) as c:
        reply = c.deliver("X-SES-CONFIGURATION-SET: relay\r\n" + TAGGED,
                          to=["a@example.com", "b@example.com"])
    ses_id = reply.split()[2]
    send, first, second = s.published()
    assert [e["eventType"] for e in (send, first, second)] == [
        "Send", "Delivery", "Delivery"]
    assert send["send"] == {}
    mail = send["mail"]
    assert mail["messageId"] == ses_id
    assert mail["source"] == "ann@example.com"
    assert mail["destination"] == ["a@example.com", "b@example.com"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", mail["timestamp"])
    assert {"name": "Subject", "value": "x"} in mail["headers"]
    assert mail["tags"]["postern"] == ["1-2-3"]
    assert mail["tags"]["job"] == ["a_b"]
    assert mail["tags"]["ses:configuration-set"] == ["relay"]
    assert first["delivery"]["recipients"] == ["a@example.com"]
    assert second["delivery"]["recipients"] == ["b@example.com"]
    (message,) = s.messages()
    assert message["tags"] == {"postern": ["1-2-3"], "job": ["a_b"]}


def test_mailbox_simulator(ses):
    s = ses(default_configuration_set="relay", suppress=["gone@example.com"])
    at = "@simulator.amazonses.com"
    with Client(s) as c:
        for local in ("success+1", "bounce+2", "ooto", "complaint",
                      "suppressionlist"):
            c.deliver(TAGGED, to=local + at, expect=250)
        c.deliver(TAGGED, to="gone@example.com", expect=250)
        c.deliver(TAGGED, to=["bounce" + at, "bounce+x" + at], expect=250)
        c.deliver(TAGGED + EICAR + "\r\n", to="success" + at, expect=250)
        coded = base64.b64encode(EICAR.encode()).decode()
        c.deliver(TAGGED + coded[:76] + "\r\n" + coded[76:] + "\r\n", expect=250)
    by_message = {}
    for e in s.published():
        by_message.setdefault(e["mail"]["messageId"], []).append(e)
        assert e["mail"]["tags"]["postern"] == ["1-2-3"]
    outcomes = [[e["eventType"] for e in by_message[m["id"]]] for m in s.messages()]
    assert outcomes == [
        ["Send", "Delivery"], ["Send", "Bounce"], ["Send", "Delivery"],
        ["Send", "Delivery", "Complaint"], ["Send", "Bounce"],
        ["Send", "Bounce"], ["Send", "Bounce"], ["Send", "Reject"],
        ["Send", "Reject"],
    ]
    bounces = [e["bounce"] for e in s.published("Bounce")]
    assert [b["bounceSubType"] for b in bounces] == [
        "General", "Suppressed", "OnAccountSuppressionList", "General"]
    assert {b["bounceType"] for b in bounces} == {"Permanent"}
    assert bounces[0]["bouncedRecipients"][0]["status"] == "5.1.1"
    assert len(bounces[3]["bouncedRecipients"]) == 2
    complaint = s.published("Complaint")[0]["complaint"]
    assert complaint["complainedRecipients"] == [{"emailAddress": "complaint" + at}]
    assert s.published("Reject")[0]["reject"] == {"reason": "Bad content"}
    assert len({b["feedbackId"] for b in bounces}) == 4


# Faults

PHASES = ["connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt",
          "data", "dot", "rset", "quit"]


def walk(ses, phase):
    """Do everything up to a phase, then what the phase is about; returns the
    client, whose next reply is the phase's."""
    if phase in ("connect", "greeting"):
        return Client(ses, tls=False, greeting=False)
    tls = phase not in ("ehlo", "starttls")
    c = Client(ses, tls=tls, login=phase != "auth")
    if phase in ("data", "dot"):
        c.cmd("MAIL FROM:<ann@example.com>", 250)
        c.cmd("RCPT TO:<bob@example.com>", 250)
    if phase == "rcpt":
        c.cmd("MAIL FROM:<ann@example.com>", 250)
    if phase == "dot":
        c.cmd("DATA", 354)
        c.send(MESSAGE)
    secret = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    c.send({
        "ehlo": "EHLO client.example", "starttls": "STARTTLS",
        "auth": f"AUTH PLAIN {secret}", "mail": "MAIL FROM:<ann@example.com>",
        "rcpt": "RCPT TO:<bob@example.com>", "data": "DATA", "dot": ".",
        "rset": "RSET", "quit": "QUIT",
    }[phase] + "\r\n")
    return c


@pytest.mark.parametrize("phase", PHASES)
def test_drop_at_each_phase(ses, phase):
    s = ses(fault=f"{phase} drop nth=1")
    with walk(s, phase) as c:
        assert c.gone()
    assert s.counters()["faults"] == 1
    assert s.counters()["messages"] == 0
    s.clear("fault")
    with Client(s) as c:
        c.deliver(expect=250)


@pytest.mark.parametrize("phase", [p for p in PHASES if p != "connect"])
def test_given_reply_at_each_phase(ses, phase):
    s = ses(fault=f"{phase} reply nth=1 close=yes text=421 Not now")
    with walk(s, phase) as c:
        assert c.reply() == "421 Not now"
        assert c.gone()
    (refusal,) = s.refusals()
    assert refusal["reason"] == "fault"
    assert refusal["phase"] == phase


@pytest.mark.parametrize("phase", [p for p in PHASES if p != "connect"])
def test_late_reply_at_each_phase(ses, phase):
    s = ses(fault=f"{phase} delay ms=200 nth=1")
    start = time.monotonic()
    with walk(s, phase) as c:
        assert c.reply()[0] in "23"
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("phase", PHASES)
def test_stall_at_each_phase(ses, phase):
    """Nothing comes, and the sandbox lets go when the client does."""
    s = ses(fault=f"{phase} stall nth=1")
    with walk(s, phase) as c:
        s.wait_for("faults", 1)
        c.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            c.reply()
    s.clear("fault")
    with Client(s) as c:
        c.deliver(expect=250)


def test_reset(ses):
    s = ses(fault="ehlo reset")  # Python does not tell resets inside TLS
    with walk(s, "ehlo") as c:
        with pytest.raises(ConnectionResetError):
            c.reply()


@pytest.mark.parametrize("phase", ["greeting", "mail", "dot"])
def test_garbage(ses, phase):
    s = ses(fault=f"{phase} garbage nth=1")
    with walk(s, phase) as c:
        data = c.sock.recv(1000)
        assert not data[:3].isdigit()
    assert s.messages() == []


@pytest.mark.parametrize("action", ["endless", "longline"])
def test_endless(ses, action):
    s = ses(fault=f"mail {action} nth=1")
    with walk(s, "mail") as c:
        got = b""
        while len(got) < 1000000:
            got += c.sock.recv(65536)
    assert (got.count(b"\n") == 0) == (action == "longline")
    s.wait_for("faults", 1)
    with Client(s) as c:
        c.deliver(expect=250)


def test_pieces(ses):
    s = ses(fault="ehlo pieces ms=1")
    with Client(s, tls=False) as c:
        c.send("EHLO client.example\r\n")
        assert len(c.sock.recv(1000)) < 80
        while not c.data.endswith(b"250 Ok\r\n"):
            c.data += c.sock.recv(1000)


def test_two_replies_at_once(ses):
    s = ses(fault="mail twice nth=1")
    with Client(s) as c:
        c.cmd("MAIL FROM:<ann@example.com>", "250 Ok")
        assert c.reply() == "250 Ok"


def test_half_a_reply(ses):
    s = ses(fault="dot half")
    with walk(s, "dot") as c:
        data = c.sock.recv(1000)
        assert data.startswith(b"250 Ok 0") and not data.endswith(b"\n")
        assert c.gone()
    assert len(s.messages()) == 1


def test_accept_and_lose_the_reply(ses):
    s = ses(fault="dot lose nth=2")
    with Client(s) as c:
        c.deliver(expect=250)
        c.envelope()
        c.send(MESSAGE + ".\r\n")
        assert c.gone()
    assert len(s.messages()) == 2


def test_accept_and_stall(ses):
    s = ses(fault="dot stall done=yes")
    with Client(s) as c:
        c.envelope()
        c.send(MESSAGE + ".\r\n")
        s.wait_for("messages", 1)


def test_given_reply_that_is_a_lie(ses):
    s = ses(fault="dot reply done=yes text=451 Temporary service failure")
    with Client(s) as c:
        c.deliver(expect="451 Temporary service failure")
    assert len(s.messages()) == 1


def test_reply_of_several_lines(ses):
    s = ses(fault=r"ehlo reply text=250-x\n250-PIPELINING\n250 SIZE 10")
    with Client(s, tls=False) as c:
        c.cmd("EHLO client.example", "250-x\n250-PIPELINING\n250 SIZE 10")


@pytest.mark.parametrize("action, gone", [
    ("drop", True), ("reset", True), ("reply text=451 4.4.2 Timeout", False),
])
def test_faults_inside_the_body(ses, action, gone):
    words = action.split(" ", 1)
    s = ses(fault=" ".join([f"body {words[0]} after=5000", *words[1:]]))
    with Client(s) as c:
        c.deliver(expect=250)  # too short to be struck
        s.clear("fault")
        s.fault(" ".join([f"body {words[0]} after=5000", *words[1:]]))
        c.envelope()
        try:
            c.send(MESSAGE + "x\r\n" * 100000)
            if gone:
                assert c.gone()
            else:
                assert c.reply() == "451 4.4.2 Timeout"
        except (ConnectionError, ssl.SSLError):
            pass
    assert len(s.messages()) == 1


def test_stall_inside_the_body(ses):
    s = ses(fault="body stall ms=200 after=10")
    with Client(s) as c:
        start = time.monotonic()
        c.deliver(expect=250)
        assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("action", ["drop", "garbage", "stall"])
def test_faults_in_the_handshake(ses, action):
    s = ses(fault=f"tls {action} nth=1")
    with socket.create_connection(("127.0.0.1", s.wrapper_port), 0.5) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
            s.context().wrap_socket(raw, server_hostname="localhost")
    with Client(s) as c:
        c.deliver(expect=250)


def test_idle_connection_is_dropped(ses):
    s = ses(fault="idle drop nth=1")
    with Client(s) as c:
        c.deliver(expect=250)
        assert c.gone()


def test_idle_connection_gets_an_unasked_reply(ses):
    s = ses(fault="idle reply ms=2000 close=yes text=" + TIMEOUT)
    with Client(s) as c:
        for _ in range(3):  # speaking in time is not being idle
            c.deliver(expect=250)
        assert c.reply() == TIMEOUT
        assert c.gone()
    (fault,) = s.faults()
    assert fault["struck"] == 1


def test_which_messages_are_struck(ses):
    s = ses(fault=["dot reply first=2 last=3 text=454 Two", "dot reply "
                   "rcpt=slow@* text=454 Slow", "mail reply "
                   "sender=odd@* text=454 Odd", "rcpt reply rcpt=*no* "
                   "text=454 No"])
    with Client(s) as c:
        replies = [c.deliver()[:8] for _ in range(4)]
        assert replies == ["250 Ok 0", "454 Two", "454 Two", "250 Ok 0"]
        c.deliver(to=["a@example.com", "slow@example.com"], expect="454 Slow")
        c.cmd("MAIL FROM:<odd@example.com>", "454 Odd")
        c.cmd("MAIL FROM:<ann@example.com>", 250)
        c.cmd("RCPT TO:<no@example.com>", "454 No")
        c.cmd("RCPT TO:<yes@example.com>", 250)
    assert [(f["seen"], f["struck"]) for f in s.faults()] == [
        (5, 2), (1, 1), (1, 1), (1, 1)]


# Control

@pytest.mark.parametrize("line, words", [
    ("set rate fast", "recipients a second"),
    ("set colour red", "no such setting"),
    ("set day-window 10", "a time such as"),
    ("set certificate rusty", "wrong-name"),
    ("set user joe", "NAME:PASSWORD"),
    ("remove identity nobody", "not in that list"),
    ("clear rate", "no list"),
    ("fault dot", "PHASE ACTION"),
    ("fault dots drop", "no such phase"),
    ("fault dot fall", "no such action"),
    ("fault dot delay", "wants ms="),
    ("fault dot reply", "wants text="),
    ("fault dot drop nth=0", "count from 1"),
    ("fault dot drop nth=x", "whole number"),
    ("fault dot drop often=1", "no such key"),
    ("wait patience 1 1", "no counter"),
    ("wait messages 1 10", "messages is 0"),
    ("dance", "no command"),
])
def test_control_says_what_would_be_right(ses, line, words):
    with pytest.raises(Refused, match=re.escape(words)):
        ses().command(line)


@pytest.mark.parametrize("args, status, words", [
    (["--rate", "fast"], 1, "recipients a second"),
    (["--nonsense"], 2, "--help"),
    (["--keep", "0"], 2, "--keep"),
    (["extra"], 2, "extra"),
    (["--fault", "dot fall"], 1, "no such action"),
    (["--address", "localhost"], 1, "IPv4 or IPv6"),
])
def test_command_line(rundir, args, status, words):
    done = subprocess.run(
        [build.program("postern-sandbox"), "--state", rundir + "/st", *args],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == status
    assert words in done.stderr


def test_manual_knows_every_option():
    done = subprocess.run(
        [build.program("postern-sandbox"), "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    )
    options = re.findall(r"^  --([a-z-]+)", done.stdout, re.M)
    assert len(options) > 30
    page = (build.SOURCE / "man" / "postern-sandbox.1").read_text()
    for option in options:
        assert re.search(rf"^\.It .*Fl -{option}\b", page, re.M), option


def test_wait_returns_as_it_happens(ses):
    s = ses()
    with Client(s) as c:
        c.envelope()
        control = s._connect()
        control.sendall(b"wait messages 1 30000\n")
        c.send(MESSAGE + ".\r\n")
        answer = json.loads(control.makefile().readline())
        control.close()
    assert answer == {"ok": True, "value": 1}


def test_reset_and_since(ses):
    s = ses(keep=5)
    with Client(s) as c:
        for _ in range(7):
            c.deliver(expect=250)
        assert [m["n"] for m in s.messages()] == [3, 4, 5, 6, 7]
        assert [m["n"] for m in s.summary(since=5)["messages"]] == [6, 7]
        s.reset()
        counters = s.counters()
        assert (counters["messages"], counters["open"]) == (0, 1)
        c.deliver(expect=250)
        assert [m["n"] for m in s.messages()] == [1]


def test_summary_tells_who_when_and_why(ses):
    s = ses()
    before = time.time() * 1e6
    with Client(s) as c:
        c.deliver("Message-ID: <1@client.example>\r\n" + MESSAGE, expect=250)
        c.deliver(sender="x@elsewhere.example")
    after = time.time() * 1e6
    s.stop()
    assert not os.path.exists(s.ready_file)
    summary = s.summary()
    (message,) = summary["messages"]
    (refusal,) = summary["refusals"]
    assert message["message_id"] == "<1@client.example>"
    assert message["sender"] == "ann@example.com"
    assert message["recipients"] == ["bob@example.com"]
    assert message["user"] == USER
    assert before - 1000 <= message["wall_us"] <= after
    assert message["mono_us"] < refusal["mono_us"]
    assert message["connection"] == refusal["connection"] == 1
    assert (refusal["phase"], refusal["reason"]) == ("dot", "identity")
    assert refusal["reply"].startswith("554 Message rejected")


def test_stops_while_clients_hang(ses):
    s = ses(fault="mail stall")
    with Client(s), Client(s) as c:
        c.send("MAIL FROM:<ann@example.com>\r\n")
        s.wait_for("faults", 1)
        s.signal(signal.SIGTERM)
        assert s.wait() == 0
    assert "sessions do not end" not in s.tail()


def test_two_on_one_state_directory(parts, rundir):
    a = Sandbox(rundir, **FREE, identity="example.com")
    b = Sandbox(rundir, called="other", **FREE, identity="example.com")
    b.options["state"] = a.state
    b.argv[1:] = [x if x != b.state else a.state for x in b.argv[1:]]
    parts.add(a.start())
    parts.add(b.start())
    assert a.ca_file == b.ca_file
    for s in (a, b):
        with Client(s) as c:
            c.deliver(expect=250)


def test_several_addresses(ses):
    s = ses(address=["127.0.0.1", "127.0.0.2"])
    for address in ("127.0.0.1", "127.0.0.2"):
        for port in (s.port, s.wrapper_port):
            socket.create_connection((address, port), 10).close()


# Speed

@pytest.mark.bench
def test_speed(ses):
    subprocess.run(["make", "-s", "-C", str(build.BUILD), "smtpload"], check=True)
    s = ses(session_messages=0)
    print()
    for connections, messages, size in ((1, 5000, 2048), (20, 30000, 2048),
                                        (50, 30000, 2048), (20, 500, 1 << 20)):
        print(subprocess.run(
            [str(build.BUILD / "smtpload"), str(s.wrapper_port), s.ca_file,
             s.username, s.password, str(connections), str(messages), str(size)],
            check=True, capture_output=True, text=True,
        ).stdout, end="")
    assert s.violations() == []
