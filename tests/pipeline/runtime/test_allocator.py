"""pipeline.runtime.allocator: what the C library keeps, as it says itself, whatever else the machine does meanwhile."""

import platform
import subprocess
import sys
import textwrap

import pytest

from ecg12.pipeline.runtime import allocator

INFO = """
import ctypes

class Info(ctypes.Structure):
    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in names]

def kept_bytes():
    libc.mallinfo2.restype = Info
    return libc.mallinfo2().fordblks

def show_heaps():
    libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
    libc.fflush(None)

libc = ctypes.CDLL(None)
"""
"""Free bytes that glibc has not handed back (mallinfo2, since 2.33), and its heaps (malloc_info)."""

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
needs_counts = pytest.mark.skipif(
    tuple(map(int, (platform.libc_ver()[1] or "0").split("."))) < (2, 33), reason="needs mallinfo2 of glibc 2.33"
)


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert allocator.keep_freed_memory.__wrapped__() is False
    assert allocator.keep_features.__wrapped__() is False
    assert allocator.share_heap() is False


def run(code: str, how: str) -> str:
    """What `code` prints, in a process of its own: the settings are the process's."""
    command = [sys.executable, "-c", INFO + textwrap.dedent(code), how]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_glibc
@needs_counts
def test_memory_that_was_freed_is_kept():
    code = """
        import sys
        import numpy as np
        from ecg12.pipeline.runtime.allocator import keep_freed_memory
        if sys.argv[1] == "keep":
            assert keep_freed_memory() is True
        for _ in range(3):
            kept = [np.ones(60_000) for _ in range(10)]
        del kept
        print(kept_bytes())
        """
    n_bytes = 10 * 60_000 * 8
    assert int(run(code, "leave")) < n_bytes <= int(run(code, "keep")) < allocator.KEPT_BYTES


@needs_glibc
@needs_counts
def test_features_of_networks_are_kept_too():
    """Some tens of megabytes each."""
    code = """
        import sys
        import numpy as np
        from ecg12.pipeline.runtime.allocator import keep_features
        if sys.argv[1] == "keep":
            assert keep_features() is True
        kept = [np.ones(5_000_000) for _ in range(3)]
        del kept
        print(kept_bytes())
        """
    n_bytes = 3 * 5_000_000 * 8
    assert int(run(code, "leave")) < n_bytes <= int(run(code, "keep")) < allocator.KEPT_BESIDE_NETWORKS


@needs_glibc
def test_all_threads_have_one_heap():
    code = """
        import sys, threading
        from ecg12.pipeline.runtime.allocator import share_heap
        if sys.argv[1] == "keep":
            assert share_heap() is True
        import numpy as np
        begin = threading.Barrier(2)
        def work():
            begin.wait()
            np.ones(1_000)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        show_heaps()
        """
    assert run(code, "keep").count("<heap nr=") == 1
    assert run(code, "leave").count("<heap nr=") > 1
