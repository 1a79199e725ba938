"""The connection to the mail server breaks after SES has accepted: it comes again, SES does not hear of it."""

import collections
import contextlib
import copy
import re
import socket
import threading

import pytest

from lib.postfix import why_not
from lib.proc import PATIENCE

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

RCPT = re.compile(rb"^RCPT TO:<([^>]*)>", re.M | re.I)


class Cutter:
    """Stands between Postfix and posternd, and cuts the connection the first
    time that each message is on its way: every other one as soon as SES has
    accepted it, the rest when posternd's answer comes."""

    def __init__(self, port, ses):
        self.port = port
        # A connection to the control socket belongs to one thread.
        self.ses = copy.copy(ses)
        self.ses._control = None
        self.cut = set()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"inet:127.0.0.1:{self.socket.getsockname()[1]}"

    def _serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            # Postfix has one connection at a time (see the test).
            with client, socket.create_connection(
                ("127.0.0.1", self.port)
            ) as server:
                self._carry(client, server)

    def _carry(self, client, server):
        answers = threading.Thread(
            target=self._answers, args=(server, client), daemon=True
        )
        self.to = None
        answers.start()
        said = b""
        while True:
            try:
                data = client.recv(65536)
            except OSError:
                data = b""
            said = (said + data)[-65536:]
            for to in RCPT.findall(said):
                self.to = to.decode()
            ends = said.endswith(b"\r\n.\r\n")
            early = ends and len(self.cut) % 2 == 0 and self.to not in self.cut
            seen = self.ses.counters()["messages"] if early else 0
            if not data:
                break
            server.sendall(data)
            if early:
                self.ses.wait_for("messages", seen + 1)
                self._break(client, server)
                break
            if ends:
                said = b""
        self._shut(client, server)
        answers.join(PATIENCE)

    def _answers(self, server, client):
        try:
            while data := server.recv(65536):
                if b"250 2.0.0 Ok " in data and self.to not in self.cut:
                    self._break(client, server)
                    return
                client.sendall(data)
        except OSError:
            pass

    def _break(self, client, server):
        self.cut.add(self.to)
        self._shut(client, server)

    @staticmethod
    def _shut(*ends):
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(PATIENCE)
        self.ses._hang_up()


@pytest.mark.parametrize("messages", [
    10, pytest.param(100, marks=pytest.mark.soak),
])
def test_cut_after_ses_accepted(parts, postfix_site, messages):
    postfix, relay = postfix_site(ses={"latency": "20ms", "save": None}, main={
        "lmtp_destination_concurrency_limit": "1",
        "initial_destination_concurrency": "1",
        # Lost connections must not make it give up on the destination.
        "lmtp_destination_concurrency_failed_cohort_limit": "1000",
    })
    cutter = parts.add(Cutter(relay.posternd.port, relay.sandbox))
    postfix.stop()
    postfix.configure(default_transport=f"lmtp:{cutter.address}")
    postfix.start()
    postfix.smtp_source(
        "-N", "-s", "5", "-m", str(messages), "-l", "2048",
        "-f", "sender@example.com", "-t", "rcpt@example.net",
    )
    # Now and then the queue manager leaves a deferred message alone for long.
    for _ in range(PATIENCE // 5 + messages):
        try:
            postfix.wait_deliveries(messages, patience=5)
            break
        except AssertionError:
            postfix.flush()
    postfix.wait_deliveries(messages, patience=5)
    postfix.wait_empty()
    assert len(cutter.cut) == messages
    got = collections.Counter(
        rcpt for m in relay.sandbox.messages() for rcpt in m["recipients"]
    )
    assert got == dict.fromkeys(cutter.cut, 1)
    by_recipient = {
        m["recipients"][0]: m["id"] for m in relay.sandbox.messages()
    }
    for delivery in postfix.deliveries():
        if delivery["status"] == "sent":
            assert "(sent before, at " in delivery["reply"]
            assert by_recipient[delivery["to"]] in delivery["reply"]
    rows = relay.posternd.sql(
        "SELECT event, count(*) AS n FROM journal "
        "WHERE event IN ('sending', 'sent', 'repeat', 'doubtful') GROUP BY event"
    )
    assert {row["event"]: row["n"] for row in rows} == {
        "sending": messages, "sent": messages, "repeat": messages,
    }
    relay.posternd.run("verify", "--projections")
