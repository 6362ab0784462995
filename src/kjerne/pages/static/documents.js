// A document that is chosen from the list is shown beside it, where there is room; without script the same links do so by the
// server. Nothing is fetched before it is chosen: each look at a document is an opening, and stands in the patient's log.
"use strict";

(() => {
  const beside = document.querySelector("[data-beside]");
  const pane = document.getElementById("pane");
  if (!beside || !pane) return;
  const shown = pane.querySelector("[data-shown]");
  const place = pane.querySelector("[data-place]");
  const steps = [...pane.querySelectorAll("a[data-step]")];
  const lines = [...beside.querySelectorAll("tbody th > a[data-document]")];
  let turn = new AbortController();

  const lineOf = (link) => link.closest("tbody tr");
  const chosen = () => beside.querySelector("a[data-document][aria-current]");

  // The chosen line is marked, and the ways to the one before and after it lead there.
  function mark(link) {
    for (const one of beside.querySelectorAll("a[data-document][aria-current]")) one.removeAttribute("aria-current");
    for (const one of beside.querySelectorAll("tr.chosen")) one.classList.remove("chosen");
    link?.setAttribute("aria-current", "true");
    const line = link && lineOf(link);
    line?.classList.add("chosen");
    const at = lines.findIndex((one) => line && lineOf(one) === line);
    for (const step of steps) {
      const there = at < 0 ? undefined : (lines[at + Number(step.dataset.step)]?.href ?? step.dataset.onward);
      // Whoever is on a way that ends goes on by the other one.
      if (!there && document.activeElement === step) steps.find((one) => one !== step).focus();
      step.hidden = !there;
      if (there) step.href = there;
    }
    place.textContent = at < 0 ? "" : place.dataset.place.replace("{n}", at + 1).replace("{of}", lines.length);
  }

  // The list is laid out anew, and the line that is looked at stays where it was.
  function inPlace(line, change) {
    const before = line?.getBoundingClientRect().top;
    change();
    if (line) scrollBy(0, line.getBoundingClientRect().top - before);
  }

  function told(name) {
    const template = pane.querySelector(`template[data-${name}]`);
    const made = template.content.firstElementChild.cloneNode(true);
    made.append(template.dataset[name]);
    return made;
  }

  async function show(link) {
    turn.abort();
    turn = new AbortController();
    const { signal } = turn;
    inPlace(lineOf(link), () => {
      pane.hidden = false;
      beside.classList.add("is-open");
    });
    mark(link);
    pane.setAttribute("aria-busy", "true");
    shown.replaceChildren(told("waiting"));
    pane.scrollTop = 0;
    history.replaceState(null, "", link.href);
    try {
      const answer = await fetch(link.dataset.document, { redirect: "manual", signal });
      if (answer.type === "opaqueredirect") return location.reload(); // her login is over
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (signal.aborted) return;
      const document_ = page.querySelector("[data-opened]");
      if (!document_ && answer.status !== 404) {
        // No is said to more than this document: the list is not hers to see either.
        document.title = page.title;
        document.body.className = page.body.className;
        return document.body.replaceChildren(...page.body.childNodes);
      }
      shown.replaceChildren(...(document_ ? [document_] : page.querySelector("main").childNodes));
      if (answer.ok && lines.includes(link) && !link.nextElementSibling?.matches(".sub:has(.icon-ok)")) link.after(told("mark"));
    } catch (fault) {
      if (signal.aborted) return;
      shown.replaceChildren(told("silent"));
    }
    pane.removeAttribute("aria-busy");
  }

  function close(address) {
    turn.abort();
    const link = chosen();
    pane.removeAttribute("aria-busy");
    inPlace(link && lineOf(link), () => {
      pane.hidden = true;
      beside.classList.remove("is-open");
    });
    shown.replaceChildren();
    mark(null);
    history.replaceState(null, "", address);
    link?.focus({ preventScroll: true });
  }

  beside.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.dataset.document) {
      event.preventDefault();
      show(link);
      pane.focus({ preventScroll: true });
    } else if (link.dataset.step) {
      const there = lines.find((one) => one.href === link.href);
      if (!there) return; // on another page of the list
      event.preventDefault();
      show(there);
      lineOf(there).scrollIntoView({ block: "nearest" });
    } else if ("close" in link.dataset) {
      event.preventDefault();
      close(link.href);
    }
  });

  // Arrows go between the lines and open nothing; in the pane's own line they go to the document before and after.
  beside.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Escape" && !pane.hidden && !event.target.closest("form")) {
      event.preventDefault();
      return close(pane.querySelector("[data-close]").href);
    }
    const by = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = lines.indexOf(event.target);
    if (at >= 0 && /Down|Up/.test(event.key) && lines[at + by]) {
      event.preventDefault();
      lines[at + by].focus();
    } else if (event.target.closest(".documents-steps") && /Right|Left/.test(event.key)) {
      const step = steps.find((one) => Number(one.dataset.step) === by && !one.hidden);
      if (!step) return;
      event.preventDefault();
      step.click();
    }
  });

  for (const one of beside.querySelectorAll("[data-keys]")) one.hidden = false;
})();
