"""What no honest mail server sends: each has a clear reply or an end, takes
little memory, and slows others down by no more than half.

An attack is a function of posternd that does its worst once and judges the
answer. Each runs alone, with posternd's memory looked at; and over and over
beside well-behaved sessions, whose pace is compared with what it was without.
"""

import contextlib
import resource
import socket
import subprocess
import threading
import time

import pytest

from lib.build import SANITIZER, tool
from lib.lmtp import Closed, Lmtp, message
from lib.proc import PATIENCE
from lib.rig import SENDER, accepted, content, relay, send

GONE = (Closed, ConnectionError)

HEAD = b"From: <a@example.com>\r\nTo: <b@example.com>\r\nSubject: x\r\n"

# What posternd may take at most, in MB, beyond what the configuration allows.
MEMORY = 64

# A session at rest: its buffers, and the part of its stack that was touched.
SESSION_MEMORY = 0.1

# A sanitizer makes threads dear.
CONNECTIONS = 100 if SANITIZER else 1000


def little_memory(post):
    """A sanitizer's own memory would hide posternd's."""
    allowed = MEMORY
    if "max-sessions" in post.conf["lmtp"]:
        allowed += post.conf["lmtp"]["max-sessions"] * SESSION_MEMORY
    if not SANITIZER:
        peak = post.daemon.memory_peak()
        assert peak < allowed, f"{peak:.1f} MB"


def begin(client, *params):
    """A transaction up to DATA."""
    assert client.mail(SENDER, *params).code == 250
    assert client.rcpt("b@example.com").code == 250
    client.cmd("DATA", 354)


def data(post, raw):
    """raw and the end of data, whole. The reply; nothing comes after it."""
    with post.client() as client:
        begin(client)
        client.sock.sendall(raw + b"\r\n.\r\n")
        reply = client.reply()
        assert client.cmd("NOOP").code == 250
        client.quit()
    return reply


def flood(client, data, times):
    """Send without reading a reply, while somebody takes it."""
    with contextlib.suppress(ConnectionError):
        for _ in range(times):
            client.sock.sendall(data)


# The attacks


def overlong_command(post):
    """Two thousand octets are more than any extension asks for; after that
    nobody can say where the next command begins."""
    with post.client() as client:
        flood(client, b"NOOP " + b"x" * 1_000_000, 1)
        with contextlib.suppress(*GONE):
            assert str(client.reply()).startswith("500 5.5.2")
            client.reply()
            pytest.fail("the session goes on")


def overlong_text_line(post):
    """Taken as it is: who wrote it hears of it from SES, if that minds."""
    assert data(post, HEAD + b"\r\n" + b"x" * 5_000_000).code == 250


def overlong_header_line(post):
    assert data(post, HEAD + b"X-Long: " + b"x" * 300_000).code == 552


def no_commands(post):
    """A bare LF is forgiven, as by everybody; NUL and bare CR are not."""
    with Lmtp(post.socket) as client:
        client.send(b"NOOP\nNO\0OP\r\nNOOP\rNOOP\r\n" + b"\0" * 1000 + b"\r\n")
        replies = [str(client.reply())[:9] for _ in range(4)]
    assert replies == ["250 2.0.0", *["500 5.5.2"] * 3]


def nuls_in_a_message(post):
    assert data(post, HEAD + b"\r\nHel\0lo.\r\n" + b"\0" * 1000).code == 250
    assert data(post, HEAD + b"X-\0Nul: \0\r\n\r\nHello.").code == 250


def bare_cr_and_lf_in_a_message(post):
    assert data(post, HEAD + b"\r\n" + b"\r\n\n\r\r.\n" * 10_000).code == 250


def smuggling(post):
    for end in COUSINS.values():
        smuggle(post, end)


def ten_thousand_commands(post):
    """And then it does read: not one reply is missing."""
    with post.client() as client:
        client.sock.sendall(b"NOOP\r\n" * 10_000)
        assert {r.code for r in client.replies(10_000)} == {250}


