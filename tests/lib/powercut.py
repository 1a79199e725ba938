"""What a disk still holds after a power failure, told from a trace of system calls.

A file system promises only what was synced. The trace of a running process gives
every write and sync of its files in order; the state after a failure at any moment
is what was synced by then, and any part of what was written since.
"""

import os
import random
import re
import signal
import subprocess
import threading

CALLS = "pwrite64,ftruncate,fsync,fdatasync,sendmsg"
LINE = re.compile(rb"(\d+) +(\d+\.\d+) (.*)\n?")
CALL = re.compile(rb"(\w+)\(\d+<([^>]*)>,? ?(.*)")
BYTES = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
RESUMED = re.compile(rb"<\.\.\. (\w+) resumed>")


class Trace:
    """strace(1) on a process from now on until close()."""

    def __init__(self, pid, path):
        self.path = path
        self.strace = subprocess.Popen(
            ["strace", "-f", "-ttt", "-y", "-xx", "-s", "8388608", "-e",
             f"trace={CALLS}", "-e", "signal=none", "-o", path, "-p", str(pid)],
            stderr=subprocess.PIPE, text=True,
        )
        # It says so once it holds all threads.
        said = self.strace.stderr.readline()
        assert "attached" in said, said
        # What it says of threads that come must not fill the pipe.
        threading.Thread(target=self.strace.stderr.read, daemon=True).start()

    def close(self):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait()

    def calls(self):
        """(time, phase, call, path, data, offset) in order.

        phase is "begin" or "end"; data and offset stand at the begin of writes.
        """
        open_calls = {}
        with open(self.path, "rb") as f:
            for line in f:
                match = LINE.match(line)
                if not match:
                    continue
                thread, when, text = match.groups()
                if RESUMED.match(text):
                    yield float(when), "end", *open_calls.pop(thread)
                    continue
                match = CALL.match(text)
                if not match:
                    continue
                call, path, rest = match.groups()
                data = offset = None
                found = BYTES.search(rest)
                if found:
                    assert not found.group(2), "the trace was cut short"
                    data = bytes.fromhex(
                        found.group(1).replace(b"\\x", b"").decode()
                    )
                    numbers = re.findall(rb"\d+", rest[found.end():])
                    offset = int(numbers[1]) if len(numbers) > 1 else 0
                elif call == b"ftruncate":
                    offset = int(re.match(rb"\d+", rest).group())
                path = bytes.fromhex(
                    path.replace(b"\\x", b"").decode()
                ).decode()
                what = (call.decode(), path, data, offset)
                yield float(when), "begin", *what
                if text.endswith(b"<unfinished ...>"):
                    open_calls[thread] = what
                else:
                    yield float(when), "end", *what


class File:
    """synced: the bytes that a failure leaves. since: (serial, change) after."""

    def __init__(self, synced=b""):
        self.synced = bytearray(synced)
        self.since = []


def change(data, what):
    call, piece, offset = what
    if call == "ftruncate":
        del data[offset:]
        data.extend(bytes(offset - len(data)))
    else:
        data.extend(bytes(max(0, offset - len(data))))
        data[offset:offset + len(piece)] = piece


class Disk:
    """The files below a directory, as they were when the trace began."""

    def __init__(self, directory):
        self.directory = directory
        self.files = {}
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), "rb") as f:
                self.files[name] = File(f.read())
        self.serial = 0
        self.syncing = {}

    def feed(self, phase, call, path, data, offset):
        directory, name = os.path.split(path)
        if directory != self.directory or name.endswith("-shm"):
            return
        file = self.files.setdefault(name, File())
        if call in ("pwrite64", "ftruncate") and phase == "begin":
            self.serial += 1
            file.since.append((self.serial, (call, data, offset)))
        elif call in ("fsync", "fdatasync") and phase == "begin":
            # It covers what was written before it began.
            self.syncing[name] = self.serial
        elif call in ("fsync", "fdatasync"):
            upto = self.syncing[name]
            for serial, what in file.since:
                if serial <= upto:
                    change(file.synced, what)
            file.since = [w for w in file.since if w[0] > upto]

    def leave(self, directory, dice: random.Random):
        """Write what a failure now would leave: of each write since the last
        sync nothing, all, or some sectors."""
        os.makedirs(directory)
        for name, file in self.files.items():
            if name.endswith("-shm"):
                continue
            data = bytearray(file.synced)
            for _, (call, piece, offset) in file.since:
                kept = dice.choice(("none", "all", "some"))
                if kept == "all" or (call == "ftruncate" and kept == "some"):
                    change(data, (call, piece, offset))
                elif kept == "some":
                    for at in range(0, len(piece), 512):
                        if dice.random() < 0.5:
                            change(data, (call, piece[at:at + 512], offset + at))
            with open(os.path.join(directory, name), "wb") as out:
                out.write(data)
