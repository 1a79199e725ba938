"""An MTA's side of the milter protocol, version 6, to ask a milter things that
no real MTA would.

	with Talk(milter.address) as mta:
	    changes = mta.message("<a@example.net>", [("From", "a@example.net")])
"""

import socket
import struct

from lib.proc import PATIENCE

ADDHDRS, CHGHDRS, CHGFROM, SETSYMLIST = 0x1, 0x10, 0x40, 0x100
ACTIONS = 0x1FF
# All that Sendmail 8.17 can leave out or need not wait for.
PROTOCOL = 0x1FFFFF
# What it need not wait for: the end of connection, MAIL, a header field.
NR_CONN, NR_MAIL, NR_HDR = 0x1000, 0x4000, 0x80
WAITS = PROTOCOL & ~(NR_CONN | NR_MAIL | NR_HDR)



def words(data):
    """Strings that end in NUL each."""
    return [w.decode("utf-8", "surrogateescape") for w in data.split(b"\0")[:-1]]


def cstrings(*texts):
    return b"".join(
        t.encode("utf-8", "surrogateescape") + b"\0" for t in texts
    )


class Gone(Exception):
    """The milter has closed the connection."""


class Refused(Exception):
    """The milter said no; code and text as the MTA would give them."""

    def __init__(self, verdict, text=""):
        super().__init__(verdict, text)
        self.verdict = verdict
        self.text = text


class Talk:
    """A connection of the MTA, over which it hands several messages.

    With protocol=WAITS each step is known to have been taken when it returns.
    """

    def __init__(self, address, host="mx.example.com", actions=ACTIONS,
                 protocol=PROTOCOL):
        kind, _, rest = address.partition(":")
        if kind == "unix":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(rest)
        else:
            name, _, port = rest.rpartition(":")
            self.sock = socket.create_connection(
                (name.strip("[]"), int(port)), PATIENCE
            )
        self.sock.settimeout(PATIENCE)
        self.input = self.sock.makefile("rb")
        self.host = host
        self.negotiate(actions, protocol)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.input.close()
        self.sock.close()

    def send(self, command, data=b""):
        self.sock.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def receive(self):
        head = self.input.read(4)
        if len(head) < 4:
            raise Gone
        (size,) = struct.unpack(">I", head)
        packet = self.input.read(size)
        return packet[:1], packet[1:]

    def negotiate(self, actions, protocol):
        self.send(b"O", struct.pack(">III", 6, actions, protocol))
        command, data = self.receive()
        assert command == b"O"
        self.version, self.actions, self.protocol = struct.unpack(
            ">III", data[:12]
        )
        self.macros = {}
        rest = data[12:]
        while rest:
            (stage,) = struct.unpack(">I", rest[:4])
            names, _, rest = rest[4:].partition(b"\0")
            self.macros[stage] = names.decode()

    def macro(self, command, **values):
        flat = []
        for name, value in values.items():
            flat += [name if len(name) == 1 else "{" + name + "}", value]
        self.send(b"D", command + cstrings(*flat))

    def connect(self, name="client.example", addr="192.0.2.1"):
        self.macro(b"C", j=self.host)
        self.send(b"C", cstrings(name) + b"4" + struct.pack(">H", 4711)
                  + cstrings(addr))
        self.wait(NR_CONN)
        return self

    def wait(self, bit):
        """For the answer to a step, if there is one."""
        if not self.protocol & bit:
            command, _ = self.receive()
            assert command == b"c"

    def mail(self, sender, **macros):
        self.macro(b"M", **macros)
        self.send(b"M", cstrings(sender))
        self.wait(NR_MAIL)

    def field(self, name, value):
        self.send(b"L", cstrings(name, value))
        self.wait(NR_HDR)

    def end(self, queue_id="4XyZ12"):
        """End of message: the changes, as [("chgfrom", ...), ...]."""
        if queue_id is not None:
            self.macro(b"E", i=queue_id)
        self.send(b"E")
        return self.changes()

    def changes(self):
        found = []
        while True:
            command, data = self.receive()
            if command == b"c":
                return found
            if command == b"e":
                found.append(("sender", words(data)[0]))
            elif command == b"h":
                found.append(("add", *words(data)))
            elif command in (b"m", b"i"):
                (index,) = struct.unpack(">I", data[:4])
                found.append((
                    "change" if command == b"m" else "insert",
                    index, *words(data[4:]),
                ))
            elif command == b"y":
                raise Refused("reply", words(data)[0])
            else:
                raise Refused({b"r": "reject", b"t": "tempfail"}[command])

    def message(self, sender, fields, queue_id="4XyZ12", **macros):
        """All of one; fields are pairs, values with LF between their lines."""
        self.mail(sender, **macros)
        for name, value in fields:
            self.field(name, value)
        return self.end(queue_id)

    def abort(self):
        self.send(b"A")

    def quit(self):
        self.send(b"Q")


class Socketmap:
    """A client of the socketmap."""

    def __init__(self, address):
        kind, _, rest = address.partition(":")
        if kind == "unix":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(rest)
        else:
            name, _, port = rest.rpartition(":")
            self.sock = socket.create_connection((name, int(port)), PATIENCE)
        self.input = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.sock.close()

    def send(self, key, name="srs"):
        text = f"{name} {key}".encode()
        self.sock.sendall(b"%d:%s," % (len(text), text))

    def receive(self):
        """One reply, or None when the server has gone."""
        digits = b""
        while (c := self.input.read(1)) != b":":
            if not c:
                return None
            digits += c
        text = self.input.read(int(digits))
        assert self.input.read(1) == b","
        return text.decode()

    def ask(self, key, name="srs"):
        self.send(key, name)
        return self.receive()
