"""Characters that show nothing."""

# From first to last: controls, white space, and what Unicode calls default-ignorable.
_INVISIBLE = [
    (0x01, 0x20),  # controls and the space; NUL is refused in every text
    (0x7F, 0xA0),  # controls, next line, no-break space
    (0xAD, 0xAD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x1680, 0x1680),  # Ogham space
    (0x17B4, 0x17B5),  # inherent vowels of Khmer
    (0x180B, 0x180F),  # Mongolian selectors
    (0x2000, 0x200F),  # spaces, zero-width space, joiners, direction marks
    (0x2028, 0x202F),  # separators, embeddings, narrow no-break space
    (0x205F, 0x206F),  # mathematical space, word joiner, invisible operators
    (0x2800, 0x2800),  # blank of Braille
    (0x3000, 0x3000),  # ideographic space
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFFB),  # unassigned, and interlinear annotations
    (0x1BCA0, 0x1BCA3),  # shorthand controls
    (0x1D173, 0x1D17A),  # musical controls
    (0xE0000, 0xE0FFF),  # tags and more variation selectors
]

# For use between the brackets of a regular expression, of Python as of ECMA-262.
INVISIBLE = "".join(f"{chr(first)}-{chr(last)}" for first, last in _INVISIBLE)
