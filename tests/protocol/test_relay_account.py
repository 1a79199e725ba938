"""Credentials, endpoints and permissions: the operator's to mend, so that no
mail bounces for them, and one alarm tells of each change.
"""

import contextlib
import os
import time

import pytest

from lib.host import free_port
from lib.proc import PATIENCE
from lib.rig import (
    SENDER, accepted, ask, authorities, journal, posternd, relay, sandbox,
    send, states,
)

TO = "b@example.com"
EHLO = r"ehlo reply text=250-email-smtp.amazonaws.com\n250-8BITMIME\n"


def mail(post, sender=SENDER):
    with post.client() as client:
        return client.mail(sender)


def changes(post):
    return [(row["what"], row["open"]) for row in journal(post, "breaker")]


def hup(post):
    mark = post.daemon.mark()
    post.sighup()
    post.daemon.wait_event("reload", mark)


OTHER = "a@example.net"
PASSWORD = ["AKIAOLD:BOldSecret", "AKIANEW:BNewSecret"]


def new_key(post, ses):
    ses.add("user", PASSWORD[1])
    post.write_credentials(PASSWORD[1:])


def refused(kind):
    return {"credentials": PASSWORD[:1], "user": [f"{PASSWORD[0]}:{kind}"]}


# name: keywords for relay, the breaker, words of the cause and of the cure,
# the answer, the senders in trouble, and what mends it.
TROUBLES = {
    "wrong credentials": (
        refused("bad"), "account", "Credentials Invalid", "smtp-password",
        "451 4.7.0", [SENDER, OTHER], new_key,
    ),
    "wrong credentials, and a good second line": (
        {"credentials": PASSWORD, "user": [PASSWORD[1], f"{PASSWORD[0]}:bad"]},
        "credential AKIAOLD", "Credentials Invalid", "take that line out",
        "250 2.0.0", [],
        lambda post, ses: post.write_credentials(PASSWORD[1:]),
    ),
    "no subscription": (
        refused("unsubscribed"), "account", "not subscribed", "set SES up",
        "451 4.7.0", [SENDER, OTHER], new_key,
    ),
    "SigV2 credentials": (
        refused("sigv2"), "account", "SigV2", "make new SMTP credentials",
        "451 4.7.0", [SENDER, OTHER], new_key,
    ),
    "a paused account": (
        {"paused": "yes"}, "account", "paused", "SES console",
        "451 4.7.0", [SENDER, OTHER],
        lambda post, ses: ses.set(paused="no"),
    ),
    "no permission for one identity": (
        {"deny": ["example.net"]}, "identity example.net", "not authorized",
        "ses:SendRawEmail", "451 4.7.0", [OTHER],
        lambda post, ses: ses.remove("deny", "example.net"),
    ),
    "a broken MAIL FROM domain": (
        {"mail_from_broken": ["example.net"]}, "mail-from-domain of example.net",
        "MAIL FROM domain", "MX and SPF", "451 4.7.0", [OTHER],
        lambda post, ses: ses.remove("mail-from-broken", "example.net"),
    ),
    "an unknown configuration set": (
        {"conf": {"ses": {"configuration-set": "gone"}},
         "configuration_set": ["there"]},
        "configuration-set gone", "does not exist", "ses.configuration-set",
        "451 4.7.0", [SENDER, OTHER],
        lambda post, ses: post.configure({"ses": {"configuration-set": "there"}}),
    ),
    "an expired certificate": (
        {"certificate": "expired"}, "endpoint localhost:", "expired",
        "Amazon SES", "451 4.7.5", [SENDER, OTHER],
        lambda post, ses: ses.set(certificate="good"),
    ),
}


class Alarms:
    """What daemon.alarm-command was given, a line each."""

    def __init__(self, parts):
        self.path = os.path.join(parts.rundir, "posternd", "store", "alarms")
        self.command = f"/bin/cat >> {self.path}"

    def lines(self, n):
        """All of them, when there are n at least."""
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(FileNotFoundError):
                with open(self.path, encoding="utf-8") as f:
                    lines = f.read().splitlines()
                if len(lines) >= n:
                    return lines
            assert time.monotonic() < until, "no alarm"
            time.sleep(0.05)


