"""What the host knows of processes and ports, for programs that do not say so."""

import os
import socket
import time


def _listening():
    """Inode of each listening IPv4 socket, and its port."""
    found = {}
    with open("/proc/net/tcp", encoding="ascii") as f:
        next(f)
        for line in f:
            words = line.split()
            if words[3] == "0A":
                found[words[9]] = int(words[1].rpartition(":")[2], 16)
    return found


def port_of(pid, patience=10):
    """The TCP port that a process listens on."""
    deadline = time.monotonic() + patience
    while True:
        listening = _listening()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:[") and target[8:-1] in listening:
                return listening[target[8:-1]]
        assert time.monotonic() < deadline, f"process {pid} does not listen"
        time.sleep(0.02)


def wait_listening(pid, port, patience=10):
    """Until something listens on a port, as long as the process is there."""
    deadline = time.monotonic() + patience
    while port not in _listening().values():
        assert os.path.exists(f"/proc/{pid}"), f"process {pid} is gone"
        assert time.monotonic() < deadline, f"nothing listens on {port}"
        time.sleep(0.02)


def free_port():
    """A port that was free a moment ago. Prefer a daemon that takes port 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def group_members(pgid):
    """Processes of a group that still run. The dead that nobody has waited
    for do not count: whoever adopted them may take his time."""
    members = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                # The name, in parentheses, may hold anything.
                state, _, group = f.read().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(group) == pgid and state != "Z":
            members.append(int(pid))
    return members


def end_group(pgid, sig=0, patience=60):
    """Send a signal to a group that we started, and wait until it is gone."""
    deadline = time.monotonic() + patience
    while True:
        if not group_members(pgid):
            return
        if sig:
            os.killpg(pgid, sig)
            sig = 0
        assert time.monotonic() < deadline, f"process group {pgid} does not end"
        time.sleep(0.02)
