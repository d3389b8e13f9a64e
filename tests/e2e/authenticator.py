"""A virtual authenticator in Chromium, and the steps with passkeys that tests share."""

from playwright.async_api import CDPSession, Page, expect

from tests.e2e.person import Person


class Authenticator:
    """Chromium's own, over CDP: answers at once, as somebody whose finger was recognized."""

    def __init__(self, session: CDPSession, authenticator_id: str) -> None:
        self._session, self.id = session, authenticator_id

    async def credentials(self) -> list[dict]:
        """Return what it holds, with private keys (PKCS 8, base64)."""
        answer = await self._session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return answer["credentials"]

    async def add(self, credential: dict) -> None:
        """Put a credential of another authenticator into this one."""
        await self._session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})

    async def verify_nobody(self) -> None:
        """Recognize nobody's finger from now on."""
        await self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": False})

    async def remove(self) -> None:
        """Take it out of the browser."""
        await self._session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})


async def add_authenticator(page: Page, *, has_verification: bool = True) -> Authenticator:
    """Give a window an authenticator. It lasts as long as the window, whatever pages are shown."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": has_verification,
        "isUserVerified": has_verification,
        "automaticPresenceSimulation": True,
    }
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Authenticator(session, made["authenticatorId"])


async def enrol(page: Page, name: str) -> None:
    """Add a passkey under a name on the profile page, as its owner would; the window is signed in and freshly so."""
    await page.goto("/profile")
    await page.get_by_label("Name of the new passkey").or_(page.get_by_label("新しいパスキーの名前")).fill(name)
    await page.locator("form[data-passkey=create] button").click()
    await expect(page.locator("#passkeys li").filter(has_text=name)).to_have_count(1)


async def sign_in_with_passkey(page: Page, person: Person) -> None:
    """Fill in name and password and use the passkey."""
    await page.goto("/sign-in")
    await page.locator("#mail").fill(person.member.mail)
    await page.locator("#password").fill(person.password)
    await page.locator("form[action='/sign-in/passkey'] button").click()
