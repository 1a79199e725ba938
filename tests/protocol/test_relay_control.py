"""Signals, readiness, the control socket, and files that are read again."""

import os
import signal
import socket
import time

import pytest

from lib.lmtp import Closed, Lmtp, message
from lib.posternd import conf_text
from lib.rig import (
    SENDER, Control, accepted, ask, authorities, journal, posternd, relay, sandbox, send,
    states,
)

TO = "b@example.com"


def hup(post, event="reload"):
    """Reload; returns the line that says how it went."""
    mark = post.daemon.mark()
    post.sighup()
    return post.daemon.wait_event(event, mark)


def hold(post, *recipients):
    """A transaction that has sent its final dot."""
    client = post.connect()
    client.mail(SENDER)
    for recipient in recipients:
        assert client.rcpt(recipient).code == 250
    client.cmd("DATA", 354)
    client.body(message(SENDER, list(recipients)))
    return client


# SIGHUP


def test_a_good_file_takes_effect(parts):
    post, _ = relay(parts)
    with post.client() as old:
        post.configure({"lmtp": {"max-message-size": "64K"}})
        assert hup(post)["file"] == post.conf_file
        old.lhlo()
        # Sessions take it up between transactions.
        assert old.extensions["SIZE"] == "65536"
    with post.client() as client:
        assert client.extensions["SIZE"] == "65536"
    assert len(journal(post, "config")) == 1


def test_a_transaction_keeps_what_it_began_with(parts):
    post, _ = relay(parts)
    with post.client() as client:
        client.mail(SENDER)
        post.configure({"lmtp": {"max-message-size": "1K"}})
        hup(post)
        client.rcpt(TO)
        [reply] = client.data(message(SENDER, TO, body="x\n" * 2000))
        assert reply.code == 250


@pytest.mark.parametrize("bad, words", [
    ("max-message-sise = 1K", "max-message-size"),
    ("max-message-size = huge", "lmtp.max-message-size"),
    ("max-sessions = 0", "lmtp.max-sessions"),
    ("}", ""),
])
def test_a_bad_file_leaves_the_old_in_force_and_names_the_line(
        parts, bad, words):
    post, ses = relay(parts)
    text = conf_text(post.conf).replace("lmtp {\n", "lmtp {\n\t" + bad + "\n")
    line = text[:text.index(bad, text.index("lmtp {"))].count("\n") + 1
    with open(post.conf_file, "w", encoding="utf-8") as f:
        f.write(text)
    said = hup(post, "reload-failed")
    assert said["in-force"] == "the old configuration"
    assert not post.daemon.events("reload")
    assert words in said["reason"]
    if bad != "}":
        assert said["reason"].startswith(f"{post.conf_file}:{line}:")
    assert accepted(ses, send(post, TO)[0])
    post.configure({})
    assert hup(post)["file"] == post.conf_file


@pytest.mark.parametrize("what", ["credentials", "ca-file", "identities"])
def test_a_file_that_it_names_and_cannot_use(parts, what):
    post, ses = relay(parts)
    missing = os.path.join(parts.rundir, "not-there")
    post.configure(
        {"identities": {"file": missing}} if what == "identities"
        else {"ses": {what: missing}}
    )
    said = hup(post, "reload-failed")
    assert said["in-force"] == "the old configuration"
    assert missing in said["reason"]
    assert accepted(ses, send(post, TO)[0])


def test_keys_that_need_a_restart_are_named(parts):
    post, _ = relay(parts)
    post.configure({
        "store": {"path": post.store + ".other"},
        "lmtp": {"listen": ["inet:127.0.0.1:0"], "max-sessions": 7},
    })
    mark = post.daemon.mark()
    post.sighup()
    post.daemon.wait_event("reload", mark, file=post.conf_file)
    named = {
        e["needs-restart"] for e in post.daemon.events("reload", mark)
        if "needs-restart" in e
    }
    assert named == {"store.path", "lmtp.listen"}
    assert send(post, TO)[0].code == 250


def test_mail_flows_through_many_reloads(parts):
    post, ses = relay(parts, conf={"quota": {"rate": 200}})
    clients = [hold(post, *[f"{n}@example.com" for n in range(20)])
               for _ in range(3)]
    for n in range(10):
        post.configure({"quota": {"rate": 200 + n}})
        hup(post)
    for client in clients:
        assert [r.code for r in client.replies(20)] == [250] * 20
        client.close()
    assert ses.counters()["messages"] == 60


