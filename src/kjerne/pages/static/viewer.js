// Opens a SMART Health Link in the browser: what opens it stands behind the address's # and is sent to nobody. What is shown of
// the summary is made of text nodes alone; no markup, link or picture of it is taken over.
import { build, render } from "./viewer_document.js";

const home = document.getElementById("viewer");
const WORDS = JSON.parse(home.dataset.say);
const FHIR = "application/fhir+json";
const VIEWS = "application/vnd.kjerne.views+json";
let language = home.dataset.lang in WORDS ? home.dataset.lang : "en";
let shownNow = null;
const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FILE_BYTES_MOST = 50_000_000;

const at = (id) => document.getElementById(id);
const say = (key, values = {}) => WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));

class Told extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

let link = null;

function bytesOf(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Told("bad_link");
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (one) => one.charCodeAt(0));
}

function payloadOf(text) {
  const found = /shlink:\/([A-Za-z0-9_-]+)=*$/.exec(text.trim());
  if (!found) throw new Told(text.trim() ? "bad_link" : "no_link");
  let payload;
  try {
    payload = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(found[1])));
  } catch {
    throw new Told("bad_link");
  }
  const key = typeof payload?.key === "string" ? bytesOf(payload.key) : new Uint8Array();
  if (typeof payload?.url !== "string" || key.length !== KEY_BYTES) throw new Told("bad_link");
  if ((payload.v ?? VERSION) > VERSION) throw new Told("newer");
  let url;
  try {
    url = new URL(payload.url);
  } catch {
    throw new Told("bad_link");
  }
  if (url.origin !== location.origin) throw new Told("other_site");
  const flags = typeof payload.flag === "string" ? payload.flag : "";
  return { url, key, flags, label: typeof payload.label === "string" ? payload.label : "" };
}

function tell(key, values = {}, grave = false) {
  const line = document.createElement("p");
  line.textContent = say(key, values);
  const box = document.createElement("div");
  box.className = grave ? "message high" : "message";
  box.append(line);
  at("told").replaceChildren(box);
}

function failed(error) {
  if (error instanceof Told) tell(error.key, error.values, true);
  else tell("failed", {}, true);
}

async function manifestOf(recipient, passcode) {
  const asked = { recipient, views: true };
  if (link.flags.includes("P")) asked.passcode = passcode;
  const answer = await fetch(link.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(asked),
    credentials: "omit",
    cache: "no-store",
    referrerPolicy: "no-referrer",
  });
  if (answer.status === 401) {
    const left = Number((await answer.json()).remainingAttempts);
    throw left > 0 ? new Told("wrong", { n: left }) : new Told("wrong_last");
  }
  if (answer.status === 404) throw new Told("gone");
  if (answer.status === 429) throw new Told("busy");
  if (!answer.ok) throw new Told("failed");
  const files = (await answer.json()).files;
  if (!Array.isArray(files)) throw new Told("failed");
  return files;
}

