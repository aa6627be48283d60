// From the list to a timeline, without a script: what happened, what proves it, where else to look, and
// the timeline as a file.

import { assert, at, follow, site, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  const page = await open("/?request_id=007f3c-pay", { scripts: false });
  await follow(page, page.getByRole("link", { name: /headers-forwarded-before-body-call/ }));
  const timeline = at(page);
  assert.match(timeline, /^\/timelines\/[0-9a-f]{32}$/);

  // In the first look, without scrolling: what was asked, how bad it is, the drawing, the headline.
  const heading = page.getByRole("heading", { level: 1 });
  assert.match(await heading.innerText(), /lost\s+POST \/pay/);
  const headline = page.locator(".finding .headline").first();
  for (const first of [heading, page.getByRole("img", { name: /^Timeline of POST \/pay/ }), headline]) {
    const box = await first.boundingBox();
    assert.ok(box.y + box.height < 900, `${JSON.stringify(box)} is below the first look`);
  }
  assert.match(await headline.innerText(), /nothing decided there was enforced/);
  assert.ok(await page.getByText("What to do").first().isVisible());

  // A proof leads to its event, and the event back to its finding.
  const proof = page.locator(".evidence a").first();
  const event = (await proof.getAttribute("href")).slice(1);
  await follow(page, proof);
  assert.equal(at(page), `${timeline}#${event}`);
  const shown = await page.locator(`#${event}`).evaluate((row) => row.matches(":target"));
  assert.ok(shown, "the event is not the one that is shown");
  await follow(page, page.locator(`#${event}`).getByRole("link", { name: "finding 1" }));
  assert.equal(at(page), `${timeline}#f1`);

  // As files.
  for (const [name, type, holds] of [
    ["download as script", "text/plain", '0.000060 #1 create 2 root 1'],
    ["download as JSON", "application/json", '"headers-forwarded-before-body-call"'],
    ["download as a trace for Perfetto", "application/json", '"traceEvents"'],
  ]) {
    const link = await page.getByRole("link", { name }).getAttribute("href");
    const answer = await fetch(site + link);
    assert.ok(answer.headers.get("content-type").startsWith(type), name);
    assert.ok((await answer.text()).includes(holds), `${name} does not hold ${holds}`);
  }
  const notation = page.locator(".source pre");
  assert.ok(!(await notation.isVisible()));
  await page.getByText("Script notation", { exact: true }).click();
  assert.match(await notation.innerText(), /dispatch http "auth"/);

  // Elsewhere, by the request's own trace.
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  for (const [name, there] of [
    ["in Grafana", `http://grafana.invalid/d/wasm-tracer-request?var-trace=${trace}`],
    ["in Jaeger", `http://jaeger.invalid/trace/${trace}`],
  ]) {
    assert.equal(await page.getByRole("link", { name }).getAttribute("href"), there);
  }

  // To the request, and from it to the other plugin of it.
  await follow(page, page.locator(".facts").getByRole("link", { name: "007f3c-pay" }));
  assert.equal(at(page), "/requests/007f3c-pay");
  const order = await page.locator("#rows tr .plugin").allInnerTexts();
  assert.deepEqual(order, ["add-header", "body-call"]);
  const lanes = page.getByRole("img", { name: /^Timeline of POST \/pay in/ });
  assert.equal(await lanes.count(), 2);
  assert.match(await lanes.first().innerHTML(), /in add-header/);
  // Both are of one process: on one axis, the same moment at the same place.
  assert.ok(await page.getByText("On one time axis").isVisible());
  const scales = await lanes.evaluateAll((drawings) =>
    drawings.map((drawing) => {
      const texts = [...drawing.querySelectorAll("text.wt-faint")];
      const scale = texts.filter((text) => /^0$|^[\d.]+ [µm]?s$/.test(text.textContent));
      return scale.map((text) => [text.textContent, Math.round(text.getBoundingClientRect().x)]);
    }),
  );
  assert.ok(scales[0].length > 2, JSON.stringify(scales));
  assert.deepEqual(scales[0], scales[1]);
  await follow(page, page.getByRole("link", { name: "nothing found" }));
  assert.ok(await page.getByText("No diagnosis holds.").isVisible());

  // To the plugin, its diagnosis with its cases, and the instance.
  await page.goto(site + timeline);
  await follow(page, page.locator(".facts").getByRole("link", { name: "body-call" }));
  assert.equal(at(page), "/plugins/body-call");
  const dashboard = await page.getByRole("link", { name: "in Grafana" }).getAttribute("href");
  assert.equal(dashboard, "http://grafana.invalid/d/wasm-tracer-plugin?var-plugin=body-call");
  await follow(page, page.getByRole("link", { name: "headers-forwarded-before-body-call" }).first());
  assert.equal(at(page), "/diagnoses/headers-forwarded-before-body-call");
  assert.ok((await page.locator("#rows tr.lost").count()) > 1, "no recent cases");
  await page.goto(site + timeline);
  await follow(page, page.locator(".facts .wide").getByRole("link"));
  assert.match(at(page), /^\/instances\/c000/);
  assert.match(await page.locator("main").innerText(), /gateway-1/);
});