def test_another_endpoint_after_sighup(parts):
    one = sandbox(parts, "one")
    two = sandbox(parts, "two")
    post = posternd(parts, one, ca_file=authorities(parts, one, two))
    assert accepted(one, send(post, TO)[0])
    post.configure({"ses": {"endpoint": [two.endpoint]}})
    hup(post)
    assert accepted(two, send(post, TO)[0])


# SIGTERM


def test_the_end_gives_up_what_has_no_dot_and_waits_for_what_has(parts):
    post, ses = relay(parts, conf={"ses": {"connections": 1}})
    ses.fault("dot delay ms=1000 nth=1")
    with hold(post, TO, "c@example.com", "d@example.com") as client:
        ses.wait_for("faults", 1)
        post.daemon.signal(signal.SIGTERM)
        replies = client.replies(3)
    assert post.daemon.wait() == 0
    assert [r.code for r in replies] == [250, 451, 451]
    assert {r.enhanced for r in replies[1:]} == {"4.3.2"}
    assert accepted(ses, replies[0])
    assert ses.counters()["messages"] == 1
    assert states(post) == ["sent", "deferred", "deferred"]
    assert not os.path.exists(post.socket)
    assert not os.path.exists(post.control)


def test_the_end_gives_up_what_ses_keeps_waiting_before_the_dot(parts):
    post, ses = relay(parts)
    ses.fault("rcpt stall")
    with hold(post, TO) as client:
        ses.wait_for("faults", 1)
        post.daemon.signal(signal.SIGTERM)
        reply = client.reply()
        assert (reply.code, reply.enhanced) == (451, "4.3.2"), reply
        ses.disconnect()
    assert post.daemon.wait() == 0
    assert states(post) == ["deferred"]
    assert ses.counters()["messages"] == 0


def test_the_end_does_not_wait_for_ever(parts):
    """What SES does not answer in ten seconds is doubtful."""
    post, ses = relay(parts)
    ses.fault("dot stall")
    with hold(post, TO):
        ses.wait_for("faults", 1)
        began = time.monotonic()
        post.daemon.signal(signal.SIGTERM)
        assert post.daemon.wait() == 0
    assert 9 < time.monotonic() - began < 20
    assert states(post) == ["doubtful"]
    ses.clear("fault")
    ses.disconnect()
    post.start()
    assert states(post) == ["doubtful"]


def test_the_end_with_idle_sessions_and_a_half_message(parts):
    post, _ = relay(parts)
    idle, half = post.connect(), post.connect()
    half.mail(SENDER)
    half.rcpt(TO)
    half.cmd("DATA", 354)
    half.send(b"From: <a@example.com>\r\n")
    began = time.monotonic()
    post.stop()
    assert time.monotonic() - began < 10
    for client in (idle, half):
        try:
            while True:
                client.reply()
        except (Closed, ConnectionError):
            client.close()
    post.start()
    assert send(post, TO)[0].code == 250


def test_a_limit_of_time_is_not_needed_to_stop_while_mail_waits(parts):
    post, ses = relay(parts, conf={"quota": {"rate": "0.2"}})
    assert send(post, TO)[0].code == 250
    with hold(post, TO) as client:
        post.daemon.wait_events("received", 2)
        post.daemon.signal(signal.SIGTERM)
        reply = client.reply()
        assert (reply.code, reply.enhanced) == (451, "4.3.2")
    assert post.daemon.wait() == 0
    assert ses.counters()["messages"] == 1


# Readiness


