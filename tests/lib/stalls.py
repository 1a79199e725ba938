"""When the machine itself stood still, which no pace can make good.

A virtual machine is not run for a while, a disk keeps a write for a second: at
14 a second and an aim of 99 % one such moment decides a test of some seconds.
So the moments are watched for, and slots that lie in one do not count.
"""

import contextlib
import itertools
import os
import threading
import time

LIMIT = 0.02  # seconds; what is shorter is no excuse
CLOCK_TICK = 0.005
DISK_TICK = 0.02


def now():
    """The clock of the sandbox's mono_us, in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Stalls:
    """Watches clock and disk, from a file in rundir, until it is closed."""

    def __init__(self, rundir):
        self._ending = threading.Event()
        self._stalls = []
        self._path = os.path.join(rundir, "stalls")
        self._threads = [
            threading.Thread(target=watch, daemon=True)
            for watch in (self._clock, self._disk)
        ]
        for thread in self._threads:
            thread.start()

    def _watch(self, tick, usual, step):
        # Before the daemons: what they do to each other is theirs to answer for.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
        while not self._ending.wait(tick):
            began = now()
            step()
            ended = now()
            if ended - began - usual > LIMIT:
                self._stalls.append((began, ended))

    def _clock(self):
        self._watch(0, CLOCK_TICK, lambda: time.sleep(CLOCK_TICK))

    def _disk(self):
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o600)
        try:
            self._watch(DISK_TICK, 0, lambda: os.pwrite(fd, b"x" * 4096, 0))
        finally:
            os.close(fd)

    def within(self, start, end):
        """How long it stood still between two moments, in seconds."""
        return sum(
            max(min(e, end) - max(s, start), 0) for s, e in list(self._stalls)
        )

    def used(self, times, rate):
        """The share of the rate that was used between the first of these times
        and the last, where the machine went on."""
        # What is short beside an interval can be made good.
        stalls = [(s, e) for s, e in list(self._stalls) if e - s > 0.25 / rate]
        gaps = list(itertools.pairwise(times))
        # After a stall, what was late comes quickly: that does not count either.
        kept = [
            end - start for start, end in gaps
            if not any(s < end and start < e + 2 / rate for s, e in stalls)
        ]
        print(f"stood still for {self.within(times[0], times[-1]):.2f} of "
              f"{times[-1] - times[0]:.2f} s")
        assert len(kept) >= len(gaps) / 2, "the machine stood still too much"
        return len(kept) / sum(kept) / rate

    def close(self):
        self._ending.set()
        for thread in self._threads:
            thread.join()
        os.unlink(self._path)
