"""Captions while people speak: drafts that come soon, finals that never change.

    blocks -> speech as it is spoken -> drafts        (a streaming recogniser, or the same one again and again)
                                     -> utterances -> segments -> stitched -> punctuated -> finals

Finals are what a file gives: the same utterances, cut at the same places. One thread makes drafts and one makes finals,
for any number of streams, so that recognition never keeps a microphone waiting.
"""
