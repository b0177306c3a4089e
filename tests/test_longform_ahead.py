import queue
import threading
import time

import pytest

from asr_cli.longform.ahead import N_READY, ahead


@pytest.mark.parametrize("n", [0, 1, N_READY, 100])
def test_the_same_items_come_in_the_same_order(n):
    assert list(ahead(range(n))) == list(range(n))


def test_none_is_an_item_like_any_other():
    assert list(ahead([None, 1, None])) == [None, 1, None]


def test_what_is_pulled_in_advance_is_bounded():
    pulled = []

    def items():
        for n in range(1000):
            pulled.append(n)
            yield n

    iterator = ahead(items(), 4)
    assert next(iterator) == 0
    time.sleep(0.3)
    assert len(pulled) <= 1 + 4 + 1  # fetched, waiting, and in the puller's hand
    iterator.close()


def test_an_error_comes_after_what_came_before_it():
    def items():
        yield 1
        raise OSError("the disk is gone")

    iterator = ahead(items())
    assert next(iterator) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(iterator)


def test_whoever_stops_early_leaves_no_thread_and_no_open_generator():
    closed_by = []

    def items():
        try:
            while True:
                yield 1
        finally:
            closed_by.append(threading.current_thread().name)

    n_threads = threading.active_count()
    iterator = ahead(items())
    next(iterator)
    iterator.close()
    assert threading.active_count() == n_threads
    assert closed_by == ["reading ahead"]


def test_nothing_is_pulled_before_somebody_asks():
    pulled = threading.Event()

    def items():
        pulled.set()
        yield 1

    iterator = ahead(items())
    assert not pulled.wait(0.2)
    assert list(iterator) == [1] and pulled.is_set()


class Gone:
    def __iter__(self):
        raise OSError("the disk is gone")


def spoiled_when_closed():
    try:
        yield 1
    finally:
        raise OSError("the disk is gone")


@pytest.mark.parametrize("items", [Gone, spoiled_when_closed])
def test_an_error_before_the_first_item_or_after_the_last_keeps_nobody_waiting(items):
    raised = queue.Queue()

    def pull():
        try:
            list(ahead(items()))
        except OSError as error:
            raised.put(str(error))

    threading.Thread(target=pull, daemon=True).start()  # so that waiting for ever would be a failure, and no hang
    assert raised.get(timeout=5) == "the disk is gone"


def test_an_error_while_closing_keeps_nobody_waiting():
    class Stuck:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

        def close(self):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(ahead(Stuck()))
