from wsbench.arms import HopProtocol
from wsbench.check.observation import Observation, Step, answer_of_head, excerpt, find, shown


def test_a_head_is_read_as_far_as_it_came() -> None:
    answer = answer_of_head(b"HTTP/1.0 404 File not found\r\nServer: Simple\r\n\r\n<html><b>no\n such</b></html>")
    assert answer is not None
    assert (answer.line, answer.header("server"), answer.header("x"), answer.body) == (
        "404 File not found",
        "Simple",
        None,
        "no such",
    )
    unfinished = answer_of_head(b"HTTP/1.1 503 Service Unavailable\r\nserver: env")
    assert unfinished is not None
    assert unfinished.status == 503
    assert answer_of_head(b"SSH-2.0-OpenSSH\r\n") is None
    assert answer_of_head(b"HTTP/1.1 503") is None


def test_bodies_and_bytes_are_shortened() -> None:
    assert len(excerpt(b"word " * 1000)) == 160
    assert shown(b"\x00" * 100, 4) == "'\\x00\\x00\\x00\\x00'..."


def test_a_step_that_was_not_tried_is_not_found() -> None:
    seen = Observation(Step.PING, HopProtocol.HTTP1, 0.1)
    assert find([seen], Step.PING, HopProtocol.HTTP1) is seen
    assert find([seen], Step.PING, HopProtocol.HTTP2) is None
