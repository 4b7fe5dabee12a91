/* Beside the cron field: what the line means, when it is due next, and what blackouts cover of that,
   while it is typed. */
"use strict";
(() => {
  const shown = document.getElementById("schedule-preview");
  const cron = document.getElementById("id_cron");
  const zone = document.getElementById("id_time_zone");
  const blackouts = document.getElementById("id_blackouts");
  if (!shown || !cron || !zone) return;
  let timer = 0;
  let asked = 0;

  async function look() {
    if (!cron.value.trim()) { shown.hidden = true; return; }
    const turn = ++asked;
    const query = new URLSearchParams({
      cron: cron.value, time_zone: zone.value || "UTC", blackouts: blackouts?.value || "",
    });
    try {
      const answer = await fetch(`${shown.dataset.url}?${query}`);
      if (!answer.ok || answer.redirected || turn !== asked) return;
      const {html} = await answer.json();
      shown.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      shown.hidden = false;
    } catch { /* the form itself says what is wrong when it is saved */ }
  }

  for (const field of [cron, zone, blackouts]) {
    field?.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 300); });
  }
})();
