"""asr eval: how wrong are the transcripts?"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def evaluate(
    reference: Annotated[Path, typer.Argument(metavar="REF", help="What was said.", show_default=False)],
    hypothesis: Annotated[Path, typer.Argument(metavar="HYP", help="What was recognised.", show_default=False)],
    metric: Annotated[
        str, typer.Option(metavar="mer|wer|cer|all", help="Count mixed units, words or characters; commas join.")
    ] = "mer",
    per_utt: Annotated[bool, typer.Option("--per-utt", help="A line an utterance, the worst first.")] = False,
    alignment: Annotated[
        bool, typer.Option("--alignment", "--align", help="Show where each utterance with errors goes wrong.")
    ] = False,
    no_normalize: Annotated[bool, typer.Option("--no-normalize", help="Compare the texts as they are.")] = False,
    keep_case: Annotated[bool, typer.Option("--keep-case", help="Capital letters differ from small ones.")] = False,
    keep_punctuation: Annotated[bool, typer.Option("--keep-punctuation", help="Punctuation counts.")] = False,
    mode: Annotated[
        str, typer.Option(metavar="all|present|strict", help="Missing utterances: deletions, left out, an error.")
    ] = "all",
    kaldi: Annotated[
        bool, typer.Option("--kaldi", help="Print what Kaldi's compute-wer prints: the words as they are.")
    ] = False,
    text_format: Annotated[
        str, typer.Option(metavar="auto|kaldi|plain|lines", help="What plain text files are.")
    ] = "auto",
    max_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Exit 1 if the (first) rate is above, as 0.2 for 20 %.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object.")] = False,
) -> int:
    """Error rates of transcripts against what was really said.

    REF and HYP: Kaldi text, JSON or JSONL, SRT, VTT, plain text, a directory of such files, or what asr batch wrote.
    Missing utterances count as deletions. Exit 0 whatever the rate is, unless --max-rate is given.
    """
    from asr import scores as shown
    from asr.console import Console
    from asr_cli.errors import UsageError
    from asr_cli.scoring.kaldi import kaldi_lines
    from asr_cli.scoring.pairs import paired
    from asr_cli.scoring.read import read_texts
    from asr_cli.scoring.score import checked_limit, is_above, score
    from asr_cli.scoring.units import Rules, parsed_metrics

    Console(json=as_json)
    if kaldi and metric.lower() not in ("mer", "wer"):
        raise UsageError(f"--kaldi counts words as Kaldi does, and --metric asks for {metric}; choose one of them")
    limit = None if max_rate is None else checked_limit(max_rate)
    metrics = parsed_metrics("wer" if kaldi else metric)
    rules = Rules(normalize=not (no_normalize or kaldi), keep_case=keep_case, keep_punctuation=keep_punctuation)
    sides = (
        read_texts(reference, reference=True, text_format=text_format),
        read_texts(hypothesis, reference=False, text_format=text_format),
    )
    pairing = paired(*sides, mode=mode)
    found = [score(pairing.pairs, name, rules) for name in metrics]
    if as_json:
        print(shown.as_json(found, pairing, sides, rules, mode=mode, with_columns=alignment))
    elif kaldi:
        print(kaldi_lines(found[0], len(pairing.missing)))
    else:
        print("\n".join(filter(None, (shown.summary(found, sides, rules), shown.absentees(pairing, mode=mode)))))
    for one in found if not as_json else ():
        if per_utt:
            print("", shown.per_utterance(one), sep="\n")
        if alignment:
            print("", *shown.alignments(one), sep="\n")
    return int(limit is not None and is_above(found[0].counts, limit))
