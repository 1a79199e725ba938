"""postern-milter as an MTA sees it: what becomes of a message.

The MTA is played here (lib.miltertalk); tests/integration has the real ones.
"""

import contextlib
import os

import pytest

from lib import build
from lib.milter import Milter, configure, rewrite_conf, write
from lib.miltertalk import ACTIONS, CHGFROM, Gone, Refused, Talk

VERIFIED = "a@example.com"
FOREIGN = "someone@foreign.example"


@pytest.fixture
def milter(parts):
    """Makes a started milter; keys are those of the rewrite section."""

    def make(table=None, identities=("example.com",), **keys):
        keys.setdefault("default", "srs")
        rundir = parts.dir("milter")
        conf = configure(
            rundir, identities, rewrite_conf(rundir, table, **keys)
        )
        return parts.add(Milter(rundir, conf)).start()

    return make


def of(changes, kind):
    return [c[1:] for c in changes if c[0] == kind]


def without_origin(changes):
    return [c for c in changes if c[0] != "insert"]


def from_header(address, name=None):
    return [("From", f"{name} <{address}>" if name else address),
            ("To", "b@example.net"), ("Subject", "x")]


def test_rewrites_envelope_and_header(milter):
    post = milter()
    with Talk(post.address).connect() as mta:
        changes = mta.message(
            f"<{FOREIGN}>", from_header(FOREIGN, "Some One"), queue_id="4Q1"
        )
    [(sender,)] = of(changes, "sender")
    assert sender.startswith("<SRS0=") and sender.endswith(
        "=foreign.example=someone@example.com>"
    )
    [(index, name, value)] = of(changes, "change")
    assert (index, name) == (1, "From")
    assert value == f"Some One {sender}"
    assert sorted(of(changes, "add")) == [
        ("Reply-To", f"Some One <{FOREIGN}>"),
        ("X-Original-From", f"Some One <{FOREIGN}>"),
    ]
    [(index, name, value)] = of(changes, "insert")
    assert (index, name) == (0, "X-Postern-Origin")
    assert value.startswith("v=1; q=4Q1;")
    event = post.daemon.wait_event("rewritten", id="4Q1")
    assert event["sender"] == FOREIGN
    assert event["to"] == sender.strip("<>")
    assert event["client"] == "client.example [192.0.2.1]"


@pytest.mark.parametrize("sender", [VERIFIED, "b@sub.example.com"])
def test_leaves_verified_senders_alone(milter, sender):
    post = milter()
    with Talk(post.address).connect() as mta:
        changes = mta.message(f"<{sender}>", from_header(sender))
    assert without_origin(changes) == []
    assert [name for _, name, _ in of(changes, "insert")] == [
        "X-Postern-Origin"
    ]


def test_leaves_null_senders_alone(milter):
    """A bounce stays one: what From it has is posternd's to mend."""
    post = milter()
    with Talk(post.address).connect() as mta:
        changes = mta.message("<>", from_header("MAILER-DAEMON@mx.elsewhere"))
    assert without_origin(changes) == []


def test_adds_no_origin_without_a_secret(milter):
    post = milter(secret=None, default="fixed:all@example.com")
    with Talk(post.address).connect() as mta:
        changes = mta.message(f"<{FOREIGN}>", from_header(VERIFIED))
    assert changes == [("sender", "<all@example.com>")]


def test_adds_no_origin_without_a_queue_id(milter):
    post = milter()
    with Talk(post.address).connect() as mta:
        changes = mta.message(
            f"<{VERIFIED}>", from_header(VERIFIED), queue_id=None
        )
    assert changes == []
    assert "macro i" in post.daemon.wait_event("no-origin")["reason"]


def test_completes_senders_without_a_domain(milter):
    """As the MTA says that it will, else with the MTA's own name."""
    post = milter()
    with Talk(post.address, host="mx.example.com").connect() as mta:
        changes = mta.message("<root>", from_header(VERIFIED))
        assert of(changes, "sender") == [("<root@mx.example.com>",)]
        changes = mta.message(
            "<root>", from_header(VERIFIED), mail_addr="root@example.com"
        )
        assert of(changes, "sender") == []
    with Talk(post.address, host="mx.elsewhere.example").connect() as mta:
        changes = mta.message("<root>", from_header(VERIFIED))
        [(sender,)] = of(changes, "sender")
        assert "=mx.elsewhere.example=root@example.com>" in sender


