"""How much memory this process has, took at most, and may still take."""

import contextlib
import ctypes
from pathlib import Path

__all__: list[str] = []


def resident() -> tuple[int, int] | None:
    """Bytes in memory now, and at most since `reset_peak`; `None` where the system does not say (not Linux)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Vm")}
        return kilobytes["VmRSS"] * 1024, kilobytes["VmHWM"] * 1024
    except (OSError, KeyError):
        return None


def reset_peak() -> None:
    """Give freed memory back to the system, and begin the peak anew (where it forbids that, it stays as it was)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # else what is taken out of it would not show; glibc only
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def available() -> int | None:
    """Bytes that can be taken before swapping or being killed: the machine's, or what its control group leaves."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return min([free, *_groups_leave()])


def _groups_leave(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """What the memory limit of each control group above this process leaves (versions 1 and 2)."""
    left = []
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            top, limit, usage = root, "memory.max", "memory.current"
            if controllers:
                top, limit, usage = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            group = top / path.strip("/")
            for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(top))):
                # No such file at the top; "max" where there is no limit.
                with contextlib.suppress(OSError, ValueError, StopIteration):
                    at_most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
                    name = "total_inactive_file" if controllers else "inactive_file"  # cached files, given up first
                    lines = (folder / "memory.stat").read_text().splitlines()
                    left.append(at_most - used + next(int(x.split()[1]) for x in lines if x.split()[0] == name))
    return left
