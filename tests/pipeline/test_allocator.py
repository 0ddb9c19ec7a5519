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
    assert allocator.keep_features.__wrapped__() is False
    assert allocator.share_heap() is False


needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def count_faults(code: str, how: str) -> int:
    """The page faults that `code` counts, in a process of its own: the settings are the process's."""
    command = [sys.executable, "-c", textwrap.dedent(code), how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@needs_glibc
def test_memory_that_was_freed_is_not_fetched_again():
    code = """
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
    assert count_faults(code, "keep") * 10 < count_faults(code, "leave")
    assert resource.getpagesize() * 10 < allocator.KEPT_BYTES


@needs_glibc
def test_what_a_thread_has_freed_the_next_one_takes():
    """As features of networks are: some tens of megabytes each, in threads that end and begin."""
    code = """
        import resource, sys, threading
        from pipeline.allocator import keep_features, share_heap
        if sys.argv[1] == "keep":
            assert share_heap() is True
        import numpy as np
        assert keep_features() is True
        def work():
            for _ in range(3):
                kept = [np.ones(5_000_000) for _ in range(3)]
        def in_threads():
            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        in_threads()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        in_threads()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        """
    assert count_faults(code, "keep") * 10 < count_faults(code, "leave")
