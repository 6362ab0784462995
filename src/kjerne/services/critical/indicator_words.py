"""What the health indicator says in words, in the reader's language: the tooltip and the alternative text of its icon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kjerne.registries.card_words import LANGUAGES, language_of

__all__ = ["LANGUAGES", "language_of", "words"]

_MOST: Final = 3
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "nb": {
        "0": "Kjernejournal er ikke sjekket. Det kan finnes kritisk informasjon. Spør pasienten.",
        "0.number": "Ikke et gyldig fødselsnummer eller D-nummer. Kjernejournal er ikke sjekket.",
        "0.blocked": "Pasienten har sperret for deg. Kjernejournal er ikke sjekket. Spør pasienten.",
        "0.ended": "Visningen er for gammel. Kjernejournal er ikke sjekket. Åpne pasienten på nytt.",
        "1": "Pasienten har ikke kjernejournal. Det sier ikke noe om kritisk informasjon. Spør pasienten.",
        "2": "Kjernejournal finnes. Ingen kritisk informasjon som du kan se, gjelder nå.",
        "2.restricted": "Kjernejournal finnes. Kritisk informasjon er sperret, og åpnes med samtykke eller ved akutt behov.",
        "3": "Pasienten har selv registrert helseopplysninger i kjernejournal.",
        "4": "OBS: Det er registrert kritisk informasjon i kjernejournal.",
        "negative.2": "Registrert som ikke kjent: {what}.",
        "negative.4": "Det motsier dette, som også er registrert: {what}.",
        "unknown": "ukjent",
        "told_by": "{who}, ifølge {sender}",
    },
    "nn": {
        "0": "Kjernejournal er ikkje sjekka. Det kan finnast kritisk informasjon. Spør pasienten.",
        "0.number": "Ikkje eit gyldig fødselsnummer eller D-nummer. Kjernejournal er ikkje sjekka.",
        "0.blocked": "Pasienten har sperra for deg. Kjernejournal er ikkje sjekka. Spør pasienten.",
        "0.ended": "Visinga er for gammal. Kjernejournal er ikkje sjekka. Opne pasienten på nytt.",
        "1": "Pasienten har ikkje kjernejournal. Det seier ikkje noko om kritisk informasjon. Spør pasienten.",
        "2": "Kjernejournal finst. Ingen kritisk informasjon som du kan sjå, gjeld no.",
        "2.restricted": "Kjernejournal finst. Kritisk informasjon er sperra, og blir opna med samtykke eller ved akutt behov.",
        "3": "Pasienten har sjølv registrert helseopplysningar i kjernejournal.",
        "4": "OBS: Det er registrert kritisk informasjon i kjernejournal.",
        "negative.2": "Registrert som ikkje kjent: {what}.",
        "negative.4": "Det motseier dette, som òg er registrert: {what}.",
        "unknown": "ukjend",
        "told_by": "{who}, ifølgje {sender}",
    },
    "en": {
        "0": "The national record was not checked. There may be critical information. Ask the patient.",
        "0.number": "Not a valid national identity number or D-number. The national record was not checked.",
        "0.blocked": "The patient has shut you out by name. The national record was not checked. Ask the patient.",
        "0.ended": "What is shown is too old. The national record was not checked. Open the patient again.",
        "1": "The patient has no national record. That says nothing of critical information. Ask the patient.",
        "2": "There is a national record. No critical information that you may see holds now.",
        "2.restricted": "There is a national record. Critical information is shut; consent or an acute need opens it.",
        "3": "The patient has entered health information in the national record herself.",
        "4": "Attention: critical information is registered in the national record.",
        "negative.2": "Recorded as not known: {what}.",
        "negative.4": "It contradicts this, which is recorded too: {what}.",
        "unknown": "unknown",
        "told_by": "{who}, according to {sender}",
    },
}


def words(language: str, status: int, why: str = "", negatives: Sequence[tuple[str, str, str, str]] = ()) -> str:
    """The text of a status; `why` is one of its own reasons. `negatives` are what is registered as not known: what it is called,
    the day as FHIR spells it, who registered it (empty where nobody knows), and whose word that is (empty where hers).

    >>> words("nn", 1)
    'Pasienten har ikkje kjernejournal. Det seier ikkje noko om kritisk informasjon. Spør pasienten.'
    """
    said = _WORDS[language]
    if negatives and not why:
        what = "; ".join(f"{name} ({_day(day)}, {_who(said, *whose)})" for name, day, *whose in negatives[:_MOST])
        beside = said[f"negative.{status}"].format(what=what + ("; …" if len(negatives) > _MOST else ""))
        return f"{said[str(status)]} {beside}"
    return said[f"{status}.{why}" if why else str(status)]


def _who(said: Mapping[str, str], who: str, sender: str) -> str:
    who = who or said["unknown"]
    return said["told_by"].format(who=who, sender=sender) if sender else who


def _day(text: str) -> str:
    parts = text.split("-")
    return ".".join(reversed(parts)) if len(parts) == len(("year", "month", "day")) else text
