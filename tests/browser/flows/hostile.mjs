// Names of plugins, paths, ids and clusters that are attacks stay text on every page, with scripts and
// live too: nothing runs, nothing goes elsewhere, no page falls out of its frame.

import { api, assert, sendLater, site, tooWide, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  const { timelines } = await api("/timelines?limit=500");
  const { instances } = await api("/instances");
  const attacked = timelines.filter((timeline) => timeline.request_id !== "007f3c-pay");
  assert.ok(attacked.length >= 10, `${attacked.length} timelines`);
  const paths = ["/", "/traffic", "/plugins", "/instances"];
  for (const timeline of attacked) {
    paths.push(`/timelines/${timeline.id}`, `/requests/${encodeURIComponent(timeline.request_id)}`);
    paths.push(`/plugins/${encodeURIComponent(timeline.plugin)}`);
    paths.push(`/?plugin=${encodeURIComponent(timeline.plugin)}&lang=zh`);
  }
  for (const instance of instances) paths.push(`/instances/${instance.id}`);

  let sees = 0;
  for (const [at, path] of paths.entries()) {
    const phone = at % 2 === 0;
    const page = await open(path, { phone });
    assert.ok(!(await page.getByRole("heading", { name: /cannot be shown|无法显示/ }).count()), path.slice(0, 200));
    await harmless(page, path);
    sees += await page.getByText("<script>document.hacked=1</script>").count();
    await page.close();
  }
  assert.ok(sees > 5, "the attacks are nowhere to be seen");

  // Live rows are made by the script.
  const page = await open("/");
  await page.getByRole("status").getByText("live", { exact: true }).waitFor();
  const before = await page.locator("#rows tr").count();
  for (let sent = 0; sent < 10; sent += 1) await sendLater();
  await page.waitForFunction((count) => document.querySelectorAll("#rows tr").length >= count + 10, before);
  await harmless(page, "live rows");

  // A reader follows links to them, and stays here.
  const link = page.locator("#rows tr .what a").first();
  await link.click();
  assert.ok(page.url().startsWith(`${site}/timelines/`));
  await page.locator(".facts a").first().click();
  assert.ok(page.url().startsWith(`${site}/plugins/`), page.url().slice(0, 200));
});

async function harmless(page, path) {
  const what = await page.evaluate(() => ({
    hacked: document.hacked,
    scripts: [...document.scripts].map((script) => script.getAttribute("src")),
    handlers: [...document.querySelectorAll("*")].filter((it) =>
      [...it.attributes].some((attribute) => attribute.name.startsWith("on") || attribute.name === "style"),
    ).length,
    links: [...document.links]
      .map((it) => it.href)
      .filter((href) => {
        const known = [`${location.origin}/`, "http://grafana.invalid/d/wasm-tracer-", "http://jaeger.invalid/trace/"];
        return !known.some((start) => href.startsWith(start));
      }),
    title: document.title.length,
  }));
  const name = path.slice(0, 200);
  assert.equal(what.hacked, undefined, name);
  assert.ok(what.scripts.every((src) => /^\/assets\/(live|copy)\.js$/.test(src)), `${name}: ${what.scripts}`);
  assert.equal(what.handlers, 0, name);
  assert.deepEqual(what.links, [], name);
  assert.ok(what.title < 200, `${name} has a title of ${what.title} letters`);
  assert.deepEqual(await tooWide(page), [], name);
}