def test_readiness_is_told_to_the_notify_socket(parts):
    ses = sandbox(parts)
    post = posternd(parts, ses, start=False)
    path = os.path.join(parts.rundir, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        os.chmod(path, 0o666)
        notify.settimeout(60)
        post.daemon.argv[:0] = ["/usr/bin/env", f"NOTIFY_SOCKET={path}"]
        post.daemon.start(ready=False)
        assert notify.recv(100) == b"READY=1"
        # Ready means that it answers.
        with Lmtp(post.socket) as client:
            client.lhlo()
        post.sighup()
        assert notify.recv(100).startswith(b"RELOADING=1")
        assert notify.recv(100) == b"READY=1"
        post.stop()
        assert notify.recv(100) == b"STOPPING=1"


def test_a_file_that_is_only_checked(parts):
    ses = sandbox(parts)
    post = posternd(parts, ses, start=False)
    post.daemon.argv.append("-t")
    post.daemon.start(ready=False)
    assert post.daemon.wait() == 0
    assert post.daemon.tail().endswith(f"{post.conf_file}: good")
    post.write_identities(["not an identity"])
    post.daemon.start(ready=False)
    assert post.daemon.wait() == 1
    assert "identities:1: " in post.daemon.tail()


# The control socket


def test_quota_and_status(parts):
    post, ses = relay(parts, conf={
        "quota": {"rate": 50, "daily": 100, "daily-window": "1h"},
    })
    quota = ask(post, "quota")
    assert quota["ok"] is True
    assert (quota["rate"], quota["daily"], quota["spent"]) == (50, 100, 0)
    assert quota["window_us"] == 3_600_000_000
    send(post, TO, "success@simulator.amazonses.com")
    assert ask(post, "quota")["spent"] == 1
    ses.fault("dot stall")
    with hold(post, TO) as client:
        ses.wait_for("faults", 1)
        status = ask(post, "status")
        assert status["sessions"] == 1
        assert status["under_way"] == 1
        assert status["senders"] >= 1
        assert status["breakers"] == []
        # What is under way has its unit already.
        assert ask(post, "quota")["spent"] == 2
        ses.clear("fault")
        ses.disconnect()
        assert client.reply().code == 451
    [row] = post.sql("SELECT max(seq) AS seq FROM journal")
    assert ask(post, "status")["head_seq"] == row["seq"]


def test_unlimited_is_null(parts):
    post, _ = relay(parts)
    quota = ask(post, "quota")
    assert quota["rate"] is None and quota["pace"] is None
    assert "daily" not in quota and "spent" not in quota


def test_suppress_add_and_remove(parts):
    post, ses = relay(parts)
    assert ask(post, "suppress-add", address="B@Example.com",
               reason="complained")["ok"]
    # Whatever the case.
    assert send(post, TO)[0].code == 550
    assert send(post, "c@example.com")[0].code == 250
    post.restart()
    assert send(post, TO)[0].code == 550
    assert ask(post, "suppress-remove", address="B@example.com")["ok"]
    assert accepted(ses, send(post, TO)[0])
    post.restart()
    assert send(post, TO)[0].code == 250


def test_a_suppression_ends_with_its_time(parts):
    post, _ = relay(parts)
    until = int(time.time() * 1e6) + 1_500_000
    ask(post, "suppress-add", address=TO, reason="rest", until=until)
    assert send(post, TO)[0].code == 550
    while send(post, TO)[0].code == 550:
        time.sleep(0.05)
    assert time.time() * 1e6 >= until


@pytest.mark.parametrize("line", [
    "", "{}", "[]", "nonsense", '{"op":"no such"}', '{"op":3}',
    '{"op":"suppress-add"}', '{"op":"suppress-add","address":"no at sign"}',
    '{"op":"suppress-remove","address":"a@b","reason":7}',
])
def test_requests_that_make_no_sense(parts, line):
    post, _ = relay(parts)
    with Control(post) as control:
        answer = control.line(line)
        assert answer["ok"] is False and answer["error"]
        # And the conversation goes on.
        assert control.ask("status")["ok"] is True


def test_requests_on_one_connection_and_on_many(parts):
    post, _ = relay(parts)
    with Control(post) as one, Control(post) as two:
        for _ in range(20):
            assert one.ask("status")["ok"] and two.ask("quota")["ok"]


# The identities file


def test_identities_are_read_again_when_they_change(parts):
    post, ses = relay(parts, identity=["example.com", "example.net"])
    assert send(post, "b@example.net")[0].code == 550
    post.write_identities(["example.com", "example.net"])
    assert accepted(ses, send(post, "b@example.net")[0])
    post.write_identities(["example.com"])
    assert send(post, "b@example.net")[0].code == 550


def test_a_bad_identities_file_leaves_the_old_in_force(parts):
    post, ses = relay(parts)
    post.write_identities(["example.com", "not an identity"])
    assert accepted(ses, send(post, TO)[0])
    assert send(post, TO)[0].code == 250
    post.daemon.wait_line("identities:2")
    said = [line for line in post.daemon.lines if "identities:2" in line]
    assert len(said) == 1, post.daemon.tail()
