"""What goes wrong at SES, phase by phase, and what the MTA hears of it."""

import pytest

from lib.lmtp import message
from lib.rig import (
    SENDER, accepted, ask, authorities, journal, posternd, relay, sandbox, send,
    states,
)

TO = "b@example.com"

# What strikes once is made good within the transaction.
ONCE = [
    "mail drop", "rcpt drop", "data drop", "mail reset",
    "mail garbage", "rcpt garbage", "data garbage", "mail endless",
    "mail longline", "mail half", "rcpt twice", "data twice", "mail twice",
    "dot reply text=421 Connection closed by server. "
    "Maximum message count per session reached.",
    "mail reply close=yes text=421 Connection closed by server. "
    "Maximum message count per session reached.",
    "mail reply close=yes text=421 Too many messages in one session",
    "mail reply close=yes "
    "text=451 4.4.2 Timeout waiting for data from client.",
    "dot reply close=yes "
    "text=451 4.4.2 Timeout waiting for data from client.",
    "mail reply close=yes text=421 Service shutting down",
    "dot reply text=454 Throttling failure: Maximum sending rate exceeded.",
    "dot reply text=454 Throttling failure: "
    "Something else that is on AWS's side.",
    "mail pieces", "dot pieces ms=1", "dot twice", "auth pieces",
    "ehlo pieces", "greeting pieces", "mail delay ms=200",
    "dot delay ms=200", "quit drop", "rset drop", "idle drop",
]


def short(words):
    return words.replace("text=", "")[:60]


@pytest.mark.parametrize("fault", ONCE, ids=short)
def test_once_is_not_noticed(parts, fault):
    post, ses = relay(parts)
    action, _, text = fault.partition(" text=")
    ses.fault(f"{action} nth=1" + (f" text={text}" if text else ""))
    [reply] = send(post, TO)
    assert accepted(ses, reply)
    [reply] = send(post, TO)
    assert accepted(ses, reply)
    assert ses.counters()["messages"] == 2
    assert ses.violations() == []
    assert journal(post, "doubtful") == journal(post, "breaker") == []


@pytest.mark.parametrize("fault", [
    "body drop", "body reset", "body garbage",
    "body reply text=451 4.4.2 Timeout waiting for data from client.",
])
def test_gone_while_the_dot_waits_for_its_slot(parts, fault):
    """Nothing is in doubt before the dot: it goes out over another connection."""
    post, ses = relay(parts, conf={"quota": {"rate": 2}})
    assert accepted(ses, send(post, TO)[0])
    action, _, text = fault.partition(" text=")
    ses.fault(f"{action} nth=1" + (f" text={text}" if text else ""))
    assert accepted(ses, send(post, TO)[0])
    assert ses.counters()["faults"] == 1
    assert ses.counters()["messages"] == 2
    assert journal(post, "doubtful") == []


CONNECT = [
    "connect drop", "starttls drop", "tls drop", "greeting drop",
    "greeting garbage",
    "greeting reply text=421 Too many concurrent SMTP connections",
    "greeting endless", "ehlo drop", "ehlo garbage", "ehlo half",
    "ehlo twice", "auth drop", "auth garbage",
    "ehlo reply text=421 4.3.0 Mail system failure",
    "greeting reply text=554 No SMTP service here",
]


@pytest.mark.parametrize("fault", CONNECT, ids=short)
def test_no_session_to_be_had(parts, fault):
    post, ses = relay(parts, conf={"lmtp": {"answer-within": "1s"}})
    ses.fault(fault)
    [reply] = send(post, TO)
    assert reply.code == 451
    assert reply.enhanced == "4.4.1", reply
    assert states(post) == ["deferred"]
    assert [b["what"] for b in ask(post, "status")["breakers"]] == [
        f"endpoint {ses.endpoint}"
    ]
    assert ses.counters()["messages"] == 0


@pytest.mark.parametrize("fault", CONNECT, ids=short)
def test_the_next_endpoint_takes_over(parts, fault):
    one = sandbox(parts, "one")
    one.fault(fault)
    two = sandbox(parts, "two")
    post = posternd(
        parts, two, [one.endpoint, two.endpoint],
        ca_file=authorities(parts, one, two),
    )
    [reply] = send(post, TO)
    assert accepted(two, reply)


@pytest.mark.parametrize("phase", ["connect", "greeting", "ehlo", "auth"])
def test_silence_before_mail_is_bounded(parts, phase):
    post, ses = relay(parts, conf={
        "ses": {"connect-timeout": "300ms", "command-timeout": "300ms"},
        "lmtp": {"answer-within": "3s"},
    })
    ses.fault(f"{phase} stall")
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.4.1")


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("action", ["drop", "stall", "garbage"])
def test_for_ever_in_the_dialogue(parts, phase, action):
    post, ses = relay(parts, conf={
        "ses": {"command-timeout": "200ms"}, "lmtp": {"answer-within": "1s"},
    })
    ses.fault(f"{phase} {action}")
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.4.2")
    assert states(post) == ["deferred"]
    # Mail flows again as soon as the fault is over.
    ses.clear("fault")
    assert accepted(ses, send(post, TO)[0])


