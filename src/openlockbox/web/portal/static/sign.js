// Signs what a page shows. A form marked data-sign has the statement's text in its field "statement", the site and the keys in
// data-rp-id and data-credentials, and gets the signature into its field "signature". Decides nothing; the server verifies.
import { assertStatement } from "./passkeys.js";

async function sign(form) {
  const problem = form.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const statement = form.elements.statement.value;
    const credentialIds = form.dataset.credentials.split(" ");
    form.elements.signature.value = await assertStatement(statement, { rpId: form.dataset.rpId, credentialIds });
    form.submit();
  } catch (error) {
    const known = { NotAllowedError: "stopped", SecurityError: "site" };
    problem.querySelector("span").textContent = problem.dataset[known[error.name] || "failed"];
    problem.hidden = false;
  } finally {
    button.disabled = false;
  }
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-sign]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.reportValidity()) sign(form);
    });
  }
}
