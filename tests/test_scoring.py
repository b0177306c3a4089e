"""Error rates, against jiwer, Kaldi's rules and a published vector; and the files they are computed from."""

import json
import logging

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import AsrError, InputError, NotFoundError, UsageError
from asr_cli.scoring import distance
from asr_cli.scoring.distance import steps
from asr_cli.scoring.interval import interval
from asr_cli.scoring.kaldi import kaldi_lines
from asr_cli.scoring.pairs import Pair, Texts, paired
from asr_cli.scoring.read import read_texts
from asr_cli.scoring.score import Score, score
from asr_cli.scoring.units import Rules, normalized, parsed_metrics, units

AS_IS = Rules(normalize=False)

# jitsi/jiwer issue 52: wav2vec2 on Chinese, as published there with WER 1.0 and CER 0.30201342281879195.
CHINESE = (
    ("宋朝末年年间定居粉岭围。", "宋朝末年年间定居分定为"),
    ("渐渐行动不便", "建境行动不片"),
    ("二十一年去世。", "二十一年去世"),
    ("他们自称恰哈拉。", "他们自称家哈"),
    ("局部干涩的例子包括有口干、眼睛干燥、及阴道干燥。", "菊物干寺的例子包括有口肝眼睛干照以及阴到干"),
    ("嘉靖三十八年，登进士第三甲第二名。", "嘉靖三十八年登进士第三甲第二名"),
    ("这一名称一直沿用至今。", "这一名称一直沿用是心"),
    ("同时乔凡尼还得到包税合同和许多明矾矿的经营权。", "同时桥凡妮还得到包税合同和许多民繁矿的经营权"),
    ("为了惩罚西扎城和塞尔柱的结盟，盟军在抵达后将外城烧毁。", "为了曾罚西扎城和塞尔素的节盟盟军在抵达后将外曾烧毁"),
    ("河内盛产黄色无鱼鳞的鳍射鱼。", "合类生场环色无鱼林的骑射鱼"),
)


def rated(pairs, metric: str, rules: Rules = AS_IS) -> Score:
    return score([Pair(str(n), *pair) for n, pair in enumerate(pairs)], metric, rules)


def slow_counts(reference, hypothesis):
    """Errors, insertions, deletions, substitutions of each cell in turn, ties as compute-wer decides them."""
    above = [(n, 0, n, 0) for n in range(len(reference) + 1)]
    for heard in hypothesis:
        total, insertions, deletions, substitutions = above[0]
        row = [(total + 1, insertions + 1, deletions, substitutions)]
        for n, said in enumerate(reference, 1):
            diagonal = above[n - 1][0] + (heard != said)
            deleted, inserted = row[n - 1][0] + 1, above[n][0] + 1
            if diagonal < min(deleted, inserted):
                _, i, d, s = above[n - 1]
                row.append((diagonal, i, d, s + (heard != said)))
            elif deleted < inserted:
                _, i, d, s = row[n - 1]
                row.append((deleted, i, d + 1, s))
            else:
                _, i, d, s = above[n]
                row.append((inserted, i + 1, d, s))
        above = row
    return above[-1]


few = st.lists(st.sampled_from("abcd"), max_size=12)


@settings(max_examples=400, deadline=None)
@given(reference=few, hypothesis=few, whole=st.sampled_from((0, 1 << 27)))
def test_the_three_counts_are_those_of_compute_wer_in_one_block_and_in_many(reference, hypothesis, whole):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance, "WHOLE_BITS", whole)
        path = steps(reference, hypothesis)
    errors, *kinds = slow_counts(reference, hypothesis)
    assert [path.count(kind) for kind in "IDS"] == kinds
    assert len(path) - path.count("=") == errors


@settings(max_examples=100, deadline=None)
@given(reference=few, hypothesis=few)
def test_the_alignment_spells_both_texts(reference, hypothesis):
    (one,) = rated([(" ".join(reference), " ".join(hypothesis))], "wer").utterances
    columns = one.columns()
    assert [said for said, _, _ in columns if said is not None] == reference
    assert [heard for _, heard, _ in columns if heard is not None] == hypothesis
    assert all((said == heard) == (kind == "=") for said, heard, kind in columns)


