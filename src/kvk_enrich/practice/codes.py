"""KVK's error codes: status and text of each, and the body they come in."""

from types import MappingProxyType
from typing import Final

from kvk_enrich.practice.answers import Json

IPD: Final = MappingProxyType(
    {
        # code: HTTP status, text; {0} is what was asked. Source: KVK's status codes and recorded answers, 2026-11
        "IPD0001": (404, "Het gevraagde product {0} bestaat niet."),
        "IPD0004": (400, "Het KVK-nummer {0} is niet valide."),
        "IPD0005": (404, "Op basis van het KVK-nummer {0} kan het product niet worden geleverd."),
        "IPD0006": (400, "Het vestigingsnummer {0} is niet valide."),
        "IPD0007": (404, "Op basis van het vestigingsnummer {0} kan het product niet worden geleverd."),
        "IPD0010": (400, "Het RSI-nummer {0} is niet valide."),
        "IPD1002": (
            404,
            "De gegevens zijn tijdelijk niet leverbaar omdat deze in behandeling zijn. Probeer het later nog eens.",
        ),
        "IPD1003": (404, "De gegevens zijn tijdelijk niet leverbaar. Probeer het over 5 minuten nog een keer."),
        "IPD1998": (400, "Algemene invoer parameter fout."),
        "IPD1999": (400, "De volgende opgegeven parameter(s) is(zijn) ongeldig: [{0}]"),
        "IPD5200": (404, "Er zijn geen gegevens gevonden die voldoen aan de opgegeven zoekparameters."),
        "IPD5203": (404, "Het opgegeven type is niet valide."),
        "IPD9999": (500, "Algemene technische fout."),
    }
)


def status_of(code: str) -> int:
    """Return the HTTP status that goes with *code*; 400 for one we do not know."""
    return IPD[code][0] if code in IPD else 400


def body_of(code: str, asked: str) -> Json:
    """Return the error body with *code*; *asked* is the number or the parameters it is about."""
    text = IPD[code][1].format(asked) if code in IPD else "Onbekende fout."
    return {"fout": [{"code": code, "omschrijving": text}]}
