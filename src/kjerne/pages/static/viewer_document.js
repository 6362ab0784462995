// A patient summary as elements of a page, whoever made it: each section with a table of its entries, every fact of an entry with
// all its codes, and the section in words. Text nodes alone: nothing of the document is read as markup.

const DEPTH_MOST = 20;
const FACTS_MOST = 400;
const ENTRIES_MOST = 2_000;
const PROSE_MOST = 200_000;
const SIGNS = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const NAMED_BY = ["code", "vaccineCode", "medicationCodeableConcept", "type", "category", "medicationReference", "device"];
const PASSED_OVER = new Set(["resourceType", "id", "meta", "text", "contained", "implicitRules", "language"]);
const TURNING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const plain = (value) => String(value).replace(TURNING, " ");

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text !== "") made.textContent = plain(text);
  if (className) made.className = className;
  return made;
}

// Words of the document itself, in the language that it says it has.
function spoken(name, text, language) {
  const made = element(name, text);
  if (language) made.lang = language;
  return made;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const listed = (value) => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);
const codeText = (one) => [one.display, one.code, one.system].filter((part) => typeof part === "string" && part).join(" · ");

function conceptText(concept) {
  if (!isObject(concept)) return "";
  if (typeof concept.text === "string" && concept.text) return concept.text;
  const coding = listed(concept.coding).find((one) => isObject(one) && (one.display || one.code));
  return coding ? String(coding.display || coding.code) : "";
}

const words = (name) => plain(name).replace(/^value(?=[A-Z])/, "").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function quantityText(one) {
  return [one.comparator, one.value, one.unit || one.code].filter((part) => part !== undefined && part !== "").join(" ");
}

function nameText(one) {
  const parts = [...listed(one.prefix), ...listed(one.given), one.family, ...listed(one.suffix)];
  return one.text || parts.filter((part) => typeof part === "string").join(" ");
}

// Every fact under the elements that lead to it, and every code, wherever it stands.
function gathered(resource, resolve) {
  const found = { facts: [], codes: [], cut: false };
  const add = (path, text) => {
    if (text === "" || text === undefined) return;
    if (found.facts.length >= FACTS_MOST) found.cut = true;
    else found.facts.push([path, text]);
  };
  const walk = (value, path, depth) => {
    if (depth > DEPTH_MOST) {
      found.cut = true;
    } else if (Array.isArray(value)) {
      for (const one of value) walk(one, path, depth + 1);
    } else if (!isObject(value)) {
      if (value !== null && value !== undefined) add(path, String(value));
    } else if (Array.isArray(value.coding)) {
      for (const one of value.coding) if (isObject(one)) found.codes.push(codeText(one));
      add(path, conceptText(value));
      inside(value, path, depth, ["coding", "text"]);
    } else if (typeof value.code === "string" && typeof value.system === "string" && value.value === undefined) {
      found.codes.push(codeText(value));
      add(path, String(value.display || value.code));
      inside(value, path, depth, ["code", "system", "display", "version", "userSelected"]);
    } else if (typeof value.value === "number") {
      add(path, quantityText(value));
      if (value.code && value.system) found.codes.push(codeText({ ...value, display: value.unit }));
      inside(value, path, depth, ["value", "unit", "code", "system", "comparator"]);
    } else if (typeof value.reference === "string" || (typeof value.display === "string" && path)) {
      add(path, String(value.display || resolve(value.reference) || value.reference));
      inside(value, path, depth, ["reference", "display", "type"]);
    } else if (value.family !== undefined || value.given !== undefined) {
      add(path, nameText(value));
    } else if (value.start !== undefined || value.end !== undefined) {
      add(path, `${value.start ?? ""} – ${value.end ?? ""}`);
      inside(value, path, depth, ["start", "end"]);
    } else {
      inside(value, path, depth, []);
    }
  };
  const inside = (value, path, depth, passed) => {
    for (const [name, one] of Object.entries(value)) {
      if (passed.includes(name) || (name === "url" && /extension$/.test(path))) continue;
      walk(one, path ? `${path} / ${words(name)}` : words(name), depth + 1);
    }
  };
  for (const [name, value] of Object.entries(resource)) if (!PASSED_OVER.has(name)) walk(value, words(name), 1);
  for (const one of listed(resource.contained)) if (isObject(one)) walk({ contained: { ...one, text: undefined } }, "", 2);
  found.codes = [...new Set(found.codes)];
  return found;
}

