// Draws a remote desktop in #desktop with IronRDP. Holds a single-use token and no password; the gateway signs in at the machine.
// Why a session ended is never taken from the connection: the portal's own answer (data-status-url) says it.
import "./vendor/iron-remote-desktop.js";
import * as rdp from "./vendor/iron-remote-desktop-rdp.js";
import { explain, provePresence } from "./presence.js";

const STATUS_TRIES = 4; // the first and three more: the gateway may need a moment to report the end
const STATUS_PAUSE_MS = 300;
const TERMINATED = "terminated"; // value of the header, and of data-session-state in the fragment

const holder = document.getElementById("desktop");
if (holder) start(holder);

async function start(desktop) {
  desktop.dataset.state = "connecting";
  document.addEventListener("keydown", leaveDesktop, { capture: true });
  try {
    await rdp.init("WARN");
    await beHere(desktop);
    await draw(desktop);
  } catch (error) {
    // IronRDP throws at every end that it did not start itself, so this is no place to judge.
    console.info("desktop ended", error && error.kind ? error.kind() : String(error));
  }
  document.removeEventListener("keydown", leaveDesktop, { capture: true });
  desktop.dataset.state = "ended";
  await showEnd(desktop);
}

// Resolves when the gateway knows that the engineer is here. Until then it shows why not, with a button to try again.
async function beHere(desktop) {
  const waiting = [...desktop.childNodes];
  for (;;) {
    const code = await provePresence(desktop.dataset);
    if (!code) return desktop.replaceChildren(...waiting);
    const panel = document.getElementById("presence-problem").content.cloneNode(true);
    panel.querySelector("[data-why]").textContent = explain(code);
    const button = panel.querySelector("button");
    desktop.replaceChildren(panel);
    desktop.dataset.state = "presence";
    focus(button);
    await new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
    desktop.dataset.state = "connecting";
  }
}

// Resolves or throws when the session is over.
function draw(desktop) {
  const settings = desktop.dataset;
  return new Promise((resolve, reject) => {
    const element = document.createElement("iron-remote-desktop");
    element.setAttribute("scale", "fit");
    element.setAttribute("flexcenter", "true");
    element.module = rdp.Backend;
    element.addEventListener("ready", (event) => {
      connect(event.detail.irgUserInteraction, desktop, settings).then(resolve, reject);
    });
    desktop.replaceChildren(element); // module and listener are set before, otherwise "ready" is missed
  });
}

async function connect(interaction, desktop, settings) {
  interaction.setEnableClipboard("clipboard" in settings);
  const config = interaction
    .configBuilder()
    .withUsername("lockbox") // required by IronRDP; the gateway writes the real account
    .withPassword("none")
    .withDestination("lockbox:3389") // ignored: the grant names the machine
    .withServerDomain("")
    .withProxyAddress(settings.gatewayUrl)
    .withAuthToken(settings.token)
    .withDesktopSize({ width: Number(settings.width) || 1280, height: Number(settings.height) || 800 })
    .withExtension(rdp.enableCredssp(false))
    .build();
  delete settings.token; // it is used up with this attempt
  const session = await interaction.connect(config);
  interaction.setVisibility(true);
  desktop.dataset.state = "connected";
  return session.run();
}

// Ctrl+Alt+End is the way out for people who work by keyboard: everything else goes to the machine.
function leaveDesktop(event) {
  if (!(event.ctrlKey && event.altKey && event.code === "End")) return;
  const bar = document.getElementById("session-bar");
  if (!bar) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  focus(bar);
}

async function showEnd(desktop) {
  let fragment = null;
  for (let attempt = 0; attempt < STATUS_TRIES; attempt += 1) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, STATUS_PAUSE_MS));
    const answer = await fetchStatus(desktop.dataset.statusUrl);
    if (answer === null) continue;
    fragment = answer.fragment;
    if (answer.isTerminated) break;
  }
  if (fragment === null) {
    // The portal cannot be asked. The page's own text for this, in the person's language, is the template beside the desktop.
    const template = document.getElementById("desktop-ended");
    desktop.replaceChildren(template ? template.content.cloneNode(true) : document.createTextNode(""));
  } else {
    desktop.replaceChildren(...fragment.childNodes);
  }
  focus(desktop);
}

async function fetchStatus(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin", cache: "no-store" });
    if (!response.ok || response.redirected) return null; // redirected: signed out meanwhile, and this is the sign-in page
    const body = new DOMParser().parseFromString(await response.text(), "text/html").body;
    const state = response.headers.get("X-Session-State") ?? body.querySelector("[data-session-state]")?.dataset.sessionState;
    return { fragment: body, isTerminated: state === TERMINATED };
  } catch {
    return null;
  }
}

function focus(element) {
  if (!element.hasAttribute("tabindex") && element.tabIndex < 0) element.tabIndex = -1;
  element.focus();
}
