// What the pages can do better with script; nothing here is needed to use them.
"use strict";

const STALE_MS = 600_000;

// A laptop that slept stops the style sheet's clock: compare with the real one when the page is seen again.
function markStale() {
  const note = document.getElementById("stale");
  if (note && Date.now() - Number(note.dataset.readAt) * 1000 > STALE_MS) {
    note.classList.add("is-stale");
  }
}
document.addEventListener("visibilitychange", markStale);
setInterval(markStale, 30_000);

// A page from the browser's memory may be of a patient that is no longer open.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// The clinician's own system has opened this page, and may close it: then nothing of the patient stays on the screen.
const alive = document.body.dataset.alive;
if (alive && location.pathname.startsWith(alive.slice(0, alive.lastIndexOf("/")))) {
  const asking = setInterval(async () => {
    const answer = await fetch(alive, { redirect: "manual" }).catch(() => null);
    if (answer && answer.status !== 204) {
      clearInterval(asking);
      document.querySelector("main").replaceChildren();
      location.replace(alive.slice(0, alive.lastIndexOf("/")));
    }
  }, 5_000);
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// Logged out here; the provider's own session is ended by a post that needs no second press where there is script.
document.querySelector("form[data-onward]")?.submit();
