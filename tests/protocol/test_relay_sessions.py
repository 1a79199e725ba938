"""Many sessions at once, and places for fewer."""

from lib.lmtp import Lmtp, message
from lib.rig import SENDER, ask, relay


def test_one_byte_commands_are_understood(parts):
    post, _ = relay(parts)
    with Lmtp(post.socket) as client:
        for byte in b"LHLO c\r\n":
            client.sock.sendall(bytes([byte]))
        assert client.reply().code == 250


def test_a_waiting_connection_gets_the_place_of_an_idle_one(parts):
    """The one in a transaction keeps its place for longer."""
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
