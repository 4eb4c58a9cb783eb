"""What the channel can show the customer at once, in their language; words of our own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor

from toldonce.kernel.calendar import Calendar

SOON = timedelta(minutes=90)
_MINUTE = timedelta(minutes=1)
_FALLBACK = "en"
_MINUTE_S, _HOUR_S = 60.0, 3_600.0


@dataclass(frozen=True, slots=True)
class _Tongue:
    """The sentences of one language; days begin on Monday, months in January."""

    received: str
    within_one: str
    within: str
    before: str
    next_in_line: str
    in_line: str
    takes_one: str
    takes_less: str
    takes: str
    hours: str
    days: tuple[str, ...]
    months: tuple[str, ...]


_TONGUES = {
    "nl": _Tongue(
        "We hebben uw bericht ontvangen; u hoeft uw verhaal niet nog eens te vertellen.",
        "U hoort binnen een minuut van ons.",
        "U hoort binnen {minutes} minuten van ons.",
        "U hoort van ons vóór {day} {date} {month} {time}.",
        "U bent als volgende aan de beurt.",
        "U bent nummer {place} in de rij.",
        "Dat duurt waarschijnlijk nog geen minuut.",
        "Dat duurt waarschijnlijk minder dan {high} minuten.",
        "Dat duurt waarschijnlijk {low} tot {high} minuten.",
        "Dat duurt waarschijnlijk {low} tot {high} uur.",
        ("maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"),
        (
            *("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus"),
            *("september", "oktober", "november", "december"),
        ),
    ),
    "en": _Tongue(
        "We have your message; you will not have to tell your story again.",
        "You will hear from us within a minute.",
        "You will hear from us within {minutes} minutes.",
        "You will hear from us before {day} {date} {month}, {time}.",
        "You are next in line.",
        "You are number {place} in line.",
        "It will probably take less than a minute.",
        "It will probably take less than {high} minutes.",
        "It will probably take {low} to {high} minutes.",
        "It will probably take {low} to {high} hours.",
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        (
            *("January", "February", "March", "April", "May", "June", "July", "August"),
            *("September", "October", "November", "December"),
        ),
    ),
    "de": _Tongue(
        "Wir haben Ihre Nachricht erhalten; Sie müssen nichts noch einmal erzählen.",
        "Sie hören innerhalb einer Minute von uns.",
        "Sie hören innerhalb von {minutes} Minuten von uns.",
        "Sie hören von uns vor {day}, {date}. {month}, {time} Uhr.",
        "Sie sind als Nächstes an der Reihe.",
        "Sie sind Nummer {place} in der Reihe.",
        "Es dauert wahrscheinlich weniger als eine Minute.",
        "Es dauert wahrscheinlich weniger als {high} Minuten.",
        "Es dauert wahrscheinlich {low} bis {high} Minuten.",
        "Es dauert wahrscheinlich {low} bis {high} Stunden.",
        ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
        (
            *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August"),
            *("September", "Oktober", "November", "Dezember"),
        ),
    ),
    "fr": _Tongue(
        "Nous avons bien reçu votre message ; vous n'aurez pas à le répéter.",
        "Vous aurez de nos nouvelles dans la minute.",
        "Vous aurez de nos nouvelles dans les {minutes} minutes.",
        "Vous aurez de nos nouvelles avant le {day} {date} {month} à {time}.",
        "C'est bientôt à vous : vous êtes en tête de la file.",
        "Vous êtes en position {place} dans la file.",
        "L'attente sera probablement de moins d'une minute.",
        "L'attente sera probablement de moins de {high} minutes.",
        "L'attente sera probablement de {low} à {high} minutes.",
        "L'attente sera probablement de {low} à {high} heures.",
        ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        (
            *("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août"),
            *("septembre", "octobre", "novembre", "décembre"),
        ),
    ),
}


def acknowledgement(
    language: str, now: datetime, promised_at: datetime | None, calendar: Calendar
) -> str:
    """Write the acknowledgement (below 1 KiB): that it is here, and by when a person answers.

    `calendar` gives the zone in which a time of day is said; 24x7 says it in UTC. A language that
    has no words here is answered in English.
    """
    tongue = _TONGUES.get(language) or _TONGUES[_FALLBACK]
    if promised_at is None:
        return tongue.received
    return f"{tongue.received} {_promise(tongue, now, promised_at, calendar)}"


def expectation(language: str, place: int, low_s: float, high_s: float) -> str:
    """Write what somebody in line may expect: their place, and how long it probably takes.

    `place` 0 is not in line: nothing is said. `high_s` 0: how long is not known. Minutes are
    rounded outwards, so that what is said holds as often as the band does.
    """
    tongue = _TONGUES.get(language) or _TONGUES[_FALLBACK]
    if not place:
        return ""
    where = tongue.next_in_line if place == 1 else tongue.in_line.format(place=place)
    return f"{where} {_takes(tongue, low_s, high_s)}" if high_s > 0 else where


def _takes(tongue: _Tongue, low_s: float, high_s: float) -> str:
    if low_s >= _HOUR_S and high_s > SOON.total_seconds():
        return tongue.hours.format(low=floor(low_s / _HOUR_S), high=ceil(high_s / _HOUR_S))
    low, high = floor(low_s / _MINUTE_S), ceil(high_s / _MINUTE_S)
    if high <= 1:
        return tongue.takes_one
    return (tongue.takes if low else tongue.takes_less).format(low=low, high=high)


def _promise(tongue: _Tongue, now: datetime, at: datetime, calendar: Calendar) -> str:
    left = at - now
    if left <= SOON:
        minutes = -(-left // _MINUTE)
        return tongue.within_one if minutes <= 1 else tongue.within.format(minutes=minutes)
    begun = timedelta(seconds=at.second, microseconds=at.microsecond)
    whole = at - begun + (_MINUTE if begun else timedelta())  # said later rather than sooner
    wall = whole.astimezone(calendar.zone)
    time = f"{wall:%H:%M}" if calendar.zone_name != "UTC" else f"{wall:%H:%M} (UTC)"
    return tongue.before.format(
        day=tongue.days[wall.weekday()],
        date=wall.day,
        month=tongue.months[wall.month - 1],
        time=time,
    )