def deaf_client(post):
    """Its replies fill the socket. For posternd it is one that says nothing."""
    with Lmtp(post.socket) as client:
        client.sock.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                client.sock.sendall(b"NOOP\r\n" * 1000)


def half_a_message(post):
    with post.client() as client:
        begin(client)
        client.send(HEAD + b"\r\nHel")
        assert str(client.reply()).startswith("421 4.4.2")
        with pytest.raises(Closed):
            client.reply()


def silence(post):
    with post.client() as client:
        assert str(client.reply()).startswith("421 4.4.2")
        with pytest.raises(Closed):
            client.reply()


def trickle(client, pause=0.05):
    """A byte now and then until the server has had enough; returns its words."""
    client.sock.settimeout(pause)
    while True:
        try:
            client.sock.sendall(b"x")
            return client.sock.recv(1000)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""


def trickling_command(post):
    """The time for a command is the time for all of it."""
    with post.client() as client:
        assert trickle(client)[:9] in (b"421 4.4.2", b"")


def trickling_message(post):
    with post.client() as client:
        begin(client)
        assert trickle(client)[:9] in (b"421 4.4.2", b"")


def undeclared_8bit(post):
    assert data(post, HEAD + b"\r\n" + bytes(range(128, 256)) * 7).code == 250


def hundred_megabytes(post):
    """Whatever SIZE said, or did not say."""
    with post.client() as client:
        assert client.mail(SENDER, "SIZE=100000000").code == 552
        begin(client)
        flood(client, (b"x" * 998 + b"\r\n") * 1000, 100)
        client.sock.sendall(b".\r\n")
        assert str(client.reply()).startswith("552 5.3.4")
        assert client.cmd("NOOP").code == 250


def endless_message(post):
    """Four times what is allowed is not read to its end."""
    with post.client() as client:
        begin(client)
        flood(client, (b"x" * 998 + b"\r\n") * 1000, 1000)
        with contextlib.suppress(*GONE):
            assert str(client.reply()).startswith("552 5.3.4")
            client.reply()
            pytest.fail("the session goes on")


def hundred_thousand_recipients(post):
    codes = {250: 0, 452: 0}
    with post.client() as client:
        client.mail(SENDER)
        for hundred in range(1000):
            client.sock.sendall(b"".join(
                b"RCPT TO:<r%d@example.com>\r\n" % (hundred * 100 + n)
                for n in range(100)
            ))
            for reply in client.replies(100):
                codes[reply.code] += 1
        client.rset()
    assert codes == {250: 1000, 452: 99_000}