def test_a_pair_of_texts_beyond_one_word_of_the_machine_is_aligned():
    reference = [str(n % 97) for n in range(1000)]
    hypothesis = [*reference[:300], "x", *reference[310:]]
    assert slow_counts(reference, hypothesis) == (10, 0, 9, 1)
    path = steps(reference, hypothesis)
    assert [path.count(kind) for kind in "IDS"] == [0, 9, 1]


sentence = st.text("abc dé'", min_size=1, max_size=30).filter(str.strip)


@settings(max_examples=150, deadline=None)
@given(pairs=st.lists(st.tuples(sentence, sentence), min_size=1, max_size=4))
def test_rates_of_latin_text_are_those_of_jiwer(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    assert rated(pairs, "wer").counts.rate == jiwer.wer(references, hypotheses)
    assert rated(pairs, "mer").counts.rate == jiwer.wer(references, hypotheses)
    assert rated(pairs, "cer").counts.rate == jiwer.cer(references, hypotheses)


def test_rates_of_normalised_latin_text_are_those_of_jiwer_on_normalised_text():
    pairs = [("“Well-known,” she said; it’s 1,024.5 km!", "well known she set its 1024.5 k m"), ("A b. C", "a  B d")]
    clean = [(normalized(said, Rules()), normalized(heard, Rules())) for said, heard in pairs]
    references, hypotheses = map(list, zip(*clean, strict=True))
    assert rated(pairs, "wer", Rules()).counts.rate == jiwer.wer(references, hypotheses)
    assert rated(pairs, "cer", Rules()).counts.rate == jiwer.cer(references, hypotheses)


def test_the_published_chinese_rates_are_met():
    assert rated(CHINESE, "wer").counts.rate == 1.0
    assert rated(CHINESE, "cer").counts.rate == 0.30201342281879195 == jiwer.cer(*map(list, zip(*CHINESE, strict=True)))


def test_chinese_without_its_punctuation_counts_no_missing_full_stops():
    bare = [tuple("".join(c for c in text if c not in "。，、") for text in pair) for pair in CHINESE]
    counts = rated(CHINESE, "mer", Rules()).counts
    assert counts == rated(CHINESE, "cer", Rules()).counts
    assert (counts.errors, counts.units) == (33, 136)
    assert counts.rate == jiwer.cer(*map(list, zip(*bare, strict=True)))


@pytest.mark.parametrize(
    ("text", "metric", "expected"),
    [
        ("用 iPhone 打电话。", "mer", ["用", "iphone", "打", "电", "话"]),
        ("カタカナ と ﾊﾝｶｸ", "mer", list("カタカナとハンカク")),
        ("한국어 음성", "mer", ["한국어", "음성"]),
        ("한국어 음성", "cer", [*"한국어 음성"]),
        ("你 好 big world", "cer", [*"你好big world"]),
        ("สวัสดี", "mer", [*"สวัสดี"]),
        ("हिन्दी में", "wer", ["हिन्दी", "में"]),
        ("rock 'n' roll, it’s 3.14 or 1,024.", "wer", ["rock", "n", "roll", "it's", "3.14", "or", "1024"]),
        ("葛\U000e0100飾", "mer", ["葛", "飾"]),
        ("。…！", "mer", []),
    ],
)  # fmt: skip
def test_units_are_what_each_script_is_read_by(text, metric, expected):
    assert units(text, metric, Rules()) == expected


def test_normalisation_can_leave_case_and_punctuation_alone():
    assert units("Hello, World。", "wer", Rules(keep_case=True)) == ["Hello", "World"]
    assert units("Hello, World。", "wer", Rules(keep_punctuation=True)) == ["hello,", "world。"]
    assert units(" Ａ, b\u3000c ", "wer", AS_IS) == ["Ａ,", "b\u3000c"]  # for Kaldi, too, that is no space


def test_metrics_are_a_list_and_an_unknown_one_is_refused():
    assert parsed_metrics("WER, cer,wer") == ("wer", "cer")
    for wrong in ("per", ",", ""):
        with pytest.raises(UsageError, match="known: mer, wer, cer, all"):
            parsed_metrics(wrong)


def test_a_reference_without_words_has_no_rate_and_its_insertions_count():
    counts = rated([("", "a b")], "wer").counts
    assert (counts.units, counts.insertions, counts.rate) == (0, 2, None)
    assert rated([("", ""), ("a", "a")], "wer").counts.rate == 0.0
    assert rated([("", "x"), ("a b", "a b")], "wer").counts.rate == 0.5


def test_errors_out_of_nothing_are_the_worst():
    ranked = rated([("a b", "a c"), ("", "x"), ("", ""), ("a", "b")], "wer").worst_first()
    assert [one.key for one in ranked] == ["1", "3", "0", "2"]


def test_the_interval_repeats_holds_the_rate_and_narrows_with_more_utterances():
    few_pairs = [("a b c d", "a b c d")] * 30 + [("a b c d", "a x c")] * 10
    narrow, wide = rated(few_pairs * 16, "wer"), rated(few_pairs, "wer")
    assert wide.interval == rated(few_pairs, "wer").interval
    (low, high), (near_low, near_high) = wide.interval, narrow.interval
    assert low < near_low < wide.counts.rate < near_high < high
    assert (high - low) / (near_high - near_low) == pytest.approx(4, rel=0.2)  # the root of 16


def test_there_is_no_interval_without_something_to_draw_from():
    assert interval([1], [4]) is None
    assert interval([1, 0, 0], [0, 0, 0]) is None
    assert interval([0, 0], [4, 4]) == (0.0, 0.0)


def test_kaldi_lines_are_those_of_compute_wer():
    sides = Texts("r", "", {"a": "x y z", "b": "p q", "c": "k"}), Texts("h", "", {"a": "x z", "b": "p q r"})
    everything, present = paired(*sides), paired(*sides, mode="present")
    assert kaldi_lines(score(everything.pairs, "wer", AS_IS), len(everything.missing)) == (
        "%WER 50.00 [ 3 / 6, 1 ins, 2 del, 0 sub ] [PARTIAL]\n%SER 100.00 [ 3 / 3 ]\n"
        "Scored 3 sentences, 1 not present in hyp."
    )
    assert kaldi_lines(score(present.pairs, "wer", AS_IS), len(present.missing)) == (
        "%WER 40.00 [ 2 / 5, 1 ins, 1 del, 0 sub ] [PARTIAL]\n%SER 100.00 [ 2 / 2 ]\n"
        "Scored 2 sentences, 1 not present in hyp."
    )
    with pytest.raises(InputError, match="lacks c"):
        paired(*sides, mode="strict")
    with pytest.raises(UsageError, match="known: all, present, strict"):
        paired(*sides, mode="some")


def test_what_has_no_reference_is_told_and_not_counted(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("asr"), "propagate", True)
    pairing = paired(Texts("r", "", {"a": "x"}), Texts("h", "", {"a": "x", "b": "y"}))
    assert [pair.key for pair in pairing.pairs] == ["a"]
    assert pairing.extra == ("b",)
    assert [record.code for record in caplog.records] == ["W-NO-REFERENCE"]


def test_sides_without_a_common_id_are_refused_unless_they_are_one_file_each():
    with pytest.raises(InputError, match=r"no id is in both.*'a'.*'b'"):
        paired(Texts("r", "", {"a": "x"}), Texts("h", "", {"b": "x"}))
    pairing = paired(Texts("r", "", {"a": "x"}, by_name=True), Texts("h", "", {"b": "x"}, by_name=True))
    assert pairing.pairs == (Pair("a", "x", "x"),)
    assert paired(Texts("r", "", {"a": "x"}), Texts("h", "", {})).missing == ("a",)


def test_files_in_folders_find_the_ids_a_batch_gave_them():
    reference = Texts("r", "", {"one/my talk": "x", "two/b": "y", "two/c": "v", "three/c": "w"}, by_name=True)
    pairing = paired(reference, Texts("h", "", {"my_talk": "x", "two/b": "y", "c": "?"}))
    assert [pair.hypothesis for pair in pairing.pairs] == ["x", "y", None, None]  # which c is nobody's guess


SRT = "1\n00:00:01,000 --> 00:00:02,000\n<i>你好</i>\n世界\n\n2\n00:00:03,000 --> 00:00:04,000\nyes\n"
VTT = "WEBVTT\n\nNOTE no\n\n00:01.000 --> 00:02.000\n<v Ann>a &amp; b\n\n00:03.000 --> 00:04.000\nc\n"


def written(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("text", "\ufeffu1 a b\r\n\r\nu2\r\nu3\t c\x0b\u2028d", {"u1": "a b", "u2": "", "u3": "c\x0b\u2028d"}),
        ("text", "u1 你好".encode("utf-16"), {"u1": "你好"}),
        ("x.txt", "u1 a b\nu2 c", {"u1": "a b", "u2": "c"}),
        ("x.txt", "1 a b\n2 c", {"x": "1 a b 2 c"}),
        ("x.ref.txt", "你好\n世界\nbig\nworld\n", {"x": "你好世界 big world"}),
        ("x.txt", "", {"x": ""}),
        ("x.json", '{"version": 1, "segments": [], "text": "a b\\nc"}', {"x": "a b c"}),
        ("x.json", '{"segments": [{"text": " a"}, {"text": " b"}]}', {"x": "a b"}),
        ("x.json", '[{"key": "u1", "text": "a"}, {"key": "u2", "text": "b"}]', {"u1": "a", "u2": "b"}),
        ("x.jsonl", '{"key": "u1", "text": "a"}\n\n{"id": 7, "text": "b"}', {"u1": "a", "7": "b"}),
        ("x.jsonl", '{"audio_filepath": "/d/u1.wav", "text": "r", "pred_text": "h"}', {"u1": "h"}),
        ("x", '{"utt": "u1", "text": "a"}\n{"utt": "u2", "text": "b"}', {"u1": "a", "u2": "b"}),
        ("x", '{\n "text": "a"\n}', {"x": "a"}),
        ("x.srt", SRT.replace("\n", "\r\n"), {"x": "你好世界 yes"}),
        ("x.vtt", VTT, {"x": "a & b c"}),
    ],
)  # fmt: skip
def test_a_hypothesis_is_read_as_what_it_is(tmp_path, name, content, texts):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_texts(path, reference=False).texts == texts


