"""Marks English text for translation without translating it: the pure core names sentences, the edges speak languages."""


def N_(text: str) -> str:  # noqa: N802  the gettext convention for "translate later"
    """Return the text unchanged; Babel finds it here, the page or mail translates it."""
    return text
