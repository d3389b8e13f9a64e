"""What arrives at a real SMTP server: content, languages, headers, and what nobody can smuggle into them."""

# Japanese text has full-width characters; pytest passes fixtures by name.
# ruff: noqa: PLR0917

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from openlockbox.adapters.mail.rendering import one_line
from openlockbox.adapters.mail.smtp import SmtpMailer, SmtpSecurity, SmtpSettings
from openlockbox.services.delivery import MailDelayed, MailRefused
from openlockbox.testing.smtp_server import Received, SmtpServer

TEMPLATES = [
    "request_created",
    "request_decided",
    "review_asked",
    "grant_revoked",
    "request_expired",
    "access_locked",
    "access_unlocked",
    "passkey_added",
    "passkey_removed",
]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_mail_has_text_html_link_and_warning(server, mailer, new_principal, values, template, language) -> None:
    mailer.send(new_principal(language=language), template, values, key="k")
    (mail,) = server.messages
    assert mail.message.get_content_type() == "multipart/alternative"
    warning = {
        "en": "No mail of ours asks for a password or an approval code",
        "ja": "パスワードや承認コードをお尋ねすることはありません",
    }
    for part in (mail.text, mail.html):
        assert values["link"] in part
        assert warning[language] in part
        assert "vm-kiln-07" in part
        assert "{{" not in part
        assert "%(" not in part
    assert f'<html lang="{language}">' in mail.html
    assert "vm-kiln-07" in mail.subject
    assert mail.message["Content-Language"] == language


def test_the_approver_reads_who_asks_for_what_until_when(server, mailer, new_principal, values) -> None:
    mailer.send(new_principal(), "request_created", values, key="k")
    (mail,) = server.messages
    assert mail.subject == "A Lockbox request waits for your answer: vm-kiln-07"
    assert mail.text.startswith("Idris Vallenoux of Quillmere Cloud asks for access to vm-kiln-07.\n\nWho asks: ")
    for words in (
        "Organization: Ambertide Ceramics",
        "Access: Remote desktop, permission level Administrator",
        "For how long: At most 8 hours",
        "Service request: SR-20386: Kiln database drops connections",
        "Request: LBX-7Q4M-29KD",
        "Answer by Fri 27 Nov 2026, 10:12 CET.",
    ):
        assert words in mail.text


def test_a_japanese_mail_is_japanese_in_japanese_time(server, mailer, new_principal, values) -> None:
    recipient = new_principal(name="naoe", language="ja", time_zone="Asia/Tokyo")
    recipient = replace(recipient, name="外村 直枝")
    mailer.send(recipient, "request_created", values | {"requester_name": "伊土 蓮"}, key="k")
    (mail,) = server.messages
    assert mail.subject == "Lockboxリクエストが回答を待っています：vm-kiln-07"
    assert "Quillmere Cloudの伊土 蓮が、vm-kiln-07へのアクセスを依頼しています。" in mail.text
    assert "リモート デスクトップ、権限レベル：管理者" in mail.html
    assert "最長8時間" in mail.text
    assert "回答期限は2026年11月27日（金）18:12 JSTです。" in mail.text
    assert mail.message["To"].addresses[0].display_name == "外村 直枝"
    assert mail.raw.isascii()  # encoded for servers that know ASCII only


@pytest.mark.parametrize(
    "state, words",
    [
        ("approved", "The customer approved your request"),
        ("denied", "The customer denied your request"),
        ("expired", "Nobody answered your request"),
        ("canceled", "was canceled. No access is given"),
        ("newly_invented", "is now in the state newly_invented"),
    ],
)
def test_each_decision_has_its_sentence(server, mailer, new_principal, values, state, words) -> None:
    mailer.send(new_principal(), "request_decided", values | {"state": state}, key="k")
    assert words in server.messages[0].text
    assert "Reason given: Go ahead" in server.messages[0].text


@pytest.mark.parametrize(
    "hours, words",
    [("1", "At most 1 hour\n"), ("8", "At most 8 hours"), ("0.5", "At most 30 minutes"), ("1.5", "90 minutes")],
)
def test_durations_are_written_out(server, mailer, new_principal, values, hours, words) -> None:
    mailer.send(new_principal(), "request_created", values | {"duration_hours": hours}, key="k")
    assert words in server.messages[0].text


