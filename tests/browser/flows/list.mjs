// The list without a script: its filters are a form, what was asked for is in the address, and a request
// is found by its id.

import { assert, at, follow, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  const page = await open("/", { scripts: false });
  const rows = page.locator("#rows tr");
  assert.equal(await rows.count(), 100, "the first page is full");

  await page.getByRole("combobox", { name: "Plugin", exact: true }).selectOption("body-call");
  await follow(page, page.getByRole("button", { name: "Filter" }));
  assert.match(at(page), /^\/\?(.*&)?plugin=body-call/);
  assert.equal(await rows.count(), 2);
  for (const plugin of await rows.locator(".plugin").allInnerTexts()) {
    assert.equal(plugin, "body-call");
  }
  // Who gets the address sees the same.
  const other = await open(at(page), { scripts: false });
  assert.equal(await other.locator("#rows tr").count(), 2);
  assert.equal(await other.getByRole("combobox", { name: "Plugin", exact: true }).inputValue(), "body-call");

  await follow(page, page.getByRole("link", { name: "Clear" }));
  await page.getByRole("combobox", { name: "Severity", exact: true }).selectOption("lost");
  await page.getByRole("combobox", { name: "Finding", exact: true }).selectOption("late-callback");
  await follow(page, page.getByRole("button", { name: "Filter" }));
  const lost = await rows.count();
  assert.ok(lost > 5, `${lost} lost`);
  assert.equal(await page.locator("#rows tr.lost").count(), lost);

  await follow(page, page.getByRole("link", { name: "Clear" }));
  await page.getByRole("searchbox", { name: "Request id" }).fill("007f3c-pay");
  await page.getByRole("searchbox", { name: "Request id" }).press("Enter");
  await page.waitForURL(/request_id=007f3c-pay/);
  assert.equal(await rows.count(), 2);

  await page.getByRole("searchbox", { name: "Request id" }).fill("nobody-has-it");
  await follow(page, page.getByRole("button", { name: "Filter" }));
  assert.ok(await page.getByText("No timeline fits this filter").isVisible());

  // Older ones, to the last, each once.
  await follow(page, page.getByRole("link", { name: "Show all timelines" }));
  const seen = new Set();
  for (;;) {
    for (const row of await rows.all()) seen.add(await row.getAttribute("data-id"));
    const older = page.getByRole("link", { name: "Older timelines" });
    if ((await older.count()) === 0) break;
    await follow(page, older);
  }
  assert.ok(seen.size > 230, `${seen.size} timelines`);
});
