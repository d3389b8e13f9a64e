from datetime import UTC, datetime, timedelta

import pytest

from openlockbox.web.portal.speech import Speech, find_zone

NOW = datetime(2026, 11, 24, 6, 40, tzinfo=UTC)
ENGLISH = Speech("en", find_zone("Europe/Berlin"), NOW)
JAPANESE = Speech("ja", find_zone("Asia/Tokyo"), NOW)


@pytest.mark.parametrize(
    "length,english,japanese",
    [
        (timedelta(seconds=59), "less than a minute", "1分未満"),
        (timedelta(minutes=1), "1 minute", "1分"),
        (timedelta(minutes=59, seconds=59), "59 minutes", "59分"),
        (timedelta(hours=8), "8 hours", "8時間"),
        (timedelta(hours=1, minutes=25), "1 hour 25 minutes", "1時間25分"),
        (timedelta(days=3, hours=2, minutes=32), "3 days 2 hours", "3日2時間"),
        (timedelta(days=4), "4 days", "4日"),
        (timedelta(days=1, minutes=5), "1 day", "1日"),
    ],
)
def test_a_length_is_said_in_at_most_two_units_and_never_in_seconds(length, english, japanese):
    assert ENGLISH.duration(length) == english
    assert JAPANESE.duration(length) == japanese


def test_an_instant_names_weekday_year_and_zone_of_the_reader():
    at = datetime(2026, 11, 27, 9, 12, tzinfo=UTC)
    assert ENGLISH.exact(at) == "Fri 27 Nov 2026, 10:12 CET"
    assert JAPANESE.exact(at) == "2026年11月27日（金）18:12 JST"


def test_today_is_the_readers_today():
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert ENGLISH.exact(late) == "today 24 Nov 2026, 00:30 CET"
    assert Speech("en", find_zone("UTC"), NOW).exact(late) == "Mon 23 Nov 2026, 23:30 UTC"


def test_a_zone_without_letters_is_said_by_its_distance_from_utc():
    speech = Speech("en", find_zone("America/Sao_Paulo"), NOW)
    assert speech.exact(datetime(2026, 11, 27, 9, 12, tzinfo=UTC)).endswith("06:12 UTC-3")
    assert Speech("en", find_zone("Asia/Kathmandu"), NOW).exact(NOW).endswith("UTC+5:45")


def test_an_unknown_zone_is_utc():
    assert find_zone("../../etc/passwd").key == "UTC"
    assert find_zone("Mars/Olympus").key == "UTC"


def test_the_footer_names_the_zone():
    assert ENGLISH.zone_name() == "Central European Time (UTC+1)"
    assert JAPANESE.zone_name() == "日本時間（UTC+9）"
    assert Speech("en", find_zone("UTC"), NOW).zone_name() == "UTC"


def test_a_revocation_is_confirmed_in_milliseconds():
    assert ENGLISH.milliseconds(timedelta(microseconds=143_400)) == "143 ms"
    assert JAPANESE.milliseconds(timedelta(seconds=1.2)) == "1,200ミリ秒"


def test_what_has_passed_is_said_so():
    assert ENGLISH.ago(NOW - timedelta(seconds=3)) == "just now"
    assert ENGLISH.ago(NOW - timedelta(hours=2)) == "2 hours ago"
    assert ENGLISH.left(NOW - timedelta(hours=2)) == "less than a minute left"
