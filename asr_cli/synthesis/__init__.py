"""Speech that a machine reads, with what was said and when: from made-up sentences to recordings in rooms."""
