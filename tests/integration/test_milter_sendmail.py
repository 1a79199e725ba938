"""A real Sendmail 8.17 with a stock configuration: postern-milter at submission
by contrib/sendmail/postern-milter.m4, posternd behind it by postern.m4.
"""

import contextlib
import email
import email.policy
import grp
import pwd
import smtplib

import pytest

from lib.host import free_port
from lib.milter import (
    Milter, addresses, assert_rewritten, is_verified, rewrite_conf,
)
from lib.relay import Relay
from lib.sendmail import MILTER_M4, Sendmail, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

FOREIGN = "someone@foreign.example"
SETTINGS = "LOCAL_DOMAIN(`example.com')dnl\n"


def default_group():
    """That of DefaultUser, as Sendmail chooses him."""
    for name in ("mailnull", "sendmail", "daemon"):
        with contextlib.suppress(KeyError):
            return grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    return "daemon"


class Site:
    """Sendmail, milter, posternd and an SES with example.com verified, joined
    by unix sockets or by TCP."""

    def __init__(self, parts, tcp=False, program=False, settings="", conf=None,
                 ses=None, flags=("-q1s",), **rewrite):
        rundir = parts.dir("milter")
        rewrite.setdefault("default", "srs")
        conf = dict(conf or {}, rewrite=rewrite_conf(rundir, **rewrite))
        port = free_port()
        run = parts.dir("run")
        conf["milter"] = {
            "listen": f"inet:127.0.0.1:{port}" if tcp
            else f"unix:{run}/milter.sock:0600",
            "socketmap": "inet:127.0.0.1:0" if tcp
            else f"unix:{run}/map.sock:0660:{default_group()}",
        }
        self.relay = parts.add(Relay(parts.dir("r"), conf=conf, ses=ses))
        self.milter = parts.add(
            Milter(rundir, self.relay.posternd.conf_file)
        ).start()
        post = self.relay.posternd
        if tcp:
            mailer = f"TCP 127.0.0.1 {post.port}"
            mapped = self.milter.socketmap.rpartition(":")[2]
            joined = (f"inet:{port}@127.0.0.1",
                      f"socket inet:{mapped}@127.0.0.1")
        else:
            mailer = f"FILE {post.socket}"
            joined = (f"local:{run}/milter.sock", f"socket local:{run}/map.sock")
        if program:
            joined = (joined[0],
                      f"program {post.postern()} -c {post.conf_file} srs --map")
        self.sendmail = parts.add(Sendmail(
            parts.dir("sendmail"), mailer, SETTINGS + settings, (
                f"define(`POSTERN_MILTER', `{joined[0]}')dnl\n"
                f"define(`POSTERN_SRS_MAP', `{joined[1]}')dnl\n"
                f"include(`{MILTER_M4}')dnl"
            ), flags=flags,
        )).start()

    def submit(self, way, sender, recipient, text):
        if way == "smtp":
            return self.sendmail.smtp(sender, [recipient], text)
        return self.sendmail.command(sender, [recipient], text)

    def one(self):
        self.relay.sandbox.wait_for("messages", 1)
        self.sendmail.wait_empty()
        assert self.relay.sandbox.violations() == []
        [message] = self.relay.sandbox.messages()
        message["content"] = email.message_from_bytes(
            self.relay.accepted(message["id"]), policy=email.policy.default
        )
        return message

    def audited(self, message):
        [row] = self.relay.posternd.sql(
            "SELECT audit.*, repairs FROM audit JOIN delivery USING (ses_id) "
            "JOIN message ON message.id = delivery.message "
            "WHERE ses_id = ?", message["id"]
        )
        return row


@pytest.fixture(params=["unix", "tcp"])
def site(request, safe_parts):
    return lambda **kw: Site(safe_parts, tcp=request.param == "tcp", **kw)


@pytest.fixture
def unix_site(safe_parts):
    return lambda **kw: Site(safe_parts, **kw)


def text(sender, recipient="b@elsewhere.example"):
    return (
        f"From: Some One <{sender}>\r\nTo: {recipient}\r\n"
        # Sendmail adds one where there is none, once the milter has seen it.
        "Message-ID: <1@client.example>\r\n"
        "Subject: x\r\n\r\nbody\r\n"
    )


WAYS = pytest.mark.parametrize("way", ["smtp", "command"])


