// A button beside each file of a timeline that puts it into the clipboard. Without this script the links
// download it.

/** Where the page is not from this machine or by https, browsers have no other way. */
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("the browser does not let the page copy");
}

async function copy(link) {
  const answer = await fetch(link.href);
  if (!answer.ok) throw new Error(`${link.href} answers ${answer.status}`);
  const text = await answer.text();
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyBySelection(text);
}

for (const link of document.querySelectorAll("a[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = link.dataset.copy;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => {
    copy(link).then(
      () => (button.textContent = link.dataset.copied),
      (error) => {
        button.textContent = link.dataset.failed;
        console.warn(error);
      },
    );
  });
  link.after(" ", button);
}
