"""Text from elsewhere, made safe to print.

A peer chooses its AE title and more; printed raw, it could forge log lines (CR, LF), drive the
terminal (ESC), reorder what is read (bidirectional controls) or break the encoder (surrogates).
"""


def escape(text: str) -> str:
    r"""Write every character that is not printable as `\x1b`, `\u2028` or `\U000e0001`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
