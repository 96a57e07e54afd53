import mmap

from wsbench_client.resident import resident_kib


def test_memory_that_is_used_is_resident() -> None:
    before = resident_kib()
    assert before is not None
    with mmap.mmap(-1, 32 * 2**20) as memory:
        memory.write(b"x" * len(memory))
        after = resident_kib()
    assert after is not None
    assert 30 * 1024 < after - before < 40 * 1024
