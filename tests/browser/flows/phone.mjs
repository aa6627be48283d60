// On a phone no page is wider than the screen: what is wide scrolls by itself.

import { assert, everyKindOfPage, tooWide, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  for (const language of ["en-GB", "zh-CN"]) {
    for (const path of await everyKindOfPage()) {
      const page = await open(path, { phone: true, language });
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
      assert.deepEqual(await tooWide(page), [], `${path} in ${language}`);
      await page.close();
    }
  }
  // The list is cards, and its first one can be read.
  const page = await open("/?request_id=007f3c-pay", { phone: true });
  const headline = await page.locator("#rows tr.lost .what").boundingBox();
  assert.ok(headline.x >= 0 && headline.x + headline.width <= 360, JSON.stringify(headline));
});
