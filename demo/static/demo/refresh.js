// Keeps the state of a registration fresh until it is final. Without JavaScript the page reloads
// itself instead.
"use strict";

const EVERY_MS = 1500;
const SLOWEST_MS = 30000;
let wait = EVERY_MS;

async function refresh() {
  const region = document.getElementById("progress");
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("progress");
    // An unchanged region stays, so that a selection in it is kept and nothing is read out again.
    if (fresh && fresh.innerHTML !== region.innerHTML) {
      region.replaceChildren(...fresh.childNodes);
      document.title = page.title;
    }
    if (fresh?.hasAttribute("data-final")) return;
    wait = EVERY_MS;
  } catch {
    // A server that is away is asked less and less often.
    wait = Math.min(wait * 2, SLOWEST_MS);
  }
  later();
}

function later() {
  setTimeout(whenVisible, wait);
}

function whenVisible() {
  if (!document.hidden) refresh();
  else document.addEventListener("visibilitychange", whenVisible, { once: true });
}

later();