@WAYS
@pytest.mark.parametrize("sender", ["a@example.com", "a@dept.example.com"])
def test_verified_senders_stay(unix_site, way, sender):
    s = unix_site()
    s.submit(way, sender, "b@elsewhere.example", text(sender))
    message = s.one()
    assert message["sender"] == sender
    assert addresses(message["content"]["From"]) == [sender]
    assert message["content"]["X-Original-From"] is None
    assert message["content"]["Reply-To"] is None
    assert s.audited(message)["original_sender"] == sender


@WAYS
def test_unverified_senders_are_rewritten(site, way):
    s = site()
    s.submit(way, FOREIGN, "b@elsewhere.example",
             "Sender: other@foreign.example\r\n" + text(FOREIGN))
    message = s.one()
    assert_rewritten(message, FOREIGN)
    assert message["content"]["X-Postern-Origin"] is None
    row = s.audited(message)
    assert row["original_sender"] == FOREIGN, row
    assert row["client"].endswith("[127.0.0.1]")
    assert row["repairs"].split() == ["origin=sealed"]
    # By the queue id of the mail log.
    event = s.milter.daemon.wait_event("rewritten")
    assert event["id"] in row["queue_ids"]


def test_unqualified_senders_are_completed(unix_site):
    """By SMTP Sendmail takes none."""
    s = unix_site()
    s.submit("command", "root", "b@elsewhere.example",
             "From: root\r\nTo: b@elsewhere.example\r\n\r\nx\r\n")
    message = s.one()
    assert message["sender"] == "root@mx.example.com"
    assert addresses(message["content"]["From"]) == ["root@mx.example.com"]


@WAYS
def test_null_senders_get_one_at_the_gate(unix_site, way):
    s = unix_site()
    s.submit(way, "", "b@elsewhere.example", text(FOREIGN))
    message = s.one()
    assert message["sender"] == "mailer-daemon@example.com"
    assert addresses(message["content"]["From"]) == [message["sender"]]


def test_refused_senders_are_told_why(unix_site):
    """A percent sign in the words, too."""
    s = unix_site(default="reject")
    with smtplib.SMTP("127.0.0.1", s.sendmail.port) as client:
        client.ehlo("client.example")
        assert client.mail("some%25one@foreign.example")[0] == 250
        assert client.rcpt("b@elsewhere.example")[0] == 250
        code, words = client.data(text(FOREIGN))
    assert code == 550
    assert b"5.7.1 sender <some%25one@foreign.example> is not" in words


def bounce_to(s, recipient):
    s.relay.sandbox.reset()
    s.submit("smtp", "", recipient, text("MAILER-DAEMON@elsewhere.example"))
    return s.one()


def test_a_bounce_finds_the_original(site):
    """By the socketmap."""
    s = site()
    s.submit("smtp", FOREIGN, "b@elsewhere.example", text(FOREIGN))
    message = bounce_to(s, s.one()["sender"])
    assert message["recipients"] == [FOREIGN]
    assert message["sender"] == "mailer-daemon@example.com"


def test_a_bounce_finds_the_original_by_a_program(unix_site):
    """As with a Sendmail that has no socketmap. It runs as a user who may read
    no secrets, and asks the milter."""
    s = unix_site(program=True)
    s.submit("smtp", FOREIGN, "b@elsewhere.example", text(FOREIGN))
    assert bounce_to(s, s.one()["sender"])["recipients"] == [FOREIGN]


# As Debian's sendmail.mc has it, with the host's mail name.
MASQUERADE = """\
FEATURE(`always_add_domain')dnl
MASQUERADE_AS(`{}')dnl
FEATURE(`allmasquerade')dnl
FEATURE(`masquerade_envelope')dnl
"""
EXCEPTION = "MASQUERADE_EXCEPTION(`example.com')dnl\n"


def advised(lines):
    """What postern-milter.m4 tells people to write."""
    with open(MILTER_M4, encoding="ascii") as f:
        text = "".join(line.removeprefix("dnl").strip() + "\n" for line in f)
    return all(line.removesuffix("dnl") in text for line in lines.splitlines())


@WAYS
@pytest.mark.parametrize("domain", ["mx.example.com", "host.lan"])
def test_a_sendmail_that_masquerades(unix_site, way, domain):
    """With the exception that is advised, what the milter made of a sender
    stays, and a bounce to it comes back."""
    assert advised(EXCEPTION)
    s = unix_site(settings=MASQUERADE.format(domain) + EXCEPTION)
    s.submit(way, FOREIGN, "b@elsewhere.example", text(FOREIGN))
    message = s.one()
    assert message["sender"].startswith("SRS0=")
    assert message["sender"].endswith("@example.com")
    assert addresses(message["content"]["From"]) == [message["sender"]]
    row = s.audited(message)
    assert row["original_sender"] == FOREIGN
    assert row["repairs"].split() == ["origin=sealed"]
    back = bounce_to(s, message["sender"])
    assert back["recipients"] == [FOREIGN]


