/* The form of a processor: a handler's own options and a table's columns, as soon as they are chosen.
   It presses "Show its options" and "Look at it" in the background; both work without it. */
"use strict";
(() => {
  const form = document.querySelector(".processor-form");
  if (!form) return;
  const causes = new Set(["handler", "source_kind", "database", "table", "key", "status", "word_new"]);
  let asked = 0;

  const values = (part) => new Map(
    [...part.querySelectorAll("input, select, textarea")].map(
      (field) => [field.id, field.type === "checkbox" ? field.checked : field.value]));

  function keepTyped(part, fresh, sent) {
    for (const [id, value] of values(part)) {
      const field = id && sent.has(id) && sent.get(id) !== value && fresh.querySelector(`#${CSS.escape(id)}`);
      if (!field) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
  }

  function renew(page, sent) {
    const focused = document.activeElement?.id;
    for (const fresh of page.querySelectorAll("[data-part]")) {
      const part = form.querySelector(`[data-part="${CSS.escape(fresh.dataset.part)}"]`);
      if (!part) continue;
      keepTyped(part, fresh, sent);
      part.replaceWith(fresh);
    }
    form.elements.options_of.value = page.querySelector("[name=options_of]").value;
    if (focused) document.getElementById(focused)?.focus();
  }

  async function look(what) {
    const turn = ++asked;
    const sent = values(form);
    const body = new FormData(form);
    body.set("_show", what);
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {method: "POST", body});
      if (!answer.ok || answer.redirected || turn !== asked) return;
      renew(new DOMParser().parseFromString(await answer.text(), "text/html"), sent);
    } catch { /* the buttons still do it */
    } finally {
      if (turn === asked) form.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("change", (event) => {
    if (causes.has(event.target.name)) look(event.target.name);
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=_show]");
    if (!button) return;
    event.preventDefault();
    look(button.value);
  });
})();
