// Proves to a gateway that the engineer is here: their passkey signs what the gateway asks for this one connection.
// The portal's server takes no part in it. On the native page this runs by itself; desktop.js calls it before it connects.
import { assertStatement } from "./passkeys.js";

const ANSWER_MS = 60_000;

// Resolves with "" when the gateway is content, else with its refusal code, or "stopped", "unsupported" or "unreachable".
export async function provePresence({ gatewayUrl, token }) {
  let socket;
  try {
    socket = await opened(new URL("presence", gatewayUrl).href);
  } catch {
    return "unreachable";
  }
  try {
    const asked = await exchange(socket, { token });
    if (asked.refused) return asked.refused;
    let answer;
    if (asked.key === null) {
      answer = await exchange(socket, null);
    } else {
      if (asked.key.kind !== "passkey" || !window.PublicKeyCredential) return "unsupported";
      const credentialIds = asked.key.credential_id ? [asked.key.credential_id] : [];
      const signature = await assertStatement(asked.statement, { rpId: asked.key.rp_id, credentialIds });
      answer = await exchange(socket, { signature });
    }
    return answer.ok === true ? "" : answer.refused || "unreachable";
  } catch (error) {
    return error instanceof DOMException ? "stopped" : "unreachable";
  } finally {
    socket.close();
  }
}

// What a code means, in the reader's language, from the page's own list.
export function explain(code) {
  const words = document.getElementById("gateway-words");
  const known = words ? [...words.content.querySelectorAll("[data-code]")] : [];
  const found = known.find((one) => one.dataset.code === code) || known.find((one) => one.dataset.code === "");
  return found ? found.textContent : code;
}

function opened(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.inbox = [];
    socket.waiting = null;
    const give = (item) => {
      if (socket.waiting) socket.waiting(item);
      else socket.inbox.push(item);
      socket.waiting = null;
    };
    socket.addEventListener("open", () => resolve(socket));
    socket.addEventListener("message", (event) => give(event.data));
    socket.addEventListener("close", () => (reject(new Error("closed")), give(null)));
  });
}

// Sends a message, or nothing, and waits for the next answer.
async function exchange(socket, message) {
  if (message !== null) socket.send(JSON.stringify(message));
  const text = await new Promise((resolve) => {
    if (socket.inbox.length) return resolve(socket.inbox.shift());
    const timer = setTimeout(() => resolve(null), ANSWER_MS);
    socket.waiting = (item) => (clearTimeout(timer), resolve(item));
  });
  if (text === null) throw new Error("no answer");
  return JSON.parse(text);
}

// The native page: [data-presence] says where and with what; its button tries again.
const page = document.querySelector("[data-presence]");
if (page) {
  const button = page.querySelector("button");
  const attempt = async () => {
    button.hidden = true;
    show("asking");
    const code = await provePresence({ gatewayUrl: page.dataset.gatewayUrl, token: page.dataset.token });
    show(code ? "problem" : "proved", code ? explain(code) : undefined);
    button.hidden = !code;
  };
  const show = (state, text) => {
    page.dataset.state = state;
    for (const part of page.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
    if (text !== undefined) page.querySelector("[data-why]").textContent = text;
  };
  button.addEventListener("click", attempt);
  attempt();
}