@pytest.mark.parametrize("path, mail_addr, original", [
    ("<@relay.example:alice@example.com>", None, None),
    ("<@relay.example:alice@example.com>", "alice@example.com", None),
    ("<alice@web1>", "alice@web1.example.com", None),
    ("<alice@web1>", "alice", "alice@web1"),
    ("<@relay.example:alice@foreign.example>", None, "alice@foreign.example"),
    ('<"al ice"@example.com>', "al ice@example.com", None),
    ('<"al@ice"@foreign.example>', "al@ice@foreign.example",
     '"al@ice"@foreign.example'),
])
def test_goes_by_what_the_mta_makes_of_a_sender(
        milter, path, mail_addr, original):
    """Where that is an address; a source route is none of it."""
    post = milter()
    macros = {} if mail_addr is None else {"mail_addr": mail_addr}
    with Talk(post.address).connect() as mta:
        changes = mta.message(path, from_header(VERIFIED), **macros)
    assert bool(of(changes, "sender")) == (original is not None), changes
    if original is not None:
        assert post.daemon.wait_event("rewritten")["sender"] == original


def test_completes_from_as_well(milter):
    post = milter()
    with Talk(post.address, host="mx.example.com").connect() as mta:
        changes = mta.message("<root>", from_header("root"))
    [(_, name, value)] = of(changes, "change")
    assert (name, value) == ("From", "root@mx.example.com")


def test_rewrites_sender_field(milter):
    post = milter(default="fixed:all@example.com")
    fields = from_header(VERIFIED) + [("Sender", f"Sec <{FOREIGN}>")]
    with Talk(post.address).connect() as mta:
        changes = mta.message(f"<{VERIFIED}>", fields)
    assert without_origin(changes) == [
        ("change", 1, "Sender", "Sec <all@example.com>")
    ]


def test_keeps_what_reply_to_there_is(milter):
    post = milter()
    fields = from_header(FOREIGN) + [("Reply-To", "answers@foreign.example")]
    with Talk(post.address).connect() as mta:
        changes = mta.message(f"<{FOREIGN}>", fields)
    assert [name for name, _ in of(changes, "add")] == ["X-Original-From"]


def test_one_from_is_left_of_two_alike(milter):
    post = milter(default="fixed:all@example.com")
    with Talk(post.address).connect() as mta:
        changes = mta.message(
            f"<{VERIFIED}>", [("From", FOREIGN)] * 3 + [("To", "b@c.example")]
        )
    assert [(i, v == "") for i, n, v in of(changes, "change")] == [
        (1, False), (3, True), (2, True)
    ]


def test_refuses_two_that_differ(milter):
    post = milter()
    with Talk(post.address).connect() as mta:
        with pytest.raises(Refused) as no:
            mta.message(
                f"<{VERIFIED}>",
                [("From", VERIFIED), ("From", FOREIGN)],
            )
    assert no.value.text.startswith("550 5.6.0 ")


def test_unfolds_and_keeps_lines_in_values(milter):
    post = milter(default="fixed:all@example.com")
    with Talk(post.address).connect() as mta:
        changes = mta.message(
            f"<{VERIFIED}>", [("From", f"A\n\tB\n <{FOREIGN}>")]
        )
    [(_, name, value)] = of(changes, "change")
    assert value == "A\n\tB\n <all@example.com>"