function headingOf(resource, resolve) {
  for (const name of NAMED_BY) {
    for (const one of listed(resource[name])) {
      const text = conceptText(one) || (isObject(one) && (one.display || resolve(one.reference))) || "";
      if (text) return String(text);
    }
  }
  const name = listed(resource.name).map((one) => (isObject(one) ? nameText(one) : String(one)))[0];
  return name || listed(resource.deviceName).map((one) => one?.name)[0] || String(resource.resourceType ?? "");
}

function factsOf(found, say) {
  const list = element("dl", "", "facts");
  for (const [path, text] of found.facts) {
    const row = element("div");
    row.append(element("dt", path), element("dd", text));
    list.append(row);
  }
  const held = document.createDocumentFragment();
  held.append(list);
  if (found.cut) held.append(element("p", say("cut"), "quiet"));
  return held;
}

function codesOf(found) {
  const list = element("ul", "", "plain-list codes");
  for (const one of found.codes) list.append(element("li", one));
  return found.codes.length ? list : element("span", "–");
}

function tableOf(title, resources, resolve, say) {
  const table = element("table", "", "viewer-table");
  table.append(element("caption", title, "sr"));
  const head = element("tr");
  for (const key of ["what", "facts", "codes"]) {
    const cell = element("th", say(key));
    cell.scope = "col";
    head.append(cell);
  }
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  for (const resource of resources) {
    const found = gathered(resource, resolve);
    const row = element("tr");
    const name = element("th", headingOf(resource, resolve));
    name.scope = "row";
    name.append(element("span", resource.resourceType ?? "", "quiet sub"));
    const facts = element("td");
    facts.append(factsOf(found, say));
    const codes = element("td");
    codes.append(codesOf(found));
    row.append(name, facts, codes);
    body.append(row);
  }
  table.append(top, body);
  return table;
}

