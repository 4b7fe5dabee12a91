/* Times that tick, and pages that renew themselves. The contract: processors/admin/live.py.
   A region that a person is using (focus, open details, selected text, mouse on a button, a field)
   waits. Nothing here is needed for any act. */
"use strict";
(() => {
  const words = document.currentScript.dataset;
  const byId = (id) => document.getElementById(id);
  const say = (text) => { byId("announcer").textContent = text; };
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  // Times: "12 s ago" stays true without asking the server, whose clock counts.

  // The server wrote its time just before the page arrived; this script may have come much later.
  const arrived = performance.timeOrigin + performance.getEntriesByType("navigation")[0].responseStart;
  const skew = Date.parse(words.now) - arrived;

  function pair(large, unit, small, smallUnit, width) {
    return small ? `${large} ${unit} ${String(small).padStart(width, "0")} ${smallUnit}` : `${large} ${unit}`;
  }

  function duration(seconds) {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s", 2);
    if (seconds < 86400) return pair(Math.floor(seconds / 3600), "h", Math.floor(seconds % 3600 / 60), "min", 2);
    return pair(Math.floor(seconds / 86400), "d", Math.floor(seconds % 86400 / 3600), "h", 1);
  }

  const far = 600;
  const distance = (seconds) => duration(seconds < far ? seconds : seconds - seconds % 60);

  function reading(time, now) {
    const seconds = Math.floor((now - Date.parse(time.dateTime)) / 1000);
    if (time.dataset.tick === "for") return duration(Math.max(0, seconds));
    if (time.dataset.tick === "due" && seconds >= 0) return words.due;
    if (Math.abs(seconds) > 604800) return time.textContent;
    if (seconds === 0) return words.moment;
    return (seconds > 0 ? words.past : words.future).replace("%s", distance(Math.abs(seconds)));
  }

  function tick() {
    if (document.hidden) return;
    const now = Date.now() + skew;
    for (const time of document.querySelectorAll("time[data-tick]")) put(time, reading(time, now));
    showChip();
  }

  // Live

  const chip = byId("live");
  const lost = byId("live-lost");
  const usual = chip ? Number(chip.dataset.ms) : 0;
  const longest = 60000;
  const rowsOf = "#result_list tr, [data-row]";
  let isOn = chip && stored() !== "off";
  let hasEnded = false;
  let wait = usual;
  let timer = 0;
  let next = 0;
  let heard = Date.now();
  let etag = "";
  let asking = null;

  function stored() { try { return localStorage.getItem("recordmill.live"); } catch { return null; } }
  function store(value) { try { localStorage.setItem("recordmill.live", value); } catch { /* for this page only */ } }

  function showChip() {
    if (!chip) return;
    chip.classList.toggle("off", !isOn || hasEnded);
    chip.classList.toggle("lost", wait > usual);
    chip.setAttribute("aria-pressed", String(Boolean(isOn)));
    const age = Math.floor((Date.now() - heard) / 1000);
    if (hasEnded) put(chip.lastElementChild, words.ended);
    else if (!isOn) put(chip.lastElementChild, words.off);
    else put(chip.lastElementChild, age < 1 ? words.on : `${words.on} · ${words.past.replace("%s", duration(age))}`);
    if (!lost.hidden && next) put(lost, words.lost.replace("%s", Math.max(1, Math.ceil((next - Date.now()) / 1000))));
  }

  function isInUse(part) {
    if (part.contains(document.activeElement)) return true;
    if (part.querySelector("details[open], dialog[open], button:hover, a.button:hover, input:not([type=hidden], [type=checkbox]), input:checked, select, textarea")) return true;
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && selection.containsNode(part, true));
  }

  function renew(page) {
    let all = true;
    const parts = [...page.querySelectorAll("template")].map((box) => box.content.firstElementChild);
    for (const fresh of parts.filter((part) => part.dataset.live)) {
      const part = document.querySelector(`[data-live="${CSS.escape(fresh.dataset.live)}"]`);
      if (!part || part.dataset.hash === fresh.dataset.hash) continue;
      if (isInUse(part)) { all = false; continue; }
      const {announce} = fresh.dataset;
      if (announce && announce !== part.dataset.announce) say(announce);
      for (const {name, value} of fresh.attributes) part.setAttribute(name, value);
      part.replaceChildren(...fresh.childNodes);
    }
    tell(parts.find((part) => part.dataset.news));
    parts.find((part) => part.dataset.gone)?.dataset.gone.split(",").forEach(fade);
    return all;
  }

  // What a row stood for is no more: it stays, greyed, so that nothing moves under the mouse.
  function fade(name) {
    const row = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
    row?.classList.add("gone");
    row?.querySelectorAll("button").forEach((button) => { button.disabled = true; });
  }

  function tell(fresh) {
    const news = byId("news");
    if (!news || !fresh) return;
    news.dataset.hash = fresh.dataset.hash;
    if (news.hidden) say(fresh.textContent);
    put(news, fresh.textContent);
    news.hidden = false;
  }

  // What the page shows, and of a list the rows in sight: the answer is made of the rest.

  function isInSight(row) {
    const {top, bottom} = row.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }

  function rowsInSight() {
    const rows = [...document.querySelectorAll(rowsOf)].filter(isInSight);
    const parts = rows.map((row) => row.dataset.live ? row : row.querySelector("[data-live]"));
    return parts.map((part) => part?.dataset.live).filter(Boolean).join(",");
  }

  async function ask() {
    const shown = [...document.querySelectorAll("[data-hash]")].map((part) => part.dataset.hash);
    const headers = {"X-Live": "1", "X-Live-Has": shown.join(""), "If-None-Match": etag};
    const list = document.querySelector("[data-newest]");
    if (list) headers["X-Newest"] = list.dataset.newest;
    if (document.querySelector(rowsOf)) headers["X-Live-Rows"] = rowsInSight();
    asking = new AbortController();
    const late = setTimeout(() => asking.abort(), 15000);
    try {
      return await fetch(location.href, {headers, cache: "no-store", signal: asking.signal});
    } finally {
      clearTimeout(late);
    }
  }

  async function poll() {
    if (asking) return;
    try {
      const answer = await ask();
      if (answer.redirected || answer.status === 403) return end(byId("signed-out"));
      if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
      const text = answer.status === 304 ? "" : await answer.text();
      const all = !text || renew(new DOMParser().parseFromString(text, "text/html"));
      etag = all ? answer.headers.get("ETag") || "" : "";
      heard = Date.now();
      if (wait > usual) say(words.on);
      wait = usual;
      lost.hidden = true;
      if (answer.headers.get("X-Live-Next") === "0") end(null);
    } catch {
      if (wait === usual) say(words.lost.replace("%s", Math.round(wait * 2 / 1000)));
      wait = Math.min(wait * 2, longest);
      lost.hidden = false;
    } finally {
      asking = null;
    }
    plan();
    tick();
  }

  function end(notice) {
    hasEnded = true;
    if (!notice) return;
    lost.hidden = true;
    notice.hidden = false;
    say(notice.textContent);
  }

  function plan() {
    clearTimeout(timer);
    if (!isOn || hasEnded || document.hidden) return;
    const pause = wait * (0.9 + Math.random() / 5);
    next = Date.now() + pause;
    timer = setTimeout(poll, pause);
  }

  if (chip) {
    chip.hidden = false;
    chip.addEventListener("click", () => {
      isOn = !isOn;
      store(isOn ? "on" : "off");
      if (isOn && !hasEnded) poll();
      plan();
      showChip();
    });
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (!document.hidden && isOn && !hasEnded) poll();
    });
    plan();
  }
  document.addEventListener("visibilitychange", tick);
  for (const here of document.querySelectorAll(":is(.sections, .tabs) [aria-current]")) {
    const bar = here.parentElement, [at, from] = [here, bar].map((one) => one.getBoundingClientRect());
    bar.scrollLeft += at.left - from.left - (from.width - at.width) / 2;
  }
  setInterval(tick, 1000);
  tick();
})();