@pytest.mark.parametrize(
    "zone, words",
    [
        ("UTC", "09:12 UTC"),
        ("", "09:12 UTC"),
        ("No/Where", "09:12 UTC"),
        ("America/Sao_Paulo", "06:12 America/Sao_Paulo"),
    ],
)
def test_times_are_in_the_recipients_zone(server, mailer, new_principal, values, zone, words) -> None:
    mailer.send(new_principal(time_zone=zone), "request_created", values, key="k")
    assert f"Fri 27 Nov 2026, {words}." in server.messages[0].text


def test_headers_say_that_a_machine_wrote_it(server, mailer, new_principal, values) -> None:
    mailer.send(new_principal(), "request_created", values, key="created-LBX-1-nadia")
    mailer.send(new_principal(), "request_created", values, key="created-LBX-1-nadia")
    first, second = server.messages
    assert first.message["Auto-Submitted"] == "auto-generated"
    assert first.message["From"] == "OpenLockbox <lockbox@quillmere.example>"
    assert first.message["Date"] == "Mon, 23 Nov 2026 09:12:00 +0000"
    assert first.message_id == second.message_id
    assert first.message_id.endswith("@quillmere.example>")


HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
]
EVIL = "vm\r\nBcc: thief@evil.example\r\n\r\nApproved already.\u2028Bcc: x\x00\x0b\x1b[2J\u202egpj.exe"


@pytest.mark.parametrize("template", TEMPLATES)
def test_nothing_that_people_write_becomes_a_header_or_a_line(server, mailer, new_principal, values, template) -> None:
    recipient = replace(new_principal(), name=EVIL, language="en")
    evil = dict.fromkeys(values, EVIL) | {k: values[k] for k in ("link", "answer_by", "duration_hours", "state", "at")}
    mailer.send(recipient, template, evil, key=EVIL)
    (mail,) = server.messages
    assert mail.recipients == ("nadia@ambertide.example",)
    assert list(mail.message.keys()) == HEADERS
    for line in mail.text.splitlines():
        assert not line.startswith(("Bcc", "Approved already"))
    for character in "\x00\x1b\u202e\u2028":
        assert character not in mail.text + mail.html + mail.subject


def test_html_from_people_stays_text(server, mailer, new_principal, values) -> None:
    mailer.send(new_principal(), "request_created", values | {"service_request_title": "<img src=x>&"}, key="k")
    (mail,) = server.messages
    assert "&lt;img src=x&gt;&amp;" in mail.html
    assert "<img" not in mail.html
    assert "<img src=x>&" in mail.text


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nadia",
        "a@b\r\nRCPT TO:<c@d>",
        "a@b c@d",
        "<a@b>",
        "a@b>",
        '"a b"@c.example',
        "a@[127.0.0.1]",
        "ä@b.example",
        "a" * 300 + "@b",
    ],
)
def test_an_address_that_is_none_is_refused_for_good(server, mailer, new_principal, values, address) -> None:
    with pytest.raises(MailRefused):
        mailer.send(new_principal(mail=address), "request_created", values, key="k")
    assert not server.messages


@pytest.mark.parametrize(
    "changes",
    [
        {"link": "javascript:alert(1)"},
        {"link": 'https://x/"onclick="'},
        {"link": ""},
        {"answer_by": "soon"},
        {"answer_by": "2026-11-27T09:12:00"},
    ],
)
def test_a_row_that_does_not_fit_waits_to_be_mended(mailer, new_principal, values, changes) -> None:
    with pytest.raises(MailDelayed):
        mailer.send(new_principal(), "request_created", values | changes, key="k")


@pytest.mark.parametrize("template", ["_layout", "../secrets", "nothing", ""])
def test_only_whole_mails_are_templates(mailer, new_principal, values, template) -> None:
    with pytest.raises(MailDelayed):
        mailer.send(new_principal(), template, values, key="k")


def test_a_long_value_is_cut() -> None:
    assert len(one_line("x" * 1000)) == 300


