from wsbench_client.connect_phases import ConnectPhases


def test_the_parts_add_up_to_the_whole() -> None:
    phases = ConnectPhases()
    phases.record(begin_ns=1_000, tcp_ns=101_000, upgraded_ns=401_000)
    values = [histogram.percentiles_ns([50.0])[0] for histogram in phases.histograms()]
    assert [value and round(value / 1e5) for value in values] == [4, 1, 3, None]


def test_both_together_are_a_value_of_their_own() -> None:
    one, other = ConnectPhases(), ConnectPhases()
    one.record(0, 10, 20)
    other.record(0, 10, 30)
    other.first_echo.record_one(7)
    both = one | other
    assert [histogram.count for histogram in both.histograms()] == [2, 2, 2, 1]
    assert [histogram.count for histogram in one.histograms()] == [1, 1, 1, 0]
