"""A small LMTP client that can also misbehave.

It keeps a transcript, so that a failing test shows the conversation.
"""

import socket
import struct
import uuid


class Reply:
    """One reply: its code, its lines without the code, and how it reads."""

    def __init__(self, code, lines):
        self.code = code
        self.lines = lines

    @property
    def text(self):
        return " ".join(self.lines)

    @property
    def enhanced(self):
        """The enhanced status code, such as 4.4.5, or ''."""
        word = self.lines[0].split(" ", 1)[0]
        return word if word.count(".") == 2 else ""

    @property
    def ses_id(self):
        """The SES message id of an acceptance, or None."""
        words = self.text.split(" ")
        if self.code == 250 and words[:2] == ["2.0.0", "Ok"]:
            return words[2] if len(words) > 2 else None
        return None

    def __str__(self):
        return f"{self.code} {self.text}"

    __repr__ = __str__


class Closed(Exception):
    """The server closed the connection where a reply was due."""


class Lmtp:
    """address: a path, or (host, port). The greeting is read at once."""

    def __init__(self, address, timeout=60, greeting=True):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.sock.makefile("rb")
        self.transcript = []
        self.recipients = []
        self.extensions = {}
        if greeting:
            self.greeting = self.reply()
            assert self.greeting.code == 220, self.greeting

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Bytes

    def send(self, data):
        """Bytes as they are."""
        self.transcript.append(f"C: {data[:200]!r}")
        self.sock.sendall(data)

    def line(self, text):
        """A line, CRLF added; str goes out as UTF-8. No reply is read."""
        if isinstance(text, str):
            text = text.encode("utf-8")
        self.send(text + b"\r\n")

    def reply(self):
        """The next reply, whole."""
        lines = []
        while True:
            raw = self.input.readline()
            if not raw.endswith(b"\r\n"):
                raise Closed(f"after {raw!r}\n" + "\n".join(self.transcript[-20:]))
            text = raw[:-2].decode("utf-8", "backslashreplace")
            self.transcript.append(f"S: {text}")
            assert text[:3].isdigit() and text[3:4] in ("", " ", "-"), text
            lines.append(text[4:])
            if text[3:4] != "-":
                return Reply(int(text[:3]), lines)

    def replies(self, n):
        return [self.reply() for _ in range(n)]

    # Commands, a reply each

    def cmd(self, text, expect=None):
        self.line(text)
        reply = self.reply()
        if expect is not None:
            assert reply.code == expect, "\n".join(self.transcript[-20:])
        return reply

    def lhlo(self, name="client.example"):
        reply = self.cmd(f"LHLO {name}", 250)
        for words in reply.lines[1:]:
            key, _, value = words.partition(" ")
            self.extensions[key.upper()] = value
        return reply

    def mail(self, sender, *params):
        self.recipients = []
        return self.cmd(" ".join([f"MAIL FROM:<{sender}>", *params]))

    def rcpt(self, recipient, *params):
        reply = self.cmd(" ".join([f"RCPT TO:<{recipient}>", *params]))
        if reply.code == 250:
            self.recipients.append(recipient)
        return reply

    def data(self, message):
        """DATA, the message, and a reply for each recipient that was taken."""
        self.cmd("DATA", 354)
        self.body(message)
        return self.replies(len(self.recipients))

    def body(self, message):
        """A message, dots stuffed, with the final dot. No reply is read."""
        if isinstance(message, str):
            message = message.replace("\r\n", "\n").replace("\n", "\r\n")
            message = message.encode("utf-8")
        if not message.endswith(b"\r\n"):
            message += b"\r\n"
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self.transcript.append(f"C: {message[:200]!r} ... .")
        self.sock.sendall(stuffed + b".\r\n")

    def rset(self):
        self.recipients = []
        return self.cmd("RSET", 250)

    def quit(self):
        reply = self.cmd("QUIT", 221)
        self.close()
        return reply

    # Whole transactions

    def deliver(self, sender, recipients, message):
        """MAIL, RCPTs, DATA; returns one final reply for each recipient."""
        reply = self.mail(sender)
        if reply.code != 250:
            return [reply for _ in recipients]
        final = []
        for recipient in recipients:
            reply = self.rcpt(recipient)
            final.append(None if reply.code == 250 else reply)
        if None not in final:
            self.rset()
            return final
        answers = iter(self.data(message))
        return [next(answers) if r is None else r for r in final]

    def deliver_pipelined(self, sender, recipients, message):
        """The same with MAIL, RCPTs and DATA in one write, as Postfix does."""
        lines = [f"MAIL FROM:<{sender}>"]
        lines += [f"RCPT TO:<{r}>" for r in recipients]
        lines.append("DATA")
        self.send("".join(line + "\r\n" for line in lines).encode("utf-8"))
        mail = self.reply()
        final = [self.reply() for _ in recipients]
        data = self.reply()
        if mail.code != 250:
            assert data.code != 354, "\n".join(self.transcript[-20:])
            return [mail for _ in recipients]
        if data.code != 354:
            return [data if r.code == 250 else r for r in final]
        self.body(message)
        return [self.reply() if r.code == 250 else r for r in final]

    # Ways to go

    def cut(self):
        """Drop the connection with a reset, as a crash or a firewall would."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.close()

    def shutdown(self):
        """Close our side for writing and keep reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.input.close()
        self.sock.close()


def message(sender, recipients, subject="A test", body="Hello.\n", headers=()):
    """A small message, different from every other.

    It carries a Received header as an MTA's would, since a message without
    one is never taken for a repeat of another.
    """
    token = uuid.uuid4().hex
    if isinstance(recipients, str):
        recipients = [recipients]
    top = [
        "Received: from client.example (client.example [192.0.2.1])",
        f"\tby mx.example (Postfix) with ESMTP id {token[:12].upper()};",
        "\tMon, 02 Mar 2026 10:00:00 +0000 (UTC)",
        *headers,
        f"From: <{sender}>",
        "To: " + ", ".join(f"<{r}>" for r in recipients),
        f"Subject: {subject}",
        f"Message-ID: <{token}@client.example>",
        "Date: Mon, 02 Mar 2026 10:00:00 +0000",
    ]
    return "\n".join(top) + "\n\n" + body