def idle_connections(post):
    """Each is told when its time is up, and none is in the way of the others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < CONNECTIONS + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTIONS + 200, hard))
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(Lmtp(post.socket, greeting=False))
            for _ in range(CONNECTIONS)
        ]
        for client in clients:
            assert client.reply().code == 220
            assert str(client.reply()).startswith("421 4.4.2")


# Ends that somebody's server takes for the end of data, by name.
COUSINS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "LF.CR": b"\n.\r",
    "CR.CR": b"\r.\r",
    "CR.LF": b"\r.\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CRLF.CR": b"\r\n.\r",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.LF": b"\r\r\n.\n",
    "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "CRCR.CRLF": b"\r\r.\r\n",
    "LFCR.CRLF": b"\n\r.\r\n",
    "NUL before the dot": b"\r\n\0.\r\n",
    "NUL after the dot": b"\r\n.\0\r\n",
    "NUL in CRLF": b"\r\0\n.\r\n",
}


def smuggle(post, end):
    """Two messages for who takes this end for one, and one message in truth.
    Returns the reply to it, after which there is no other."""
    return data(post, HEAD + b"\r\nHello." + end +
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<evil@example.com>\r\nDATA\r\n"
        + HEAD + b"\r\nSmuggled.")


def test_nothing_that_is_kept_and_far_too_much_of_it(parts):
    """What is left out counts for the bound, and the answer says so."""
    post, _ = relay(parts, conf={"lmtp": {"max-message-size": "64K"}})
    with post.client() as client:
        client.mail(SENDER)
        client.rcpt("b@example.com")
        client.cmd("DATA", 354)
        client.sock.sendall(HEAD + bytes(320 * 1024) + b"\r\n.\r\n")
        reply = client.reply()
    assert (reply.code, reply.enhanced) == (552, "5.3.4"), reply


@pytest.mark.parametrize("name", COUSINS)
def test_nothing_but_crlf_dot_crlf_ends_a_message(parts, name):
    post, ses = relay(parts)
    reply = smuggle(post, COUSINS[name])
    assert accepted(ses, reply)["recipients"] == ["b@example.com"]
    # All of it is one message, and to the next hop, too.
    _, body = content(ses, reply)
    assert body.startswith(b"Hello.") and body.endswith(b"\r\nSmuggled.\r\n")
    assert len(ses.messages()) == 1
    assert ses.violations() == []
    little_memory(post)


# Those that wait for the end of a time have a short one; nobody else comes
# near it.
WAITING = {"lmtp": {"command-timeout": "1s"}}
MANY = {"lmtp": {"command-timeout": "1s", "max-sessions": CONNECTIONS + 20}}

# With what posternd needs to be told.
ATTACKS = {
    attack.__name__: (attack, conf)
    for attack, conf in [
        (overlong_command, {}),
        (overlong_text_line, {}),
        (overlong_header_line, {}),
        (no_commands, {}),
        (nuls_in_a_message, {}),
        (bare_cr_and_lf_in_a_message, {}),
        (smuggling, {}),
        (ten_thousand_commands, {}),
        (deaf_client, {}),
        (silence, WAITING),
        (half_a_message, WAITING),
        (trickling_command, WAITING),
        (trickling_message, WAITING),
        (undeclared_8bit, {}),
        (hundred_megabytes, {}),
        (endless_message, {}),
        (hundred_thousand_recipients, {}),
        (idle_connections, MANY),
    ]
}

each_attack = pytest.mark.parametrize("name", ATTACKS)


@each_attack
def test_a_clear_answer_and_little_memory(parts, name):
    attack, conf = ATTACKS[name]
    post, ses = relay(parts, conf=conf)
    attack(post)
    accepted(ses, send(post, "b@example.com")[0])
    # SES takes long lines, though the sandbox notes them.
    assert {v["kind"] for v in ses.violations()} <= {"line-too-long"}
    little_memory(post)


def load(post, messages):
    """Well-behaved sessions; returns messages a second."""
    out = subprocess.run(
        [tool("lmtpload"), post.socket, "10", str(messages), "2048", "1"],
        check=True, capture_output=True, text=True,
    ).stdout
    return messages / float(out)


@contextlib.contextmanager
def over_and_over(attack, post, clients):
    """The attack by several clients, until the end of the block."""
    end = threading.Event()
    failures = []

    def go_on():
        try:
            while not end.is_set():
                attack(post)
        except BaseException as e:  # for the test's own thread
            failures.append(e)

    threads = [threading.Thread(target=go_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def pace_beside(parts, name, messages):
    """Ten sessions, bound by nothing but the distance of SES. One attacker, or
    many where that costs them nothing."""
    attack, conf = ATTACKS[name]
    post, _ = relay(parts, conf=dict(conf, identities={"sandbox": False}),
                    sandbox="no", latency="10ms")
    load(post, 20)
    usual = load(post, messages)
    with over_and_over(attack, post, 20 if conf == WAITING else 1):
        attacked = load(post, messages)
    print(f"\n{name}: {attacked:.0f}/s of {usual:.0f}/s, "
          f"{attacked / usual:.2f}; {post.daemon.memory_peak():.1f} MB")
    assert attacked >= usual / 2, f"{attacked:.0f}/s of {usual:.0f}/s"
    little_memory(post)


@pytest.mark.pace
@each_attack
def test_others_are_served_meanwhile(parts, name):
    pace_beside(parts, name, 50)


@pytest.mark.soak
@pytest.mark.pace
@each_attack
def test_others_are_served_meanwhile_for_long(parts, name):
    pace_beside(parts, name, 1000)


# Places: who waits gets that of one who makes nothing of it


def hold(client, first, again, pause=0.2):
    """Keep a place with as little as this; returns the server's last words."""
    words = b""
    client.sock.settimeout(pause)
    client.sock.sendall(first)
    with contextlib.suppress(ConnectionError):
        while True:
            try:
                got = client.sock.recv(1 << 16)
            except TimeoutError:
                with contextlib.suppress(BrokenPipeError):
                    client.sock.sendall(again)
                continue
            if not got:
                break
            words = (words + got)[-200:]
    return words.splitlines()[-1][:9] if words else b""


ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n"

