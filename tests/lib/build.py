"""Where the programs under test and the unpacked MTAs are."""

import fcntl
import os
import pathlib
import re
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(
    os.environ.get("POSTERN_BUILD", SOURCE / "build" / "gcc-openssl")
).resolve()
MTAS = pathlib.Path(
    os.environ.get("POSTERN_MTAS", SOURCE / "build" / "mtas")
).resolve()

# Which sanitizer the build has: "", "asan" or "tsan" (set by tests/run.sh).
SANITIZER = os.environ.get("POSTERN_SANITIZER", "")


def program(name):
    """The path of a program of ours, or None when it is not built."""
    for place in ("", "lmtp", "cli", "sandbox", "milter"):
        path = BUILD / place / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return None


def directory(name):
    """Where the build has "sysconfdir" and the like."""
    text = (BUILD / "Makefile").read_text(encoding="utf-8")
    values = dict(re.findall(r"^(\w+) = (.*)$", text, re.M))
    value = values[name]
    while "$" in value:
        value = re.sub(r"\$[{(](\w+)[)}]", lambda m: values[m[1]], value)
    return value


def tool(name):
    """The path of what only tests use, made now: by one test at a time."""
    with open(BUILD / "Makefile", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "-C", BUILD, name], check=True)
    return str(BUILD / name)
