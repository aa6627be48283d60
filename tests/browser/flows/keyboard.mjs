// Everything by the keyboard alone, and what has the focus shows it.

import { assert, at, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  const page = await open("/");
  const focused = () =>
    page.evaluate(() => {
      const it = document.activeElement;
      const style = getComputedStyle(it);
      const box = it.getBoundingClientRect();
      return {
        tag: it.tagName,
        name: (it.innerText || it.name || "").trim(),
        shows: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
        isSeen: box.width > 0 && box.right > 0 && box.bottom > 0,
      };
    });
  async function tabTo(what, most = 60) {
    for (let presses = 0; presses < most; presses += 1) {
      await page.keyboard.press("Tab");
      const now = await focused();
      assert.ok(now.shows && now.isSeen, `${now.tag} ${now.name} does not show that it has the focus`);
      if (what(now)) return now;
    }
    return assert.fail(`not reached with ${most} presses`);
  }

  // The first stop leads past the navigation.
  await page.keyboard.press("Tab");
  assert.equal((await focused()).name, "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(at(page), "/#main");
  const first = await tabTo(() => true, 1);
  assert.equal(first.name.split("\n")[0], "all", "the first filter");

  // A filter.
  const plugin = page.getByRole("combobox", { name: "Plugin" });
  for (let presses = 0; (await plugin.inputValue()) !== "body-call"; presses += 1) {
    assert.ok(presses < 10, "body-call cannot be chosen");
    await page.keyboard.press("ArrowDown");
  }
  await tabTo((now) => now.name === "Filter");
  await page.keyboard.press("Enter");
  await page.waitForURL(/plugin=body-call/);

  // A timeline.
  await tabTo((now) => now.tag === "A" && now.name.includes("headers-forwarded-before-body-call"));
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/timelines\//);

  // What scrolls sideways can be scrolled; what is folded can be opened.
  await tabTo((now) => now.tag === "FIGURE");
  await tabTo((now) => now.tag === "SUMMARY" && now.name === "Script notation");
  await page.keyboard.press("Enter");
  assert.ok(await page.locator(".source pre").isVisible());
  await tabTo((now) => now.name === "download as script");
  await tabTo((now) => now.tag === "SUMMARY");
  await page.keyboard.press("Space");
  assert.ok(await page.locator(".explanation").first().isVisible());
});