@pytest.mark.parametrize("default,code,event", [
    ("reject", "550 5.7.1", "refused"), ("defer", "451 4.7.1", "deferred"),
])
def test_refuses_with_words(milter, default, code, event):
    post = milter(default=default)
    with Talk(post.address).connect() as mta:
        with pytest.raises(Refused) as no:
            mta.message(f"<{FOREIGN}>", from_header(FOREIGN), queue_id="4Q2")
        assert no.value.text.startswith(f"{code} sender <{FOREIGN}> ")
        assert post.daemon.wait_event(event, id="4Q2")["sender"] == FOREIGN
        # And the next one on this connection is another matter.
        assert without_origin(
            mta.message(f"<{VERIFIED}>", from_header(VERIFIED))
        ) == []


def test_refusals_are_safe_lines(milter):
    """Bounded lines of printable ASCII, whatever the sender is called."""
    post = milter(default="reject")
    local = "x%s%n\x07\xe9" + "y" * 900
    with Talk(post.address).connect() as mta:
        with pytest.raises(Refused) as no:
            mta.message(f"<{local}@foreign.example>", from_header(VERIFIED))
    lines = no.value.text.split("\r\n")
    assert all(len(line) <= 510 for line in lines)
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert all(line.startswith("550") for line in lines)


def test_messages_have_nothing_of_those_before(milter):
    """Several on a connection, some of which end in the middle."""
    post = milter(default="fixed:all@example.com")
    with Talk(post.address).connect() as mta:
        for _ in range(3):
            mta.mail(f"<{FOREIGN}>")
            mta.field("From", FOREIGN)
            mta.field("Reply-To", FOREIGN)
            mta.abort()
            changes = mta.message(
                f"<{VERIFIED}>", [("From", FOREIGN), ("To", "b@example.net")]
            )
            assert of(changes, "sender") == []
            assert sorted(of(changes, "add")) == [
                ("Reply-To", FOREIGN), ("X-Original-From", FOREIGN)
            ]
            # Nobody said abort, but a new message begins.
            mta.mail(f"<{FOREIGN}>")
            mta.field("From", FOREIGN)
        mta.quit()


def test_connections_at_once_do_not_mix(milter):
    post = milter()
    with contextlib.ExitStack() as stack:
        mtas = [
            stack.enter_context(Talk(post.address).connect())
            for _ in range(50)
        ]
        for n, mta in enumerate(mtas):
            mta.mail(f"<u{n}@foreign.example>")
        for n, mta in enumerate(mtas):
            mta.field("From", f"u{n}@foreign.example")
        for n, mta in enumerate(mtas):
            changes = mta.end(f"4Q{n}")
            [(sender,)] = of(changes, "sender")
            assert f"=u{n}@example.com>" in sender
            [(_, _, value)] = of(changes, "insert")
            assert value.startswith(f"v=1; q=4Q{n};")


def test_header_section_has_a_bound(milter):
    """Refused as posternd would refuse it; nothing of it is kept."""
    post = milter()
    before = post.daemon.memory_peak()
    with Talk(post.address).connect() as mta:
        mta.mail(f"<{VERIFIED}>")
        for _ in range(2000):
            mta.field("From", "x" * 60000)
        with pytest.raises(Refused) as no:
            mta.end()
        assert no.value.text.startswith("552 5.3.4 ")
        # 120 MB have passed. (A sanitizer keeps what was freed for a while.)
        assert build.SANITIZER or post.daemon.memory_peak() < before + 30
        # A large body is none of its business, and the next message is fine.
        assert without_origin(
            mta.message(f"<{VERIFIED}>", from_header(VERIFIED))
        ) == []


def test_asks_for_little(milter):
    post = milter()
    with Talk(post.address) as mta:
        # No HELO, recipients, DATA, end of header, body, unknown commands;
        # and no answer is waited for at connection, MAIL and header fields.
        assert mta.protocol == 0x2 | 0x8 | 0x200 | 0x40 | 0x10 | 0x100 | (
            0x1000 | 0x4000 | 0x80
        )
        assert mta.macros == {
            0: "j", 2: "i {auth_authen} {mail_addr}", 5: "i"
        }


def test_turns_down_an_mta_that_cannot_change_senders(milter):
    post = milter()
    with pytest.raises(Gone):
        Talk(post.address, actions=ACTIONS & ~CHGFROM)
    assert "Postfix 2.6" in post.daemon.wait_event("unfit-mta")["cure"]