async function jweOf(file) {
  if (typeof file.embedded === "string") return file.embedded;
  const url = new URL(file.location);
  if (url.origin !== location.origin) throw new Told("other_site");
  const answer = await fetch(url, { credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" });
  if (!answer.ok) throw new Told("gone");
  return answer.text();
}

async function inflated(packed) {
  if (typeof DecompressionStream !== "function") throw new Told("old_browser");
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const pieces = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > FILE_BYTES_MOST) throw new Told("locked");
    pieces.push(value);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

async function opened(jwe) {
  try {
    const [head, wrapped, nonce, sealed, tag] = jwe.trim().split(".");
    const header = JSON.parse(new TextDecoder().decode(bytesOf(head)));
    if (header.alg !== "dir" || header.enc !== "A256GCM" || wrapped !== "" || header.crit) throw new Told("locked");
    if (header.zip !== undefined && header.zip !== "DEF") throw new Told("locked");
    const [iv, mark] = [bytesOf(nonce), bytesOf(tag)];
    if (iv.length !== NONCE_BYTES || mark.length !== TAG_BYTES) throw new Told("locked");
    const key = await crypto.subtle.importKey("raw", link.key, "AES-GCM", false, ["decrypt"]);
    const algorithm = { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(head), tagLength: 128 };
    const plain = new Uint8Array(await crypto.subtle.decrypt(algorithm, key, await joined(bytesOf(sealed), mark)));
    return new TextDecoder().decode(header.zip ? await inflated(plain) : plain);
  } catch (error) {
    throw error instanceof Told && error.key === "old_browser" ? error : new Told("locked");
  }
}

const joined = async (...parts) => new Uint8Array(await new Blob(parts).arrayBuffer());

async function unlock(event) {
  event.preventDefault();
  const button = at("unlock").querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  tell("waiting");
  try {
    if (!globalThis.crypto?.subtle) throw new Told("old_browser");
    const files = await manifestOf(at("who").value.trim(), at("passcode").value);
    const of = async (type) => {
      const found = [];
      for (const file of files.filter((one) => one.contentType === type)) {
        found.push(JSON.parse(await opened(await jweOf(file))));
      }
      return found;
    };
    const views = await of(VIEWS);
    shownNow = { views, documents: views.length ? [] : await of(FHIR) };
    show();
    at("document").querySelector("h1").focus();
  } catch (error) {
    failed(error);
    at("passcode").value = "";
    at("passcode").focus();
  } finally {
    button.disabled = false;
  }
}

// A copy in one of the languages that it has been rendered in, with when it was made and whether it lacks something.
function viewOf(view) {
  const made = build(view.in[language] ?? view.in.en);
  // In Norway's time, as all that stands below, and said to be that.
  const time = new Date(view.at).toLocaleString(language === "en" ? "en-GB" : "nb-NO", {
    timeZone: "Europe/Oslo", year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  const told = [say("unchecked", { time })];
  if (view.incomplete) told.unshift(say("incomplete"));
  const boxes = told.map((text, place) => {
    const box = document.createElement("p");
    box.className = view.incomplete && place === 0 ? "message high" : "message caution";
    box.textContent = text;
    return box;
  });
  made.querySelector("h1").after(...boxes);
  return made;
}

function show() {
  const shown = [
    ...shownNow.views.map(viewOf),
    ...shownNow.documents.map((one) => render(one, say, language)),
  ];
  at("told").replaceChildren();
  at("ask").hidden = true;
  home.querySelector("h1").hidden = true;
  const print = document.createElement("button");
  print.type = "button";
  print.className = "ds-button no-paper";
  print.textContent = say("print");
  print.addEventListener("click", () => globalThis.print());
  at("document").replaceChildren(print, ...shown);
  at("document").querySelector("h1").tabIndex = -1;
}

// Another language: what is open is shown in it where it stands, so that nobody types a passcode again; else the page is asked for
// in it, and the link goes along behind the #, which a browser keeps over a redirect and sends to nobody.
function translated(event) {
  const chosen = event.currentTarget;
  const wanted = chosen.lang in WORDS ? chosen.lang : "nb";
  if (shownNow) {
    event.preventDefault();
    fetch(chosen.href, { redirect: "manual", referrerPolicy: "no-referrer" }).catch(() => {});
    language = wanted;
    document.documentElement.lang = wanted;
    document.title = `${say("title")} – kjerne`;
    for (const one of document.querySelectorAll(".languages a")) one.removeAttribute("aria-current");
    chosen.setAttribute("aria-current", "true");
    show();
  } else if (history.state?.link) {
    event.preventDefault();
    location.assign(`${chosen.href}#${history.state.link}`);
  }
}

function take(text) {
  try {
    link = payloadOf(text);
  } catch (error) {
    link = null;
    at("unlock").hidden = true;
    at("paste").hidden = false;
    if (text.trim()) failed(error);
    else tell("no_link");
    return;
  }
  at("told").replaceChildren();
  at("paste").hidden = true;
  at("unlock").hidden = false;
  at("passcode-field").hidden = !link.flags.includes("P");
  at("named").hidden = !link.label;
  at("named").textContent = link.label ? say("label", { label: link.label }) : "";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function fromAddress() {
  const fragment = decoded(location.hash.slice(1));
  // What opens the summary is not to stay in the address, where it is read over a shoulder and kept in a history. This tab keeps
  // it beside the address, so that to load the page again asks for the passcode and not for the code again.
  if (fragment) history.replaceState({ link: fragment }, "", location.pathname);
  const text = fragment || (typeof history.state?.link === "string" ? history.state.link : "");
  shownNow = null;
  at("document").replaceChildren();
  at("ask").hidden = false;
  home.querySelector("h1").hidden = false;
  take(text);
}

// A place on the page is gone to without the address, which would stand between the link and who loads the page again.
function within(event) {
  const hash = event.target.closest?.('a[href^="#"]')?.hash;
  const place = hash && document.getElementById(decoded(hash.slice(1)));
  if (!place) return;
  event.preventDefault();
  for (let one = place.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
  if (!place.matches("a[href], button, input, summary, [tabindex]")) place.tabIndex = -1;
  place.focus({ preventScroll: true });
  place.scrollIntoView();
}

at("unlock").addEventListener("submit", unlock);
at("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  take(at("link").value);
});
at("no-script").remove();
for (const one of document.querySelectorAll(".languages a")) one.addEventListener("click", translated);
addEventListener("hashchange", () => decoded(location.hash.slice(1)).startsWith("shlink:/") && fromAddress());
document.addEventListener("click", within);
fromAddress();
