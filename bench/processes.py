"""Start programs, wait for them, and account for what they used: wall, CPU, peak memory.

Everything is measured from outside by the operating system's own books, so that a peer written in
another language is measured exactly as we are.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Used:
    """What one or more processes used."""

    cpu_s: float
    peak_mb: float

    def __add__(self, other: Used) -> Used:
        return Used(self.cpu_s + other.cpu_s, max(self.peak_mb, other.peak_mb))


class Program:
    """A child that is waited for with wait4, so that its usage is its own."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        stdout: int = subprocess.DEVNULL,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.words = list(words)
        self._errors = (folder / f".errors-{time.monotonic_ns()}").open("w+b")
        self.process = subprocess.Popen(
            self.words,
            cwd=folder,
            env=dict(environment),
            stdin=stdin,
            stdout=stdout,
            stderr=self._errors,
        )

    def line(self) -> str:
        """Return the next line of standard output."""
        if self.process.stdout is None:
            raise RuntimeError("standard output is not a pipe")
        return self.process.stdout.readline().decode().strip()

    def error_text(self) -> str:
        """Return what was said on standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def ended(self) -> Used:
        """Wait for a clean end."""
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        said = self.error_text()
        self._errors.close()
        Path(self._errors.name).unlink(missing_ok=True)
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self.process.returncode:
            raise RuntimeError(f"{self.words} ended with {self.process.returncode}\n{said}")
        return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Service:
    """A server that outlives many runs; its usage is read before and after each."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Resident memory now, or its peak (VmHWM)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()
