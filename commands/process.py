"""What is asked of the system for the whole process, before a command brings threads into it."""


def begin_process() -> None:
    """One heap for all threads, see `pipeline.allocator`."""
    from pipeline.allocator import share_heap

    share_heap()
