// Asks the browser for a passkey where a form needs one, and sends what it says with the form.
"use strict";

const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const known = (list) => list.map((one) => ({ ...one, id: decode(one.id) }));

async function created(options) {
  options.challenge = decode(options.challenge);
  options.user.id = decode(options.user.id);
  options.excludeCredentials = known(options.excludeCredentials);
  const { rawId, response } = await navigator.credentials.create({ publicKey: options });
  return {
    id: encode(rawId),
    client_data_json: encode(response.clientDataJSON),
    authenticator_data: encode(response.getAuthenticatorData()),
    algorithm: response.getPublicKeyAlgorithm(),
    public_key: encode(response.getPublicKey()),
  };
}

async function got(options) {
  options.challenge = decode(options.challenge);
  options.allowCredentials = known(options.allowCredentials);
  const { rawId, response } = await navigator.credentials.get({ publicKey: options });
  return {
    id: encode(rawId),
    client_data_json: encode(response.clientDataJSON),
    authenticator_data: encode(response.authenticatorData),
    signature: encode(response.signature),
  };
}

// What the form says is what is asked about.
function subject(form) {
  const fields = new FormData(form);
  if (!fields.has("shown")) return {};
  const asked = { kind: fields.get("kind"), shown: fields.get("shown") };
  return fields.get("uses") ? { ...asked, uses: Number(fields.get("uses")) } : asked;
}

async function ask(form) {
  const headers = { "content-type": "application/json" };
  const reply = await fetch(form.dataset.ask, { method: "POST", headers, body: JSON.stringify(subject(form)) });
  const question = await reply.json();
  if (!reply.ok) throw new Error(question.detail);
  const credential = await (form.dataset.passkey === "create" ? created : got)(question.options);
  form.elements.proof.value = JSON.stringify({ ceremony: question.ceremony, credential });
}

function say(form, text) {
  let note = form.querySelector("[role=alert]");
  if (!note) {
    note = document.createElement("p");
    note.className = "alert";
    note.setAttribute("role", "alert");
    form.append(note);
  }
  note.textContent = text;
}

function why(error) {
  if (error.name === "NotAllowedError") return "No passkey was given. Try again.";
  if (error.name === "InvalidStateError") return "This passkey is set up already.";
  return error.message || "The passkey did not work.";
}

// On the document, because a live page replaces its forms.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.passkey || form.elements.proof.value) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await ask(form);
    form.submit();
  } catch (error) {
    say(form, why(error));
    button.disabled = false;
  }
});

if (window.PublicKeyCredential) document.documentElement.classList.add("has-passkeys");
