"""Lists that fit a laptop's height: what is said of several databases alike is one line, one sentence no list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.slack.mrkdwn import bullets, words


def grouped(sentences: Iterable[str]) -> list[str]:
    """`NAME: text` sentences with the same text as one, `A, B: text`; all others as they are, each once."""
    names: dict[str, list[str]] = {}
    for sentence in sentences:
        name, colon, text = sentence.partition(":")
        said = names.setdefault(colon + text if colon else sentence, [])
        if colon and name not in said:
            said.append(name)
    return [", ".join(said) + text for text, said in names.items()]


def told(sign: str, title: str, sentences: Sequence[str]) -> str:
    """A bold title and what it is about: in the same line when that is one line, else as a list below it."""
    head = f"{sign} " if sign else ""
    if len(sentences) == 1 and "\n" not in sentences[0]:
        return f"{head}*{title}:* {words(sentences[0])}"
    return f"{head}*{title}*\n{bullets(sentences)}"