@pytest.mark.parametrize("fault, enhanced, word", [
    ("dot reply text=454 Temporary service failure", "4.3.0",
     "Temporary service failure"),
    ("dot reply text=451 Temporary service failure", "4.3.0",
     "Temporary service failure"),
    ("mail reply text=451 Temporary service failure", "4.3.0",
     "Temporary service failure"),
    ("dot reply text=454 Throttling failure: Daily message quota exceeded.",
     "4.4.5", "Daily message quota"),
    ("dot reply text=450 Nobody has seen this before", "4.3.0",
     "Nobody has seen"),
    ("rcpt reply text=452 Error: too many recipients", "4.3.0",
     "too many recipients"),
])
def test_temporary_refusals(parts, fault, enhanced, word):
    post, ses = relay(parts, conf={"lmtp": {"answer-within": "1s"}})
    ses.fault(fault)
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, enhanced)
    assert word in reply.text
    assert states(post) == ["deferred"]
    assert journal(post, "breaker") == []
    assert ses.counters()["messages"] == 0


REFUSED = [
    ("dot", "554 Message rejected: Email address is not verified. The following "
     "identities failed the check in region EU-CENTRAL-1: Me <me@example.com>",
     "550 5.7.1"),
    ("dot", "554 Transaction failed: Duplicate header 'DKIM-Signature'.",
     "550 5.6.0"),
    ("dot", "554 Transaction failed: Missing final '@domain'", "550 5.6.0"),
    ("dot", "554 Transaction failed: Recipient count exceeds 50.", "550 5.6.0"),
    ("dot", "554 Transaction failed: Expected disposition, got null",
     "550 5.6.0"),
    ("dot", "552 Message is too long.", "552 5.3.4"),
    ("dot", "554 Message is 10485761 bytes long, and the maximum is 10485760 "
     "bytes long.", "552 5.3.4"),
    ("mail", "501 Invalid MAIL FROM address provided", "550 5.6.0"),
    ("mail", "553 <a@example.com> Invalid email address", "550 5.6.0"),
    ("rcpt", "553 <b@example.com> address unknown", "550 5.6.0"),
    ("dot", "554 Nobody has seen this before", "554 5.0.0"),
    ("dot", "599 Nor this", "599 5.0.0"),
]


@pytest.mark.parametrize("phase, text, answer", REFUSED,
                         ids=[short(row[1]) for row in REFUSED])
def test_permanent_refusals(parts, phase, text, answer):
    """Of this message alone: the next one goes out over the same connection."""
    post, ses = relay(parts)
    ses.fault(f"{phase} reply nth=1 text={text}")
    refused, sent = (
        send(post, TO)[0], send(post, TO)[0]
    )
    assert str(refused).startswith(answer), refused
    assert text.partition(" ")[2][:60] in refused.text
    assert accepted(ses, sent)
    assert states(post) == ["refused", "sent"]
    assert journal(post, "breaker") == []
    assert ses.violations() == []
    unknown = post.daemon.events("unknown-reply")
    assert len(unknown) == (1 if answer.endswith("5.0.0") else 0)


ACCOUNT = [
    ("dot", "554 Access denied: User `arn:aws:iam::111122223333:user/x' is not "
     "authorized to perform `ses:SendRawEmail' on resource "
     "`arn:aws:ses:us-east-1:111122223333:identity/example.com'",
     "identity example.com"),
    ("dot", "554 Message rejected: Sending suspended for this account.",
     "account"),
    ("dot", "554 Message rejected: Sending paused for this account.", "account"),
    ("dot", "554 MAIL FROM domain not verified: DNS setup for MAIL FROM domain "
     "is invalid.", "mail-from-domain of example.com"),
    ("mail", "530 Authentication required", "account"),
    ("dot", "454 Throttling failure: Maximum SigV2 SMTP sending rate exceeded.",
     "account"),
]


@pytest.mark.parametrize("phase, text, what", ACCOUNT,
                         ids=[short(row[1]) for row in ACCOUNT])
def test_the_accounts_trouble_bounces_nothing(parts, phase, text, what):
    post, ses = relay(parts)
    ses.fault(f"{phase} reply text={text}")
    [reply] = send(post, TO)
    assert (reply.code, reply.enhanced) == (451, "4.7.0")
    assert states(post) == ["deferred"]
    assert [row["what"] for row in journal(post, "breaker")] == [what]


@pytest.mark.parametrize("action", [
    "drop", "reset", "garbage", "half done=no", "lose", "endless", "longline",
    "stall", "half", "reply text=354 What?",
])
def test_no_answer_after_the_dot_is_doubtful(parts, action):
    post, ses = relay(parts, conf={"ses": {"data-timeout": "500ms"}})
    ses.fault(f"dot {action}")
    text = message(SENDER, TO)
    with post.client() as client:
        [reply] = client.deliver(SENDER, [TO], text)
    assert (reply.code, reply.enhanced) == (451, "4.4.2")
    assert "may have accepted" in reply.text
    assert states(post) == ["doubtful"]
    ses.clear("fault")
    with post.client() as client:
        [reply] = client.deliver(SENDER, [TO], text)
    assert accepted(ses, reply)


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
