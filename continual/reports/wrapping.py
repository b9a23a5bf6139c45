"""Long names on several lines: broken where a reader would, after a space or a comma, and within a word last."""

__all__ = ["breakable", "shorten_name", "wrap_name"]

import re

STRONG, WEAK = r"[\s,;·|]", r"[=:/_+\-]"
"""Signs after which a name may be broken, and those after which a part may be that is too long for a line."""


def wrap_name(text: str, width: int, lines: int | None = None) -> list[str]:
    """A name on lines of at most `width` characters; no word is cut that fits on a line.

    Args:
        text: the name.
        width: of a line, at least 1.
        lines: at most so many; what is left over ends in "…".

    Returns:
        The lines, at least one.

    Example:
        >>> wrap_name("kan, adaptation=grid_update,domain_extension", 20)
        ['kan, adaptation=', 'grid_update,', 'domain_extension']
        >>> wrap_name("kan, adaptation=grid_update,domain_extension", 20, 2)
        ['kan, adaptation=', 'grid_update,domain_…']
    """
    found = [""]
    for part in _parts(" ".join(text.split()), width):
        if len((found[-1] + part).rstrip()) <= width:
            found[-1] += part
        else:
            found.append(part)
    found = [line.strip() for line in found if line.strip()] or [""]
    if lines is None or len(found) <= lines:
        return found
    kept, rest = found[: lines - 1], " ".join(text.split())
    for line in kept:
        rest = rest.removeprefix(line).lstrip()
    return [*kept, rest[: max(width - 1, 1)].rstrip() + "…"]


def _parts(text: str, width: int) -> list[str]:
    """Pieces that stay whole: up to a strong sign, up to a weak one where that is too long, or as much as fits."""
    found = []
    for word in re.findall(rf"[^\s,;·|]*{STRONG}*", text):
        pieces = [word] if len(word.rstrip()) <= width else re.findall(rf"[^=:/_+\-]*{WEAK}*", word)
        for piece in pieces:
            found += [piece[start : start + width] for start in range(0, len(piece), width)]
    return found


def shorten_name(text: str, width: int) -> str:
    """A name on one line of at most `width` characters: its beginning and "…" if it is longer.

    Example:
        >>> shorten_name("grid_update,domain_extension", 12)
        'grid_update…'
    """
    return wrap_name(text, width, 1)[0]


def breakable(html: str, longest: int = 24) -> str:
    """HTML text whose words of more than `longest` characters may be broken after their separators.

    Browsers break at spaces and hyphens only.

    Example:
        >>> breakable("a grid_update,domain_extension", 12)
        'a grid_<wbr>update,<wbr>domain_<wbr>extension'
    """

    def split(word: "re.Match[str]") -> str:
        return re.sub(r"([,=/_+|]|:(?!//))(?=[^\s<])", r"\1<wbr>", word[0]) if len(word[0]) > longest else word[0]

    return re.sub(r"\S+", split, html)
