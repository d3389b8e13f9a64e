// Passkeys: enrolment, sign-in, step-up, and signing a statement. Decides nothing; the server and the gateways verify everything.
// A form marked data-passkey ("create" or "get") fetches its options from data-begin, asks the authenticator, and submits the
// answer in its field "response". Such forms stay hidden where the browser has no passkeys or no scripts.

export function toBytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

export function toText(buffer) {
  let plain = "";
  for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const described = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }));

// Makes a key. `options` is what the server wrote as JSON; the answer is JSON for the server.
export async function create(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: described(options.excludeCredentials),
    },
  });
  return JSON.stringify({
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: toText(made.response.clientDataJSON),
      attestationObject: toText(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    },
  });
}

// Uses a key for sign-in and step-up. `options` and the answer as in `create`.
export async function assert(options) {
  const used = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: described(options.allowCredentials),
    },
  });
  return JSON.stringify({
    id: used.id,
    rawId: toText(used.rawId),
    type: used.type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: toText(used.response.clientDataJSON),
      authenticatorData: toText(used.response.authenticatorData),
      signature: toText(used.response.signature),
      userHandle: used.response.userHandle ? toText(used.response.userHandle) : null,
    },
  });
}

// Signs a statement: the challenge is the SHA-256 of its UTF-8 text. Returns the canonical signature text of
// docs/spec/decision-format.md. Throws what navigator.credentials.get throws: NotAllowedError where the person did not.
export async function assertStatement(statementText, { rpId, credentialIds }) {
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(statementText));
  const used = await navigator.credentials.get({
    publicKey: {
      challenge,
      rpId,
      allowCredentials: credentialIds.map((id) => ({ type: "public-key", id: toBytes(id) })),
      userVerification: "required",
      timeout: 120_000,
    },
  });
  // In the order of the canonical form; base64url needs no escapes.
  return JSON.stringify({
    authenticator_data: toText(used.response.authenticatorData),
    client_data_json: toText(used.response.clientDataJSON),
    signature: toText(used.response.signature),
  });
}

// Runs one form: options, authenticator, answer. Resolves when the answer is on its way, or when the problem is shown.
export async function enrol(form) {
  const problem = form.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  const button = form.querySelector("button");
  button.disabled = true; // two ceremonies at once would disturb each other
  let sent = false;
  try {
    const body = new URLSearchParams(new FormData(form));
    const beside = form.dataset.with ? document.getElementById(form.dataset.with) : null;
    for (const input of beside ? beside.querySelectorAll("[data-passkey-needs]") : []) {
      if (!input.reportValidity()) return;
      body.set(input.name, input.value);
    }
    const answer = await fetch(form.dataset.begin, { method: "POST", body, credentials: "same-origin" });
    if (answer.redirected) return window.location.assign(answer.url); // the sign-in has ended
    const begun = await answer.json();
    if (begun.location) return window.location.assign(begun.location); // a second factor is to be shown first
    if (!answer.ok) {
      show(problem, begun.detail);
      return;
    }
    form.elements.response.value = await (form.dataset.passkey === "create" ? create(begun) : assert(begun));
    form.submit();
    sent = true;
  } catch (error) {
    const known = { InvalidStateError: "taken", NotAllowedError: "stopped", SecurityError: "site" };
    show(problem, problem.dataset[known[error.name] || "failed"] || problem.dataset.failed);
  } finally {
    button.disabled = sent;
  }
}

function show(problem, text) {
  problem.querySelector("span").textContent = text;
  problem.hidden = false;
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.reportValidity()) enrol(form);
    });
  }
  for (const without of document.querySelectorAll("[data-without-passkeys]")) without.hidden = true;
}