HOLDERS = {
    "nothing": (b"", b""),
    "half a command": (b"NO", b""),
    "a command in bytes": (b"NOOP ", b"x"),
    "NOOP": (b"", b"NOOP\r\n"),
    "NOOP without end": (b"", b"NOOP\r\n" * 100, 0.01),
    "RSET": (b"", b"MAIL FROM:<a@example.com>\r\nRSET\r\n"),
    "half a transaction": (ENVELOPE, b""),
    "NOOP in a transaction": (ENVELOPE, b"NOOP\r\n"),
    "transactions": (ENVELOPE, b"RSET\r\n" + ENVELOPE),
    "half a message": (ENVELOPE + b"DATA\r\n" + HEAD, b""),
    "a message in bytes": (ENVELOPE + b"DATA\r\n" + HEAD, b"x"),
}


def test_nobody_holds_a_place_with_little(parts):
    """As many as there are places, each with another trick. Nobody is told to go
    as long as nobody else comes; then all are, within seconds, and mail flows."""
    post, _ = relay(parts, conf={"lmtp": {"max-sessions": len(HOLDERS)}})
    last_words = {}
    done = threading.Event()
    failures = []

    def keep(name, client):
        with client:
            last_words[name] = hold(client, *HOLDERS[name])

    def use():
        try:
            with post.client() as client:
                while not done.is_set():
                    [reply] = client.deliver(
                        SENDER, ["b@example.com"],
                        message(SENDER, "b@example.com"),
                    )
                    assert reply.code == 250, reply
                    time.sleep(0.1)
        except BaseException as e:  # for the test's own thread
            failures.append(e)

    clients = {name: post.connect() for name in HOLDERS}
    keepers = [
        threading.Thread(target=keep, args=item) for item in clients.items()
    ]
    users = [threading.Thread(target=use) for _ in HOLDERS]
    for thread in keepers:
        thread.start()
    # Longer than the 5 s after which an idle one may have to go.
    keepers[0].join(6)
    assert last_words == {}
    for thread in users:
        thread.start()
    for thread in keepers:
        thread.join(60)
    done.set()
    for thread in users:
        thread.join(60)
    assert failures == []
    assert last_words == {name: b"421 4.3.2" for name in HOLDERS}
    little_memory(post)


@pytest.mark.soak
def test_who_hears_refusals_keeps_the_place(parts):
    """A mail server whose recipients are all refused makes good use of it."""
    post, _ = relay(parts, conf={"lmtp": {"max-sessions": 1}})
    with post.connect() as busy, contextlib.closing(
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as waiting:
        waiting.connect(post.socket)
        until = time.monotonic() + 17  # without an answer, 15 s are given
        while time.monotonic() < until:
            assert busy.mail(SENDER).code == 250
            assert busy.rcpt("b@elsewhere.example").code == 550
            assert busy.cmd("RSET").code == 250
            time.sleep(0.2)
        busy.cmd("QUIT", 221)
        waiting.settimeout(PATIENCE)
        assert waiting.recv(4) == b"220 "


def test_behind_a_thousand_idle_connections(parts):
    """All came first, and there are places for two hundred: who comes after them
    waits for five seconds as often as places fill up."""
    post, ses = relay(parts)
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(Lmtp(post.socket, greeting=False))
        began = time.monotonic()
        accepted(ses, send(post, "b@example.com")[0])
        waited = time.monotonic() - began
    print(f"\nwaited {waited:.1f} s")
    assert waited < 40
    little_memory(post)
