// A button that copies a text: nothing on these pages needs it.
"use strict";

for (const box of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = box.dataset.copy;
  const label = box.querySelector("pre").getAttribute("aria-label");
  button.setAttribute("aria-label", `${box.dataset.copy}: ${label}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("code").textContent);
    button.textContent = box.dataset.copied;
    setTimeout(() => { button.textContent = box.dataset.copy; }, 2_000);
  });
  box.classList.add("has-copy");
  box.append(button);
}