def trouble_found(post, expect):
    findings = post.json("check", expect=expect)["findings"]
    return [f for f in findings if f["area"] == "Trouble"]


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble(parts, name):
    """Nothing bounces; one alarm and one row for each change of state; what is
    not in trouble flows; check names cause and cure.
    """
    keywords, what, cause, cure, answer, troubled, mend = TROUBLES[name]
    alarms = Alarms(parts)
    keywords = {"conf": {}, **keywords}
    keywords["conf"] = {
        **keywords["conf"], "daemon": {"alarm-command": alarms.command},
        "lmtp": {"answer-within": "2s"},
    }
    both = ["example.com", "example.net"]
    post, ses = relay(parts, identity=both, identities=both, **keywords)

    for sender in (SENDER, OTHER, SENDER, OTHER):
        for reply in send(post, TO, "c@example.com", sender=sender):
            said = f"{reply.code} {reply.enhanced}"
            assert said == (answer if sender in troubled else "250 2.0.0"), reply
            assert said[0] == "2" or cause.lower() in reply.text.lower(), reply
    assert "refused" not in states(post)
    [(found, is_open)] = changes(post)
    assert found.startswith(what) and is_open
    [one] = ask(post, "status")["breakers"]
    assert one["what"] == found
    [line] = alarms.lines(1)
    assert found in line and cause in line
    [finding] = trouble_found(post, expect=1)
    assert finding["level"] == "wrong"
    assert found in finding["text"] and cause in finding["text"]
    assert cure in finding["cure"]
    told = post.json("status", expect=1)
    assert [b["what"] for b in told["status"]["breakers"]] == [found]
    assert "rate" in told["quota"]
    status, out, _ = post.run("status", expect=None)
    out = " ".join(out.split())
    assert status == 1 and f"Trouble {found}: " in out and cure in out

    mend(post, ses)
    hup(post)
    for sender in (SENDER, OTHER):
        assert accepted(ses, send(post, TO, sender=sender)[0])
    assert changes(post) == [(found, True), (found, False)]
    [finding] = trouble_found(post, expect=0)
    assert finding["level"] == "ok"
    assert "none that posternd knows of" in post.run("status")
    # Whether it is mended nobody knew at that moment.
    [_, line] = alarms.lines(2)
    assert found in line and "SIGHUP" in line
    assert len(post.daemon.events("alarm")) == 2


def test_login_where_plain_is_not_offered(parts):
    post, ses = relay(parts)
    ses.fault(EHLO + r"250-STARTTLS\n250-AUTH LOGIN\n250 Ok")
    assert accepted(ses, send(post, TO)[0])["user"] == ses.username


def test_login_where_plain_is_refused(parts):
    post, ses = relay(parts)
    ses.fault(
        "auth reply nth=1 "
        "text=504 The requested authentication mechanism is not supported"
    )
    assert accepted(ses, send(post, TO)[0])["user"] == ses.username


def test_a_key_that_was_rotated_out(parts):
    """The first line is refused, the second taken: mail flows, and one alarm."""
    post, ses = relay(
        parts, credentials=["AKIAOLD:BOldSecret", "AKIANEW:BNewSecret"],
        user=["AKIANEW:BNewSecret", "AKIAOLD:BOldSecret:bad"],
    )
    for _ in range(3):
        assert accepted(ses, send(post, TO)[0])["user"] == "AKIANEW"
    assert changes(post) == [("credential AKIAOLD", True)]
    post.daemon.wait_event("alarm")
    assert len(post.daemon.events("alarm")) == 1
    # It is not asked again and again.
    assert ses.counters()["auth_failed"] == 1


