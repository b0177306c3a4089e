"""Sizes as people read them."""

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_text(n_bytes: float) -> str:
    """
    >>> size_text(512), size_text(1_730_000), size_text(848_600_000), size_text(3_090_000_000)
    ('512 bytes', '1.7 MB', '849 MB', '3.1 GB')
    """
    unit = 0
    while n_bytes >= 999.5 and unit < len(UNITS) - 1:
        n_bytes /= 1000
        unit += 1
    digits = 0 if unit == 0 or n_bytes >= 99.5 else 1
    return f"{n_bytes:.{digits}f} {UNITS[unit]}"
