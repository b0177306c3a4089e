import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.jobs.journal import Journal, read_record, record_of
from asr_cli.transcript import Segment, Word

RUN = {"source": "talk.mp3", "model": "sphinx"}
UTTERANCE = Audio(np.zeros(1600, np.float32), start=3.0)
HEARD = Segment((Word(" one", 3.0123456789, 3.25, 0.5), Word("二", 3.3, 3.4)))


def journal_with_one(path):
    with Journal(path, RUN, resume=True) as journal:
        journal.channel(0).remember(UTTERANCE, HEARD)


def test_what_was_remembered_is_recalled_exactly_by_the_next_run(tmp_path):
    journal_with_one(tmp_path / "j")
    with Journal(tmp_path / "j", RUN, resume=True) as journal:
        assert journal.n_recalled == 1
        assert journal.channel(0).recall(UTTERANCE) == HEARD
        assert journal.channel(1).recall(UTTERANCE) is None


@given(
    speaker=st.none() | st.text(), language=st.none() | st.sampled_from(["de", "yue"]),
    suspect=st.none() | st.just("repetition"), heard=st.none() | st.floats(0, 1e5),
    words=st.lists(st.builds(Word, st.text(), st.floats(0, 10), st.floats(0, 10), st.none() | st.floats(0, 1))),
)  # fmt: skip
def test_all_that_is_known_of_a_segment_comes_back_out_of_json(words, **known):
    segment = Segment(tuple(words), **known)
    assert read_record(json.loads(json.dumps(record_of(segment)))) == segment


def test_another_run_s_words_do_not_count(tmp_path):
    journal_with_one(tmp_path / "j")
    with Journal(tmp_path / "j", {**RUN, "model": "other"}, resume=True) as journal:
        assert journal.is_others
        assert journal.n_recalled == 0
    with Journal(tmp_path / "j", RUN, resume=True) as journal:
        assert journal.n_recalled == 0


def test_without_resume_it_starts_afresh(tmp_path):
    journal_with_one(tmp_path / "j")
    with Journal(tmp_path / "j", RUN, resume=False) as journal:
        assert journal.n_recalled == 0


@given(cut=st.integers(0, 400))
def test_a_journal_cut_off_anywhere_keeps_its_whole_lines_and_goes_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "j"
    utterances = [Audio(np.zeros(100, np.float32), start=float(n)) for n in range(4)]
    with Journal(path, RUN, resume=True) as journal:
        for utterance in utterances:
            journal.channel(0).remember(utterance, HEARD)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    with Journal(path, RUN, resume=True) as journal:
        known = [journal.channel(0).recall(utterance) for utterance in utterances]
        n_known = sum(segment is not None for segment in known)
        assert known == [HEARD] * n_known + [None] * (4 - n_known)
        for utterance in utterances[n_known:]:
            journal.channel(0).remember(utterance, HEARD)
    assert path.read_bytes() == whole


def test_a_finished_recording_leaves_no_journal(tmp_path):
    with Journal(tmp_path / "j", RUN, resume=True) as journal:
        journal.discard()
    assert not (tmp_path / "j").exists()


def test_a_journal_of_noise_is_no_journal(tmp_path):
    (tmp_path / "j").write_bytes(b"\xff\xfe\x00garbage\n{}")
    with Journal(tmp_path / "j", RUN, resume=True) as journal:
        assert journal.n_recalled == 0


@pytest.mark.parametrize("text", ['"quoted" \\ back', "汉字，。", "\u2028 line"])
def test_any_text_survives(tmp_path, text):
    segment = Segment((Word(text, 0.1, 0.2),))
    with Journal(tmp_path / "j", RUN, resume=True) as journal:
        journal.channel(0).remember(UTTERANCE, segment)
    with Journal(tmp_path / "j", RUN, resume=True) as journal:
        assert journal.channel(0).recall(UTTERANCE) == segment
