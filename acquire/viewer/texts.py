"""Every word that the recording app says, and its translation.

Words are written in English where they are shown, and looked up in a gettext catalogue at that moment
(``locale/<language>/LC_MESSAGES/trilead.mo``), so that they follow the language that was chosen last. Sentences about
something that went wrong come from the rooms that found it, and stay in English.
"""

from __future__ import annotations

import gettext
import locale
import os
from pathlib import Path

__all__ = ["LANGUAGES", "_", "choose_language", "ngettext", "system_language"]

DOMAIN = "trilead"
LOCALE_FOLDER = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "de": "Deutsch"}
"""Code → what its speakers call it."""


class _Chosen:
    translations: gettext.NullTranslations = gettext.NullTranslations()


def choose_language(language: str) -> str:
    """Speak a language from now on; what is on the screen already stays as it is.

    Args:
        language: one of `LANGUAGES`, or "system" for the one of the user's session.

    Returns:
        The language that is spoken: English where there is no other.
    """
    chosen = system_language() if language == "system" else language
    _Chosen.translations = gettext.translation(DOMAIN, LOCALE_FOLDER, languages=[chosen], fallback=True)
    return chosen if chosen in LANGUAGES else "en"


def system_language() -> str:
    """The code of the session's language, or "en" where there is no translation into it."""
    names = [os.environ.get(name, "") for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")]
    names.append(locale.getlocale()[0] or "")
    named = next((name for name in names if name), "en")
    code = named.replace("-", "_").replace(":", "_").partition("_")[0].lower()
    # Windows names languages in words.
    code = {"german": "de", "english": "en"}.get(code, code)
    return code if code in LANGUAGES else "en"


def _(words: str) -> str:
    """The words in the language that is spoken."""
    return _Chosen.translations.gettext(words)


def ngettext(one: str, many: str, n: int) -> str:
    """The words for ``n`` things."""
    return _Chosen.translations.ngettext(one, many, n)
