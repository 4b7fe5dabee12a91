/* Copy buttons: `data-copy` names the element whose text is copied. Without a script there are none. */
"use strict";
(() => {
  const say = (text) => { const line = document.getElementById("announcer"); if (line) line.textContent = text; };

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = document.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  async function copy(button) {
    const element = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(element.textContent);
      say(button.dataset.done);
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1500);
    } catch {  // only https and this machine have a clipboard
      element.hidden = false;  // what is not seen cannot be selected
      select(element);
      say(button.dataset.selected);
    }
  }

  document.documentElement.classList.add("has-copy");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
  });
})();