@pytest.mark.parametrize("steps", ["", "C", "CM", "CML", "CMLA"])
def test_bears_mtas_that_go_away(milter, steps):
    post = milter()
    mta = Talk(post.address)
    if "C" in steps:
        mta.connect()
    if "M" in steps:
        mta.mail(f"<{FOREIGN}>")
    if "L" in steps:
        mta.field("From", FOREIGN)
    if "A" in steps:
        mta.abort()
    mta.close()
    with Talk(post.address).connect() as mta:
        assert mta.message(f"<{FOREIGN}>", from_header(FOREIGN))


def test_bears_steps_out_of_order(milter):
    """libmilter lets a MAIL through from who never said who connects."""
    post = milter()
    for steps in ("M", "ML", "L", "E", "A", "CE", "CL", "CAE", "CMAE", "CMEE",
                  "ME", "MLE", "KM", "CKM", "CMKLE"):
        with contextlib.suppress(Gone, Refused, ConnectionError):
            with Talk(post.address) as mta:
                for step in steps:
                    {"C": mta.connect, "E": lambda: mta.send(b"E"),
                     "M": lambda: mta.mail(f"<{FOREIGN}>"), "A": mta.abort,
                     "L": lambda: mta.field("From", FOREIGN),
                     "K": lambda: mta.send(b"K")}[step]()
                mta.quit()
                # Until the milter has closed it, having read all.
                while True:
                    mta.receive()
    with Talk(post.address).connect() as mta:
        assert mta.message(f"<{FOREIGN}>", from_header(FOREIGN))


def test_bears_garbage(milter):
    post = milter()
    for garbage in (b"", b"\0\0\0\0", b"\0\0\0\1Z", b"GET / HTTP/1.0\r\n\r\n",
                    b"\xff\xff\xff\xff" * 4, b"\0\0\0\1L", b"\0\0\0\2Mx"):
        with contextlib.suppress(Gone, ConnectionError):
            mta = Talk(post.address)
            mta.sock.sendall(garbage)
            mta.close()
    with Talk(post.address).connect() as mta:
        assert mta.message(f"<{FOREIGN}>", from_header(FOREIGN))


def test_another_session_on_one_connection(milter):
    """QUIT_NC: the MTA keeps the connection for its next client."""
    post = milter()
    with Talk(post.address).connect("one.example") as mta:
        mta.message(f"<{FOREIGN}>", from_header(FOREIGN), queue_id="4Q1")
        mta.send(b"K")
        mta.connect("two.example")
        mta.message(f"<{FOREIGN}>", from_header(FOREIGN), queue_id="4Q2")
    assert post.daemon.wait_event("rewritten", id="4Q1")["client"].startswith(
        "one.example"
    )
    assert post.daemon.wait_event("rewritten", id="4Q2")["client"].startswith(
        "two.example"
    )


def test_table_counts_and_is_read_again(milter):
    post = milter(
        table=f"{FOREIGN} desk@example.com\n@foreign.example reject\n"
    )
    table = os.path.join(post.rundir, "senders")
    with Talk(post.address).connect() as mta:
        changes = mta.message(f"<{FOREIGN}>", from_header(VERIFIED))
        assert of(changes, "sender") == [("<desk@example.com>",)]
        with pytest.raises(Refused):
            mta.message("<other@foreign.example>", from_header(VERIFIED))

        write(table, "@foreign.example {local}@example.com\n")
        changes = mta.message("<other@foreign.example>", from_header(VERIFIED))
        assert of(changes, "sender") == [("<other@example.com>",)]

        # A bad one: the old one stays, and the reason is told once.
        write(table, "@foreign.example nowhere\n")
        for _ in range(3):
            changes = mta.message(
                "<other@foreign.example>", from_header(VERIFIED)
            )
            assert of(changes, "sender") == [("<other@example.com>",)]
    post.daemon.wait_line("nowhere")
    told = [line for line in post.daemon.lines if "nowhere" in line]
    assert len(told) == 1 and "senders:1: " in told[0], told
