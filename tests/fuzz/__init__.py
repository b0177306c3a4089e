"""Mutated recordings and lists in great numbers, traced: no crash, no hang, nothing opened that was not named."""