def test_a_temporary_failure_to_authenticate(parts):
    """454 at AUTH is SES's trouble, not the key's."""
    post, ses = relay(
        parts, user=["AKIASANDBOX:Secret:temporary"],
        conf={"lmtp": {"answer-within": "1s"}},
    )
    [reply] = send(post, TO)
    assert reply.code == 451 and reply.enhanced != "4.7.0"
    assert ses.counters()["messages"] == 0


def test_credentials_that_others_may_read_are_refused(parts):
    ses = sandbox(parts)
    post = posternd(parts, ses, start=False)
    post.write_credentials([ses.credentials], mode=0o640)
    post.daemon.start(ready=False)
    assert post.daemon.wait() == 1
    assert "chmod 600" in post.daemon.tail()


def test_a_paused_account(parts):
    post, ses = relay(
        parts, conf={"ses": {"connections": 2}}, paused="yes",
    )
    replies = send(post, *[f"{n}@example.com" for n in range(20)])
    assert {(r.code, r.enhanced) for r in replies} == {(451, "4.7.0")}
    assert "paused" in replies[0].text
    assert changes(post) == [("account", True)]
    # What waited was not tried in vain.
    assert ses.counters()["refusals"] <= 4
    ses.set(paused="no")
    hup(post)
    assert send(post, TO)[0].code == 250


def test_the_second_endpoint_when_the_first_is_dead(parts):
    ses = sandbox(parts)
    dead = f"localhost:{free_port()}"
    post = posternd(parts, ses, [dead, ses.endpoint])
    began = time.monotonic()
    assert accepted(ses, send(post, TO)[0])
    assert time.monotonic() - began < 5
    assert accepted(ses, send(post, TO)[0])
    assert changes(post) == [(f"endpoint {dead}", True)]
    assert [b["what"] for b in ask(post, "status")["breakers"]] == [
        f"endpoint {dead}"
    ]


def test_the_second_endpoint_when_the_first_has_a_bad_certificate(parts):
    bad, ses = sandbox(parts, "bad", certificate="expired"), sandbox(parts)
    post = posternd(
        parts, ses, [bad.endpoint, ses.endpoint],
        ca_file=authorities(parts, bad, ses),
    )
    assert accepted(ses, send(post, TO)[0])
    assert bad.counters()["auth"] == 0


def test_an_endpoint_that_dies_while_mail_flows(parts):
    one, two = sandbox(parts, "one"), sandbox(parts, "two")
    post = posternd(
        parts, two, [one.endpoint, two.endpoint],
        ca_file=authorities(parts, one, two),
    )
    assert accepted(one, send(post, TO)[0])
    one.listen(False)
    one.disconnect()
    assert accepted(two, send(post, TO)[0])


def test_no_endpoint_can_be_reached(parts):
    ses = sandbox(parts)
    post = posternd(parts, ses, conf={"lmtp": {"answer-within": "1s"}})
    ses.listen(False)
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.4.1")
    assert mail(post).enhanced == "4.4.1"
    assert changes(post) == [(f"endpoint {ses.endpoint}", True)]
    ses.listen(True)
    hup(post)
    assert send(post, TO)[0].code == 250


def test_too_many_connections_for_ses(parts):
    """Those that it grants carry the mail, and nobody is told of the others."""
    post, ses = relay(parts, connections=2, latency="20ms")
    replies = send(post, *[f"{n}@example.com" for n in range(30)])
    assert [r.code for r in replies] == [250] * 30
    for _ in range(5):
        assert send(post, TO)[0].code == 250
    assert changes(post) == []
    assert ses.counters()["turned_away"] > 0


def test_one_bad_handshake_defers_nobody(parts):
    """Behind an endpoint's name are many hosts: while one serves us, that
    another has no TLS for us is no reason to put off what waits."""
    post, ses = relay(parts, latency="20ms")
    assert send(post, TO)[0].code == 250
    ses.fault("tls garbage nth=2")
    replies = send(post, *[f"{n}@example.com" for n in range(30)])
    assert [r.code for r in replies] == [250] * 30
    assert ses.counters()["faults"] == 1
    assert changes(post) == []
