"""Credentials, endpoints and permissions: the operator's to mend, so that no
mail bounces for them, and one alarm tells of each change.
"""

import time

import pytest

from lib.host import free_port
from lib.lmtp import message
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


@pytest.mark.parametrize("kind", ["bad", "unsubscribed"])
def test_refused_credentials_defer_all_and_bounce_nothing(parts, kind):
    post, ses = relay(parts, user=[f"AKIASANDBOX:Secret:{kind}"])
    replies = send(post, TO, "c@example.com")
    assert [(r.code, r.enhanced) for r in replies] == [(451, "4.7.0")] * 2
    again = mail(post)
    assert (again.code, again.enhanced) == (451, "4.7.0")
    assert states(post) == ["deferred"] * 2
    assert changes(post) == [("account", True)]
    post.daemon.wait_event("alarm")
    assert len(post.daemon.events("alarm")) == 1
    assert ses.counters()["auth_failed"] <= 2
    # The operator writes the right ones, and says so.
    ses.add("user", "AKIANEW:BNewSecret")
    post.write_credentials(["AKIANEW:BNewSecret"])
    hup(post)
    assert accepted(ses, send(post, TO)[0])["user"] == "AKIANEW"
    assert changes(post) == [("account", True), ("account", False)]
    post.daemon.wait_events("alarm", 2)
    assert len(post.daemon.events("alarm")) == 2


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


def test_sigv2_credentials(parts):
    post, _ = relay(parts, user=["AKIASANDBOX:Secret:sigv2"])
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.7.0")
    assert "SigV2" in reply.text
    assert changes(post) == [("account", True)]


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


def test_permission_missing_for_one_identity(parts):
    """Only its own mail waits."""
    post, ses = relay(
        parts, identity=["example.com", "example.net"], deny=["example.net"],
        identities=["example.com", "example.net"],
    )
    [reply] = send(post, TO, sender="a@example.net")
    assert (reply.code, reply.enhanced) == (451, "4.7.0")
    assert mail(post, "a@example.net").code == 451
    assert accepted(ses, send(post, TO)[0])
    assert changes(post) == [("identity example.net", True)]
    ses.remove("deny", "example.net")
    hup(post)
    assert accepted(ses, send(post, TO, sender="a@example.net")[0])


def test_a_broken_mail_from_domain(parts):
    post, ses = relay(
        parts, identity=["example.com", "example.net"],
        mail_from_broken=["example.net"],
        identities=["example.com", "example.net"],
    )
    [reply] = send(post, TO, sender="a@example.net")
    assert (reply.code, reply.enhanced) == (451, "4.7.0")
    assert accepted(ses, send(post, TO)[0])
    assert changes(post) == [("mail-from-domain of example.net", True)]


def test_an_unknown_configuration_set(parts):
    post, ses = relay(
        parts, conf={"ses": {"configuration-set": "gone"}},
        configuration_set=["there"],
    )
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.7.0")
    assert mail(post).code == 451
    assert changes(post) == [("configuration-set gone", True)]
    post.configure({"ses": {"configuration-set": "there"}})
    hup(post)
    assert accepted(ses, send(post, TO)[0])["configuration_set"] == "there"


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
