import threading

from caisson_operator.leadership import LeaderDeadline


def test_is_past_from_the_deadline_on() -> None:
    now = [10.0]
    deadline = LeaderDeadline(lambda: 8.0, 4.0, lambda: now[0], lambda _: None)
    assert not deadline.is_past()
    now[0] = 12.0
    assert deadline.is_past()


def test_is_past_when_the_event_loop_hangs_though_the_lease_is_renewed_beside_it() -> None:
    now = [10.0]
    deadline = LeaderDeadline(lambda: now[0], 4.0, lambda: now[0], lambda _: None)
    now[0] = 39.0
    assert not deadline.is_past()
    now[0] = 40.0
    assert deadline.is_past()


def test_ends_the_process_from_its_own_thread_when_renewals_stop() -> None:
    now, ended = [0.0], threading.Event()
    deadline = LeaderDeadline(lambda: 0.0, 4.0, lambda: now[0], lambda _: ended.set())
    deadline.start()
    now[0] = 4.0
    assert ended.wait(5)


def test_does_nothing_more_once_it_was_stopped() -> None:
    asked, ended = threading.Event(), threading.Event()

    def last_renewed() -> float:
        asked.set()
        return 0.0

    deadline = LeaderDeadline(last_renewed, 4.0, lambda: 0.0, lambda _: ended.set())
    deadline.start()
    assert asked.wait(5)
    deadline.stop()
    (watcher,) = [thread for thread in threading.enumerate() if thread.name == "leader-deadline"]
    watcher.join(5)
    assert not watcher.is_alive()
    assert not ended.is_set()