def test_every_sentence_of_the_mails_has_its_japanese() -> None:
    folder = resources.files("openlockbox.adapters.mail")
    with folder.joinpath("locale", "ja.po").open("rb") as file:
        japanese = read_po(file, locale="ja")
    found = extract_from_dir(
        str(folder),
        method_map=[("**.py", "python"), ("templates/**", "jinja2")],
        options_map={"templates/**": {"extensions": "jinja2.ext.i18n", "silent": "false"}},
        keywords={"_": None, "N_": None, "ngettext": (1, 2)},
    )
    sentences = {message for _, _, message, _, _ in found}
    assert len(sentences) > 30
    assert [s for s in sentences if s not in japanese or not japanese[s].string] == []
    assert [message.id for message in japanese if message.fuzzy and message.id] == []


# ---- TLS ----


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    authority = folder / "ca.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, authority


def test_starttls_with_a_known_certificate(tmp_path: Path, new_mailer, new_principal, values) -> None:
    context, authority = certificate(tmp_path)
    with SmtpServer(tls=context) as server:
        mailer = new_mailer(port=server.port, security=SmtpSecurity.STARTTLS, ca_file=authority)
        mailer.send(new_principal(), "request_created", values, key="k")
        assert len(server.messages) == 1


def test_an_unknown_certificate_gets_nothing(tmp_path: Path, new_mailer, new_principal, values) -> None:
    context, _ = certificate(tmp_path)
    with SmtpServer(tls=context) as server:
        mailer = new_mailer(port=server.port, security=SmtpSecurity.STARTTLS)
        with pytest.raises(MailDelayed, match="CERTIFICATE_VERIFY_FAILED"):
            mailer.send(new_principal(), "request_created", values, key="k")
        assert not server.messages


def test_a_server_without_starttls_gets_nothing(server: SmtpServer, new_mailer, new_principal, values) -> None:
    with pytest.raises(MailDelayed, match="STARTTLS"):
        new_mailer(security=SmtpSecurity.STARTTLS).send(new_principal(), "request_created", values, key="k")
    assert not server.messages


def test_tls_from_the_start_does_not_fall_back(server: SmtpServer, new_mailer, new_principal, values) -> None:
    with pytest.raises(MailDelayed):
        new_mailer(security=SmtpSecurity.TLS).send(new_principal(), "request_created", values, key="k")
    assert not server.messages


@pytest.mark.parametrize(
    "changes", [{"sender": "nobody"}, {"sender": "a@b\r\nBcc: c@d"}, {"username": "u", "host": "mail.example"}]
)
def test_settings_that_would_fail_or_leak_are_refused(changes: dict[str, Any]) -> None:
    settings = {"host": "127.0.0.1", "port": 25, "sender": "a@b.example", "security": SmtpSecurity.NONE}
    with pytest.raises(ValueError, match="mail"):
        SmtpSettings(**(settings | changes))


def test_the_password_has_no_repr() -> None:
    assert "hunter2" not in repr(SmtpSettings(host="h", port=1, sender="a@b.c", username="u", password="hunter2"))


def test_a_refused_sender_is_our_fault_and_waits(new_mailer: Callable[..., SmtpMailer], new_principal, values) -> None:
    with SmtpServer() as server:

        async def handle_mail(*_: object) -> str:
            return "550 You may not send"

        server.handle_MAIL = handle_mail  # type: ignore[attr-defined]
        with pytest.raises(MailDelayed, match="You may not send"):
            new_mailer(port=server.port).send(new_principal(), "request_created", values, key="k")


def test_the_sink_keeps_messages_over_a_restart(server: SmtpServer, mailer, new_principal, values) -> None:
    mailer.send(new_principal(), "request_created", values, key="k")
    port = server.port
    server.stop()
    server.stop()
    server.start()
    assert server.port == port
    assert [type(message) for message in server.messages] == [Received]


@pytest.mark.parametrize(
    "language, words",
    [("en", "Keys added: 1, removed: 0. It is now version 3."), ("ja", "追加された鍵：1、削除された鍵：0")],
)
def test_a_change_of_the_roster_is_told_to_everybody_on_it(
    server, mailer, new_principal, values, language, words
) -> None:
    mailer.send(new_principal(language=language), "roster_changed", values, key="k")
    (mail,) = server.messages
    assert values["tenant_name"] in mail.subject
    for part in (mail.text, mail.html):
        assert "".join(words.split()) in "".join(part.split())  # lines are broken
        assert "Senna Oduya" in part
