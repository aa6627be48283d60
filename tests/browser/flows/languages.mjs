// In English and in Chinese: as the browser prefers, as the address says, and a link to the other one that
// stays where the reader is. Links keep what was asked for, the form does too.

import { assert, at, everyKindOfPage, follow, visit } from "./visit.mjs";

const language = (page) => page.locator("html").getAttribute("lang");

await visit(async ({ open }) => {
  for (const path of await everyKindOfPage()) {
    const page = await open(path, { language: "zh-CN", scripts: false });
    assert.equal(await language(page), "zh-CN", path);
    await follow(page, page.getByRole("link", { name: "English", exact: true }));
    assert.equal(await language(page), "en", path);
    assert.equal(new URL(page.url()).searchParams.get("lang"), "en", path);
    await follow(page, page.getByRole("link", { name: "中文", exact: true }));
    assert.equal(await language(page), "zh-CN", path);
    assert.equal(at(page).replace(/[?&]lang=zh-CN/, ""), path, "it leads elsewhere");
    await page.close();
  }

  // Against what the browser prefers, from page to page.
  const page = await open("/?lang=zh", { language: "en-GB", scripts: false });
  await page.getByRole("combobox", { name: "插件" }).selectOption("body-call");
  await follow(page, page.getByRole("button", { name: "筛选" }));
  assert.match(at(page), /plugin=body-call/);
  assert.equal(await language(page), "zh-CN");
  await follow(page, page.locator("#rows tr.lost .what a").first());
  assert.equal(await language(page), "zh-CN");
  await follow(page, page.locator(".finding h3 a").first());
  assert.equal(await language(page), "zh-CN");
  assert.ok(await page.getByRole("heading", { name: "怎么办" }).isVisible());
  for (const name of ["实时流量", "插件", "实例", "诊断", "时间线"]) {
    await follow(page, page.getByRole("navigation").getByRole("link", { name, exact: true }));
    assert.equal(await language(page), "zh-CN", name);
  }
  // What was found is said in Chinese first; what is English on a Chinese page says so.
  const [meaning, exactly] = await page.locator("#rows tr.lost").first().locator(".what span").all();
  assert.match(await meaning.innerText(), /\p{Script=Han}/u);
  assert.equal(await meaning.getAttribute("lang"), null);
  assert.equal(await exactly.getAttribute("lang"), "en");
});
