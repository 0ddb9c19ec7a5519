import platform
import resource
import subprocess
import sys
import textwrap

import pytest

from pipeline import allocator


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert allocator.keep_freed_memory.__wrapped__() is False


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_that_was_freed_is_not_fetched_again():
    """Counted in page faults of a process of its own, for the setting is the process's."""
    code = textwrap.dedent(
        """
        import resource, sys
        import numpy as np
        from pipeline.allocator import keep_freed_memory
        if sys.argv[1] == "keep":
            assert keep_freed_memory() is True
        def work():
            for _ in range(50):
                kept = [np.ones(60_000) for _ in range(10)]
        work()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        work()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        """
    )

    def faults(how: str) -> int:
        command = [sys.executable, "-c", code, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") * 10 < faults("leave")
    assert resource.getpagesize() * 10 < allocator.KEPT_BYTES