// The narrative as its text. It is never parsed as a document, not even one that is not shown: what is left of a tag is text too.
function proseOf(div) {
  const text = String(div)
    .slice(0, PROSE_MOST)
    .replace(/<(script|style|template)\b[^]*?<\/\1\s*>/gi, " ")
    .replace(/<\/?(?:p|div|tr|li|br|h[1-6]|caption|table|ul|ol)\b[^>]*>/gi, "\n")
    .replace(/<[^>]*>/g, " ")
    .replace(/&(#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z]{1,8});/gi, (whole, name) => signOf(name) ?? whole);
  return text.replace(/[ \t]+/g, " ").split(/\s*\n\s*/).filter((line) => line.trim());
}

function signOf(name) {
  if (!name.startsWith("#")) return SIGNS[name.toLowerCase()];
  const number = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
  return number > 0 && number <= 0x10ffff ? String.fromCodePoint(number) : undefined;
}

class Shelf {
  constructor(bundle) {
    this.entries = listed(bundle.entry).filter((one) => isObject(one?.resource));
    this.cut = this.entries.length > ENTRIES_MOST;
    this.entries = this.entries.slice(0, ENTRIES_MOST);
    this.byAddress = new Map();
    for (const { fullUrl, resource } of this.entries) {
      if (typeof fullUrl === "string") this.byAddress.set(fullUrl, resource);
      this.byAddress.set(`${resource.resourceType}/${resource.id}`, resource);
    }
    this.shown = new Set();
    this.language = /^[a-z]{2}(-[A-Z]{2})?$/.test(bundle.language ?? "") ? bundle.language : "";
  }

  find(reference) {
    if (typeof reference !== "string") return undefined;
    const short = /([A-Za-z]+\/[A-Za-z0-9.-]+)(?:\/_history\/.*)?$/.exec(reference);
    return this.byAddress.get(reference) ?? (short ? this.byAddress.get(short[1]) : undefined);
  }
}

function sectionOf(section, shelf, say, level) {
  const made = element("section", "", "panel");
  const title = section.title || conceptText(section.code) || say("untitled");
  made.append(spoken(`h${Math.min(level, 6)}`, title, shelf.language));
  for (const one of listed(section.code?.coding)) if (isObject(one)) made.append(element("p", codeText(one), "quiet small"));
  const resolve = (reference) => nameOf(shelf.find(reference));
  const entries = [];
  for (const one of listed(section.entry)) {
    const resource = shelf.find(one?.reference);
    if (!resource) {
      made.append(element("p", say("missing", { what: one?.display || one?.reference || "–" }), "message caution"));
    } else {
      entries.push(resource);
      shelf.shown.add(resource);
    }
  }
  if (section.emptyReason) {
    const found = gathered({ emptyReason: section.emptyReason }, resolve);
    const empty = element("p", `${say("empty")} `);
    empty.append(spoken("strong", conceptText(section.emptyReason), shelf.language));
    made.append(empty);
    if (found.codes.length) made.append(element("p", found.codes.join(" · "), "quiet small"));
  }
  const rest = { ...section };
  for (const name of ["title", "code", "text", "entry", "section", "emptyReason"]) delete rest[name];
  const beside = gathered(rest, resolve);
  if (beside.facts.length) made.append(factsOf(beside, say));
  if (entries.length) made.append(tableOf(title, entries, resolve, say));
  const prose = section.text?.div ? proseOf(section.text.div) : [];
  if (prose.length) {
    const more = element("details");
    more.open = !entries.length;
    more.append(element("summary", say("prose")), ...prose.map((line) => spoken("p", line, shelf.language)));
    made.append(more);
  }
  const parts = listed(section.section).filter(isObject);
  if (!entries.length && !section.emptyReason && !prose.length && !parts.length) made.append(element("p", say("nothing")));
  if (level < DEPTH_MOST) for (const one of parts) made.append(sectionOf(one, shelf, say, level + 1));
  return made;
}

function nameOf(resource) {
  return resource ? headingOf(resource, () => "") : "";
}

const ELEMENTS = new Set(
  "div h1 h2 h3 h4 h5 h6 p nav ul li a span section article strong details summary dl dt dd".split(" "),
);
const ATTRIBUTES = new Set(["class", "id", "lang", "title", "href", "open", "aria-label", "aria-hidden"]);

// The house's own rendering, which goes along with a copy: a few elements and attributes, links within the page, and text nodes.
export function build(node) {
  if (!Array.isArray(node)) return document.createTextNode(plain(node));
  const [name, attributes, within] = node;
  if (!ELEMENTS.has(name)) throw new Error(name);
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (ATTRIBUTES.has(key) && (key !== "href" || String(value).startsWith("#"))) made.setAttribute(key, String(value));
  }
  made.append(...within.map(build));
  return made;
}

// The whole document; a text that says so where it is none.
export function render(bundle, say, language) {
  const made = element("article", "", "viewer-document");
  if (!isObject(bundle) || bundle.resourceType !== "Bundle") {
    made.append(element("h1", say("not_document")));
    return made;
  }
  const shelf = new Shelf(bundle);
  const resolve = (reference) => nameOf(shelf.find(reference));
  const composition = shelf.entries.map((one) => one.resource).find((one) => one.resourceType === "Composition");
  const patient = shelf.find(composition?.subject?.reference)
    ?? shelf.entries.map((one) => one.resource).find((one) => one.resourceType === "Patient");
  made.append(spoken("h1", composition?.title || say("untitled"), shelf.language));
  const at = new Date(composition?.date ?? bundle.timestamp ?? "");
  const time = Number.isNaN(at.getTime()) ? "–" : at.toLocaleString(language === "en" ? "en-GB" : "nb-NO");
  made.append(element("p", say("unchecked", { time }), "message caution"));
  if (shelf.cut) made.append(element("p", say("cut"), "message caution"));
  if (patient) {
    shelf.shown.add(patient);
    const box = element("section", "", "panel");
    const found = gathered(patient, resolve);
    box.append(element("h2", `${say("patient")}: ${headingOf(patient, resolve)}`), factsOf(found, say));
    if (found.codes.length) box.append(codesOf(found));
    made.append(box);
  }
  if (composition) {
    shelf.shown.add(composition);
    const said = composition.text?.div ? proseOf(composition.text.div) : [];
    made.append(...said.map((line) => spoken("p", line, shelf.language)));
    for (const one of listed(composition.section)) if (isObject(one)) made.append(sectionOf(one, shelf, say, 2));
  }
  const rest = shelf.entries.map((one) => one.resource).filter((one) => !shelf.shown.has(one));
  if (rest.length) {
    const box = element("section", "", "panel");
    box.append(element("h2", say("rest")), tableOf(say("rest"), rest, resolve, say));
    made.append(box);
  }
  return made;
}