def test_masquerading_changes_what_the_milter_made(unix_site):
    """Which is what the exception is for."""
    s = unix_site(settings=MASQUERADE.format("mx.example.com"))
    s.submit("smtp", FOREIGN, "b@elsewhere.example", text(FOREIGN))
    message = s.one()
    assert message["sender"].startswith("SRS0=")
    assert message["sender"].endswith("@mx.example.com")


def test_forged_srs_addresses_are_nobody(unix_site):
    s = unix_site()
    s.submit("smtp", FOREIGN, "b@elsewhere.example", text(FOREIGN))
    forged = s.one()["sender"].replace("=someone@", "=victim@")
    with smtplib.SMTP("127.0.0.1", s.sendmail.port) as client:
        client.ehlo("client.example")
        client.mail("")
        client.rcpt(forged)
    s.milter.daemon.wait_event("srs-refused")
    assert all(
        m["recipients"] != ["victim@foreign.example"]
        for m in s.relay.sandbox.messages()
    )


def test_sendmail_itself_bounces_to_the_original(unix_site):
    s = unix_site()
    s.relay.posternd.run("suppress", "add", "gone@elsewhere.example")
    s.submit("smtp", FOREIGN, "gone@elsewhere.example", text(FOREIGN))
    message = s.one()
    assert message["recipients"] == [FOREIGN]
    assert message["sender"] == "mailer-daemon@example.com"


def test_puts_mail_off_while_the_milter_is_down(unix_site):
    s = unix_site()
    s.milter.stop()
    with smtplib.SMTP("127.0.0.1", s.sendmail.port) as client:
        code, _ = client.ehlo("client.example")
        if code == 250:
            code, _ = client.mail(FOREIGN)
    assert 400 <= code < 500
    s.milter.start()
    s.submit("smtp", FOREIGN, "b@elsewhere.example", text(FOREIGN))
    assert is_verified(s.one()["sender"])


def test_mail_from_the_world_passes_no_milter(unix_site):
    """By a daemon with an empty list of filters, as postern-milter.m4 has it."""
    port = free_port()
    s = unix_site(settings=(
        f"DAEMON_OPTIONS(`Name=World, Family=inet, Addr=127.0.0.1, "
        f"Port={port}, InputMailFilters=')dnl"
    ))
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(FOREIGN, ["b@elsewhere.example"], text(FOREIGN))
    # The gate goes by the same rules when it leaves again.
    message = s.one()
    assert message["sender"].startswith("SRS0=")
    assert s.milter.daemon.events("rewritten") == []


MESSAGES = 150


@pytest.mark.parametrize("speed", [
    pytest.param(10, id="shrunk", marks=pytest.mark.pace),
    pytest.param(1, id="whole", marks=[pytest.mark.pace, pytest.mark.soak]),
])
def test_uses_its_allowance(request, safe_parts, speed):
    """150 messages at 1 a second with the queue run that contrib advises: at
    least 80 % of the rate is used, and nothing is lost. Shrunk, all times are a
    tenth."""
    s = Site(
        safe_parts, flags=(f"-q{60 // speed}s",),
        conf={"quota": {"rate": speed},
              "lmtp": {"answer-within": f"{240 // speed}s"}},
        ses={"rate": speed, "rate_tolerance": f"{1000 // speed}ms",
             "latency": "30ms", "save": None},
    )
    recipients = [f"r{n}@elsewhere.example" for n in range(MESSAGES)]
    for recipient in recipients:
        s.submit("smtp", FOREIGN, recipient, text(FOREIGN, recipient))
    sandbox = s.relay.sandbox
    sandbox.wait_for("messages", MESSAGES, patience=3 * MESSAGES / speed)
    s.sendmail.wait_empty()
    messages = sandbox.messages()
    assert sorted(r for m in messages for r in m["recipients"]) == sorted(
        recipients
    )
    assert all(is_verified(m["sender"]) for m in messages)
    assert sandbox.violations() == []
    at = sorted(m["mono_us"] / 1e6 for m in messages)
    share = (MESSAGES - 1) / (at[-1] - at[0]) / speed
    print(f"{request.node.name}: used {share:.1%}")
    assert share >= 0.8
