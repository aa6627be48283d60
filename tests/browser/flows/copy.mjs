// With scripts each file of a timeline has a button that puts it into the clipboard.

import { api, assert, site, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  const { timelines } = await api("/timelines?request_id=007f3c-pay");
  const { id } = timelines.find((timeline) => timeline.plugin === "body-call");
  const page = await open(`/timelines/${id}`);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: site });
  const buttons = page.getByRole("button", { name: "copy", exact: true });
  assert.equal(await buttons.count(), 3);
  for (const form of ["text", "json", "chrome"]) {
    const link = page.locator(`a[href$="?as=${form}"]`);
    const button = link.locator("xpath=following-sibling::button[1]");
    await button.click();
    await button.and(page.getByText("copied", { exact: true })).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const served = await (await fetch(`${site}/api/v1/timelines/${id}?as=${form}`)).text();
    assert.equal(copied, served, form);
  }

  // Where there is no clipboard, as by http from another machine, the selection is copied.
  const other = await open(`/timelines/${id}?lang=zh`);
  await other.evaluate(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true });
    document.addEventListener("copy", () => {
      document.copied = document.activeElement.value;
    });
  });
  await other.getByRole("button", { name: "复制", exact: true }).first().click();
  await other.getByRole("button", { name: "已复制", exact: true }).waitFor();
  assert.match(await other.evaluate(() => document.copied), /dispatch http "auth"/);
});
