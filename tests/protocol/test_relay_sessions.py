"""Slow clients, silent ones, and many at once."""

import time

import pytest

from lib.lmtp import Closed, Lmtp, message
from lib.rig import SENDER, ask, relay


def test_a_silent_client_is_told_and_left(parts):
    post, _ = relay(parts, conf={"lmtp": {"command-timeout": "300ms"}})
    with post.client() as client:
        assert str(client.reply()).startswith("421 4.4.2")
        with pytest.raises(Closed):
            client.reply()


def test_half_a_message_and_then_silence(parts):
    post, ses = relay(parts, conf={"lmtp": {"command-timeout": "300ms"}})
    with post.client() as client:
        client.mail(SENDER)
        client.rcpt("b@example.com")
        client.cmd("DATA", 354)
        client.send(b"From: <a@example.com>\r\n\r\nHel")
        assert str(client.reply()).startswith("421 4.4.2")
        with pytest.raises(Closed):
            client.reply()
    assert ses.counters()["transactions"] == 0


def test_a_byte_at_a_time_is_not_for_ever(parts):
    post, ses = relay(parts, conf={"lmtp": {"command-timeout": "500ms"}})
    with post.client() as client:
        client.mail(SENDER)
        client.rcpt("b@example.com")
        client.cmd("DATA", 354)
        began = time.monotonic()
        with pytest.raises((Closed, ConnectionError)):
            while time.monotonic() - began < 30:
                client.send(b"x")
                client.sock.settimeout(0.05)
                try:
                    client.reply()
                except TimeoutError:
                    # makefile() is of no use after a timeout.
                    client.input = client.sock.makefile("rb")
    assert ses.counters()["transactions"] == 0


def test_one_byte_commands_are_understood(parts):
    post, _ = relay(parts)
    with Lmtp(post.socket) as client:
        for byte in b"LHLO c\r\n":
            client.sock.sendall(bytes([byte]))
        assert client.reply().code == 250


def test_a_client_that_never_reads(parts):
    """Its replies fill the socket; others are served meanwhile."""
    post, _ = relay(parts, conf={"lmtp": {"command-timeout": "1s"}})
    with Lmtp(post.socket) as deaf:
        deaf.sock.settimeout(0.5)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                deaf.send(b"NOOP\r\n" * 1000)
        with post.client() as client:
            assert client.cmd("NOOP").code == 250


def test_a_waiting_connection_gets_the_place_of_an_idle_one(parts):
    """The one in a transaction keeps its place, however long it has been there."""
    post, _ = relay(parts, conf={"lmtp": {"max-sessions": 2}})
    with post.client() as busy, post.client() as idle:
        busy.mail(SENDER)
        with Lmtp(post.socket, greeting=False) as waiting:
            assert str(idle.reply()).startswith("421 4.3.2")
            assert waiting.reply().code == 220
        busy.rcpt("b@example.com")
        [reply] = busy.data(message(SENDER, "b@example.com"))
        assert reply.code == 250


def test_more_than_max_sessions_wait_their_turn(parts):
    """Nobody is turned away: the backlog holds them until there is room."""
    post, ses = relay(parts, conf={"lmtp": {"max-sessions": 2}})
    first = [post.connect(), post.connect()]
    others = [Lmtp(post.socket, greeting=False) for _ in range(8)]
    assert ask(post, "status")["sessions"] == 2
    for client in first:
        client.quit()
    for client in others:
        assert client.reply().code == 220
        client.lhlo()
        [reply] = client.deliver(
            SENDER, ["b@example.com"], message(SENDER, "b@example.com")
        )
        assert reply.code == 250
        client.quit()
    assert ses.counters()["messages"] == 8


def test_many_sessions_at_once(parts):
    post, ses = relay(parts)
    clients = [post.connect() for _ in range(50)]
    for client in clients:
        client.mail(SENDER)
        client.rcpt("b@example.com")
        client.cmd("DATA", 354)
    for client in clients:
        client.body(message(SENDER, "b@example.com"))
    for client in clients:
        assert client.reply().code == 250
        client.quit()
    assert ses.counters()["messages"] == 50
    assert ses.violations() == []
