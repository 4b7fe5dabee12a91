/* What stands around every page: keys, menus, pages that open as dialogs, and trouble in the tab.
   Nothing here is needed for any act, and no key acts. */
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // The tab says how many records need a person, as live.js renews the number.

  const count = document.querySelector('[data-live="failed-count"]');
  const icon = byId("favicon");
  const title = document.title.replace(/^\([^)]*\) /, "");

  function showTrouble() {
    const failed = count.textContent.trim();
    const wanted = failed ? `(${failed}) ${title}` : title;
    if (document.title !== wanted) document.title = wanted;
    const href = failed ? icon.dataset.trouble : icon.dataset.calm;
    if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
  }

  if (count && icon) new MutationObserver(showTrouble).observe(count, {childList: true, subtree: true, characterData: true});

  // The browser's zone, for "Local times".

  const zone = byId("browser-zone");
  if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";

  // Keys

  const keys = byId("keys");
  let isGoing = false;

  function isTyping(target) {
    return target.isContentEditable || target.closest("input, textarea, select, [role=textbox]") !== null;
  }

  function showKeys() { if (keys && !keys.open) keys.showModal(); }

  const simple = {
    "?": showKeys,
    "/": () => (byId("searchbar") || document.querySelector("main input[type=search]"))?.focus(),
    l: () => { const chip = byId("live"); if (chip && !chip.hidden) chip.click(); },
    g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1500); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const going = isGoing && document.querySelector(`.sections a[data-key="${CSS.escape(event.key)}"]`);
    const act = going ? () => going.click() : simple[event.key];
    isGoing = false;
    if (!act) return;
    event.preventDefault();
    act();
  });

  const help = byId("show-keys");
  if (help && keys) {
    help.hidden = false;
    help.addEventListener("click", showKeys);
  }

  // Menus close by a click elsewhere, by Escape, and when they led to a part of the page.

  document.addEventListener("click", ({target}) => {
    for (const menu of document.querySelectorAll("details.filter[open]")) {
      if (!menu.contains(target) || target.closest("a[href^='#']")) menu.open = false;
    }
  });

  document.addEventListener("keydown", ({key}) => {
    const menu = key === "Escape" && document.querySelector("details.filter[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // Pages that ask something before an act open as a dialog over the page they were asked from.

  let isOpening = false;

  function askFirst(asker) {
    if (asker.href) return fetch(asker.href);
    const body = new FormData(asker.form);
    if (asker.name) body.set(asker.name, asker.value);
    return fetch(asker.formAction, {method: "POST", body});
  }

  async function open(asker) {
    const answer = await askFirst(asker);
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const form = page.querySelector("main form.card");
    const dialog = document.createElement("dialog");
    const heading = document.createElement("h2");
    heading.id = "dialog-title";
    heading.textContent = page.querySelector("main h1, #content h1")?.textContent.trim() || asker.textContent;
    dialog.setAttribute("aria-labelledby", heading.id);
    form.action = form.getAttribute("action") || asker.href;
    form.classList.remove("card");
    dialog.append(heading, document.importNode(form, true));
    document.body.append(dialog);
    dialog.addEventListener("close", () => { dialog.remove(); asker.focus(); });
    dialog.addEventListener("click", (event) => {
      if (event.target.closest(".buttons a.button:not(.stop)")) { event.preventDefault(); dialog.close(); }
    });
    dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
  }

  document.addEventListener("click", (event) => {
    const asker = event.target.closest("[data-dialog]");
    if (!asker || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    if (isOpening) return;
    isOpening = true;
    open(asker).catch(() => { delete asker.dataset.dialog; asker.click(); }).finally(() => { isOpening = false; });
  });
})();
