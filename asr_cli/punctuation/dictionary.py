"""Unspaced Chinese cut to words, for punctuation networks that read them whole."""

import logging
from pathlib import Path

from asr_cli.errors import ModelError
from asr_cli.punctuation.tokens import Cutter


def chinese_cutter(user_words: Path) -> Cutter:
    """jieba with its own dictionary and a checkpoint's, without guessing at words that are in neither."""
    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # Not jieba's own beginning: that trusts a cache file in a folder where anybody may write.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    try:
        with user_words.open("rb") as file:
            tokenizer.load_userdict(file)
    except ValueError as error:
        raise ModelError(f"{str(user_words)!r} is no dictionary of jieba's; download the model again") from error
    return lambda text: tokenizer.lcut(text, HMM=False)
