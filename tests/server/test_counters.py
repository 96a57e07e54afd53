from wsbench_server.counters import WIDTH, Counters, exposition


def test_rows_of_several_processes_are_summed() -> None:
    rows = [[number * place for place in range(WIDTH)] for number in (1, 10)]
    assert Counters.summed(rows).row() == [11 * place for place in range(WIDTH)]


def test_prometheus_reads_totals_and_a_gauge() -> None:
    counters = Counters(connections=3, connections_open=2, messages_sent=7)
    text = exposition(lambda: counters)().decode()
    assert "# TYPE wsbench_connections_open gauge" in text
    assert "# TYPE wsbench_messages_sent_total counter" in text
    assert "wsbench_connections_total 3.0" in text
    counters.messages_sent = 8
    assert "wsbench_messages_sent_total 8.0" in exposition(lambda: counters)().decode()
