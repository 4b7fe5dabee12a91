/* Live pages: fetch the same address, renew the parts marked data-live.
   A part that a person is using (focus, open details, selected text, mouse on a button) waits. */
"use strict";
(() => {
  const chip = document.getElementById("live");
  if (!chip) return;
  const usual = Number(chip.dataset.livePage);
  const longest = 60000;
  let wait = usual;
  let timer = 0;
  let busy = false;

  function isInUse(part) {
    if (part.contains(document.activeElement) && document.activeElement !== document.body) return true;
    if (part.querySelector("details[open], button:hover, a.button:hover, :popover-open")) return true;
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  function renew(page) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
      if (fresh && fresh.innerHTML !== part.innerHTML && !isInUse(part)) {
        part.innerHTML = fresh.innerHTML;
        part.className = fresh.className;
      }
    }
  }

  function show(text, look) {
    if (chip.textContent !== text) chip.textContent = text;
    chip.className = `live-chip ${look}`;
  }

  async function poll() {
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(location.href, {headers: {"X-Live": "1"}, cache: "no-store"});
      if (answer.redirected) return show(chip.dataset.signedOut, "lost"), stop();
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      renew(page);
      wait = usual;
      show(chip.dataset.on, "");
      // The page says when nothing more will change: its own mark is gone.
      if (!page.getElementById("live")) return show("", "ended"), stop();
    } catch {
      wait = Math.min(wait * 2, longest);
      show(chip.dataset.lost.replace("%s", String(Math.round(wait / 1000))), "lost");
    } finally {
      busy = false;
    }
    plan();
  }

  let stopped = false;
  function stop() { stopped = true; clearTimeout(timer); }

  function plan() {
    clearTimeout(timer);
    if (!stopped && !document.hidden) timer = setTimeout(poll, wait * (0.9 + Math.random() / 5));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else if (!stopped) poll();
  });
  plan();
})();
