// No page keeps anybody out: what axe calls critical or serious is on none of them, light or dark, on a
// desk or a phone, in either language.

import { readFile } from "node:fs/promises";
import { assert, axeSource, everyKindOfPage, visit } from "./visit.mjs";

const axe = await readFile(axeSource, "utf8");

await visit(async ({ open }) => {
  const paths = await everyKindOfPage();
  const found = [];
  let rules = 0;
  for (const way of [
    { dark: false, phone: false, language: "en-GB" },
    { dark: true, phone: false, language: "zh-CN" },
    { dark: true, phone: true, language: "en-GB" },
    { dark: false, phone: true, language: "zh-CN" },
  ]) {
    for (const path of paths) {
      const page = await open(path, way);
      // What is folded is looked at too.
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => window.axe.run());
      rules += passes.length;
      for (const violation of violations) {
        if (!["serious", "critical"].includes(violation.impact)) continue;
        const where = violation.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 200)}\n    ${n.any.map((c) => c.message).join("; ")}`);
        found.push(`${path} ${JSON.stringify(way)} ${violation.id}: ${violation.help}\n    ${where.join("\n    ")}`);
      }
      await page.close();
    }
  }
  assert.equal(found.length, 0, found.join("\n"));
  assert.ok(rules > 500, `axe has looked at hardly anything: ${rules} rules passed`);
});
