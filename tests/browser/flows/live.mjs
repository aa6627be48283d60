// With scripts the list is live: what the collector learns stands in it at once, if the filter of the
// page lets it through, in the page's language, and nothing is loaded anew.

import { api, assert, sendLater, visit } from "./visit.mjs";

await visit(async ({ open }) => {
  const pages = {
    all: await open("/"),
    fitting: await open("/?plugin=body-call&severity=lost"),
    other: await open("/?plugin=misuse-all"),
    chinese: await open("/?lang=zh&severity=lost"),
    away: await open("/?request_id=017f3c-pay"),
  };
  const before = {};
  for (const [name, page] of Object.entries(pages)) {
    const word = name === "chinese" ? "实时" : "live";
    await page.getByRole("status").getByText(word, { exact: true }).waitFor();
    before[name] = await page.locator("#rows tr").count();
    await page.evaluate(() => (window.stayed = true));
  }
  const traffic = await open("/traffic");
  await traffic.evaluate(() => (window.stayed = true));
  const streams = await traffic.evaluate(counted);
  await turn(pages.away, false);
  await sendLater();
  await sendLater();
  const { timelines } = await api("/timelines?request_id=017f3c-pay");
  const lost = timelines.find((timeline) => timeline.plugin === "body-call");

  for (const name of ["all", "fitting", "chinese"]) {
    const row = pages[name].locator(`#rows tr[data-id="${lost.id}"]`);
    await row.and(pages[name].locator(".lost")).waitFor();
    assert.match(await row.innerText(), /headers-forwarded-before-body-call/);
    assert.ok(await pages[name].evaluate(() => window.stayed), "it was loaded anew");
  }

  // The traffic is counted anew in its place.
  await traffic.waitForFunction(counted, streams);
  assert.ok(await traffic.evaluate(() => window.stayed), "it was loaded anew");
  await traffic.close();

  // A page that nobody saw has not listened; seen again, it reads what it missed.
  const missed = pages.away.locator(`#rows tr[data-id="${lost.id}"]`);
  assert.equal(await missed.count(), 0);
  await turn(pages.away, true);
  await missed.waitFor();
  assert.ok(await pages.away.evaluate(() => window.stayed), "it was loaded anew");
  await pages.away.close();

  // What came live looks as what the server renders.
  const live = await row(pages.all, lost.id);
  assert.equal(live, await row(await open("/?request_id=017f3c-pay", { scripts: false }), lost.id));
  await pages.all.close();
  const chinese = await row(pages.chinese, lost.id);
  assert.match(chinese, /丢失.*头部在请求体（或响应体）阶段发出调用之前就已转发/s);
  assert.equal(chinese, await row(await open("/?lang=zh&request_id=017f3c-pay", { scripts: false }), lost.id));

  // By now it would have come: the page that it does not fit has seen all the others have.
  assert.equal(await pages.other.locator(`tr[data-id="${lost.id}"]`).count(), 0);
  assert.equal(await pages.other.locator("#rows tr").count(), before.other);
  assert.equal(await pages.fitting.locator("#rows tr").count(), before.fitting + 1);

  await pages.chinese.locator(`tr[data-id="${lost.id}"] a`).click();
  await pages.chinese.waitForURL(/\/timelines\/.*lang=zh/);
  assert.equal(await pages.chinese.locator("html").getAttribute("lang"), "zh-CN");
});

/** Streams of a plugin that began in the last minute, 0 where it is not named; or is it another number now? */
function counted(before) {
  const rows = [...document.querySelectorAll("#fresh tbody tr")];
  const its = rows.find((row) => row.firstElementChild?.textContent === "body-call");
  const count = Number(its?.querySelector(".duration")?.textContent ?? 0);
  return before === undefined ? count : count > 0 && count !== before;
}

/** As if its tab came to the front, or another one did. */
async function turn(page, isSeen) {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, !isSeen);
}

async function row(page, id) {
  return page.locator(`tr[data-id="${id}"]`).innerText();
}
