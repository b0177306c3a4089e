"""What a terminal shows of a live stream: drawn by the program, read back from a terminal's own screen."""

import io
import os
import pty

import pyte
import pytest
from asr.screen import Screen, erase, tail
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

HEIGHT = 12
WORDS = (
    "hello",
    "the",
    "connection",
    "你好",
    "世界，",
    "欢迎大家来体验",
    "ストリーム",
    "한국어",
    "é",
    "👍",
    "a\tb\x1b[2J",
)


class Terminal(io.StringIO):
    """A file that is a terminal of so many columns; what scrolls away is kept."""

    def __init__(self, width, height=HEIGHT):
        super().__init__()
        self.shown = pyte.HistoryScreen(width, height, history=10_000, ratio=0.5)
        self.stream = pyte.Stream(self.shown)
        self.width = width

    def write(self, text):
        self.stream.feed(text.replace("\n", "\r\n"))  # as a terminal driver does
        return len(text)

    @property
    def rows(self):
        """Everything from the first row on, without empty ones at the end."""
        past = ["".join(row[x].data for x in range(self.width)) for row in self.shown.history.top]
        found = [row.rstrip() for row in (*past, *self.shown.display)]
        while found and not found[-1]:
            found.pop()
        return found


def shown(rows):
    """All that can be read, without spaces: terminals differ in where they fold a wide character at the edge."""
    return "".join("".join(row.split()) for row in rows)


texts = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    width=st.sampled_from([10, 37, 40, 80]),
    steps=st.lists(st.tuples(st.booleans(), texts), max_size=12),
    last=texts,
)
def test_finals_stand_once_and_below_them_nothing_but_the_last_draft(width, steps, last):
    terminal = Terminal(width)
    screen = Screen(terminal, width=lambda: width)
    lines = []
    for is_final, text in steps:
        plain = "".join(character for character in text if character.isprintable())
        if is_final:
            screen.line(plain)
            lines.append(plain)
        else:
            screen.draft(text)
    screen.draft(last)
    assert shown(terminal.rows) == shown([*lines, *tail(last, width - 1)])
    screen.close()
    assert shown(terminal.rows) == shown(lines)


def test_no_row_of_a_draft_reaches_the_last_column_where_terminals_differ():
    for width in range(3, 50):
        for row in tail("欢迎大家来体验 a 达摩院 connection 推出的语音识别模型 👍", width - 1):
            assert cell_len(row) <= width - 1


def test_a_terminal_made_narrower_is_cleared_of_the_rows_it_folded():
    rows = ["x" * 70, "欢迎" * 10]
    assert erase(rows, 80) == "\r\x1b[1A\x1b[J"
    assert erase(rows, 40) == "\r\x1b[2A\x1b[J"
    assert erase(rows, 30) == "\r\x1b[4A\x1b[J"
    assert erase([], 30) == ""


def test_a_terminal_that_was_never_told_its_width_is_as_wide_as_most():
    master, slave = pty.openpty()  # of no rows and no columns
    with os.fdopen(slave, "w") as out:
        Screen(out).draft("word " * 6)
        assert b"word word word" in os.read(master, 999)
    os.close(master)


@pytest.mark.parametrize("width", [20, 80])
def test_the_meter_stands_below_the_draft_and_is_gone_in_the_end(width):
    terminal = Terminal(width)
    screen = Screen(terminal, meter=lambda: -20.0, width=lambda: width)
    screen._ticked = 0.0
    screen.draft("你好")
    screen.tick()
    assert terminal.rows[-1].startswith("● 00:0")
    assert "▆" in terminal.rows[-1]
    screen.line("[00:01.0] 你好。")
    screen.close()
    assert shown(terminal.rows) == "[00:01.0]你好。"


def test_what_a_signal_handler_says_while_the_screen_is_drawn_comes_after_it():
    terminal = Terminal(40)
    screen = Screen(terminal, width=lambda: 40)
    write, said = terminal.write, []

    def interrupted(text):
        if not said:
            said.append(screen.line("stopping"))
        return write(text)

    terminal.write = interrupted
    screen.draft("你好")
    screen.line("[00:01.0] 你好。")
    screen.draft("")
    assert next(row for row in terminal.rows if row.strip()) == "stopping"
    assert shown(terminal.rows) == "stopping[00:01.0]你好。"