def test_a_manifest_is_both_sides(tmp_path):
    path = tmp_path / "m.jsonl"
    lines = [{"audio_filepath": f"{folder}/u.wav", "text": "said", "pred_text": "heard"} for folder in "ab"]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert read_texts(path, reference=True).texts == {"a/u.wav": "said", "b/u.wav": "said"}
    assert read_texts(path, reference=False).texts == {"a/u.wav": "heard", "b/u.wav": "heard"}


def test_what_a_text_file_is_can_be_said(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("a b\n\nc d\n")
    forms = {
        name: dict(read_texts(path, reference=True, text_format=name).texts) for name in ("kaldi", "plain", "lines")
    }
    assert forms == {
        "kaldi": {"a": "b", "c": "d"},
        "plain": {"x": "a b c d"},
        "lines": {"line 1": "a b", "line 2": "", "line 3": "c d"},
    }
    with pytest.raises(UsageError, match="known: auto"):
        read_texts(path, reference=True, text_format="csv")


def test_a_directory_has_references_and_the_best_file_of_each_recording(tmp_path):
    folder = written(
        tmp_path, a_dot_ref_dot_txt="said", a_dot_txt="worse", a_dot_json='{"text": "heard"}', s__b_dot_srt=""
    )
    assert read_texts(folder, reference=True).texts == {"a": "said"}
    assert read_texts(folder, reference=False).texts == {"a": "heard", "s/b": ""}
    data = written(tmp_path / "kaldi", text="u1 a", wav_dot_scp="u1 a.wav")
    assert read_texts(data, reference=True).texts == {"u1": "a"}


def report(**records):
    return "".join(json.dumps({"key": key, "path": f"{key}.wav", **record}) + "\n" for key, record in records.items())


def test_a_batch_is_read_from_its_directory_and_its_report(tmp_path):
    lines = report(
        a={"status": "done"},
        b={"status": "failed", "error": "0-byte file"},
        c={"status": "no_speech"},
        d={"status": "done"},
    )
    out = written(tmp_path, asr__1best_recog__text="a x y\nb stale\nc\nd z\n", asr__report=lines) / "asr"
    (out / "report").rename(out / "asr-report.jsonl")
    for path in (out, out / "asr-report.jsonl"):
        found = read_texts(path, reference=False)
        assert found.texts == {"a": "x y", "c": "", "d": "z"}
        assert found.failed == {"b": "0-byte file"}
    (out / "asr-report.jsonl").unlink()
    assert read_texts(out, reference=False).texts == {"a": "x y", "b": "stale", "c": "", "d": "z"}


def test_a_report_alone_is_read_from_the_files_it_lists(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nworse\n")
    (tmp_path / "a.json").write_text('{"text": "best"}')
    path = tmp_path / "asr-report.jsonl"
    path.write_text(report(a={"status": "failed"}) + report(a={"status": "done", "outputs": ["a.srt", "a.json"]}))
    assert read_texts(path, reference=False).texts == {"a": "best"}  # the retry's record is the later one
    (tmp_path / "a.srt").unlink()
    (tmp_path / "a.json").unlink()
    with pytest.raises(InputError, match=r"lists 'a', and neither .* give the directory"):
        read_texts(path, reference=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text", "u1 a\n\nu2 b\nu1 c\n", "has the id 'u1' twice, in lines 1 and 4"),
        ("x.jsonl", '{"key": "u", "text": "a"}\n{"key": "u", "text": "b"}', "has the id 'u' twice, in lines 1 and 2"),
        ("x.json", '[{"key": "u", "text": "a"}, {"key": "u", "text": "b"}]', "has the id 'u' twice, in items 1 and 2"),
        ("text", "u1 a\nu2 \xe9".encode("latin-1"), r"is not UTF-8 text \(line 2\)"),
        ("text", b"u1 a\nRIFF\0\0", "a zero byte in line 2"),
        ("x.json", "{", r"is not valid JSON \(line 1: "),
        ("x.json", "[" * 100_000, "is not valid JSON"),
        ("x.json", "{}", "has neither a text nor segments"),
        ("x.json", "[1]", "neither a transcript nor a list"),
        ("x.jsonl", '{"key": "u", "text": "a"}\n[1]', "no object in line 2"),
        ("x.jsonl", '{"key": "u", "text": "a"}\nhello', "not JSON in line 2"),
        ("x.jsonl", '{"key": "u"}', "no text in line 1"),
        ("x.jsonl", '{"text": "a"}', "no id in line 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_a_sentence_with_its_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_texts(path, reference=False)


def test_nothing_to_read_is_an_error_of_its_own(tmp_path):
    for path, kind in (
        (tmp_path / "no", NotFoundError),
        (tmp_path, NotFoundError),
        (tmp_path / ("x" * 300), InputError),
    ):
        with pytest.raises(kind):
            read_texts(path, reference=True)
    (tmp_path / "text").write_text("\n")
    with pytest.raises(AsrError, match="holds no utterances"):
        paired(read_texts(tmp_path / "text", reference=True), Texts("h", "", {}))
