// The policy holds: every page is served under it, and what was smuggled in would not run.

import { assert, everyKindOfPage, site, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  for (const path of [...(await everyKindOfPage()), "/assets/style.css", "/api/v1/timelines"]) {
    const { headers } = await fetch(site + path, { headers: { accept: "text/html" } });
    assert.match(headers.get("content-security-policy"), /^default-src 'self'; base-uri 'none'/, path);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("x-frame-options"), "DENY", path);
    assert.equal(headers.get("referrer-policy"), "no-referrer", path);
  }

  // As if the writer of markup had a hole: the browser refuses each, and says so.
  const page = await open("/plugins");
  const kinds = ["img-src", "script-src-attr", "script-src-elem", "style-src-attr"];
  const refused = await page.evaluate(async (kinds) => {
    const told = [];
    document.addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
    const main = document.querySelector("main");
    const script = document.createElement("script");
    script.textContent = "document.hacked = 1";
    main.append(script);
    main.insertAdjacentHTML("beforeend", '<p onclick="document.hacked = 1" style="color: red">x</p>');
    main.insertAdjacentHTML("beforeend", '<img src="https://elsewhere.invalid/x.png">');
    main.lastElementChild.previousElementSibling.click();
    const deadline = Date.now() + 10_000;
    while (!kinds.every((kind) => told.includes(kind)) && Date.now() < deadline) {
      await new Promise((done) => setTimeout(done, 20));
    }
    return { told: [...new Set(told)].sort(), hacked: document.hacked };
  }, kinds);
  assert.equal(refused.hacked, undefined);
  assert.deepEqual(refused.told, kinds);
}, { mayBeRefused: true });
