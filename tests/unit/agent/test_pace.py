from foedus.agent.pace import pause, rest


def test_asking_takes_at_most_a_twentieth_of_the_time():
    assert [rest(took, 2) for took in (0, 0.01, 0.05, 0.2)] == [0.1, 0.2, 1.0, 2]


def test_short_jobs_are_looked_at_sooner_than_long_ones():
    assert [pause(0, lived, 2) for lived in (0, 5, 30, 3600)] == [0.1, 0.5, 2, 2]
    assert pause(0.05, 0, 2) == 1.0
    assert pause(0, -3600, 2) == 0.1
