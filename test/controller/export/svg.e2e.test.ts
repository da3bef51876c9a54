// The SVG flame graph as a person uses it, in Chromium: hover, zoom, reset, search, case, links, keyboard, both ways up.
/// <reference lib="dom" />
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { FlameGraphOptions } from '../../../controller/export/svg/flame-graph-options.js';
import { flameGraphSvg } from '../../../controller/export/svg/flame-graph-svg.js';
import { drawProfile } from '../../profile/draw-profile.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PROFILE = drawProfile(
  `
  main;serve;read;fault   60
  main;serve;parse        20
  main;serve;parse;Read   5
  main;log;write          10
  idle                    5
  `,
  { losses: [{ kind: 'lost-events', count: 12, detail: 'db1' }] },
);

let browser: Browser;
let page: Page;
let folder = '';
let complaints: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perftrawl-svg-'));
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...args, '--disable-component-update', '--disable-sync'],
  });
});
afterAll(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  page = await browser.newPage({ viewport: { width: 1280, height: 700 } });
  complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => complaints.push(message.text()));
});
afterEach(async () => {
  await page.close();
  expect(complaints).toEqual([]);
});

test('hovering shows the function, its weight and share; leaving clears the line', async () => {
  await open();
  await frame('parse').hover();
  expect(await text('#details')).toBe('Function: parse (25 page-faults, 25.00%)');
  await page.locator('#title').hover();
  expect((await text('#details')).trim()).toBe('');
  expect(await page.locator('#losses').textContent()).toContain('12 events lost');
});

test('a click zooms: callers fade at full width, callees scale, the rest goes; reset brings it back', async () => {
  await open();
  const before = await layout();
  expect(await page.locator('#reset').isVisible()).toBe(false);

  await frame('serve').click();
  const zoomed = await layout();
  expect(zoomed.serve.width).toBeCloseTo(before.all.width, 1);
  expect(zoomed.read.width / zoomed.serve.width).toBeCloseTo(60 / 85, 3);
  expect(zoomed.main).toMatchObject({ isFaded: true, isVisible: true, width: zoomed.serve.width });
  expect(zoomed.log.isVisible).toBe(false);
  expect(zoomed.idle.isVisible).toBe(false);

  await frame('main').click();
  expect((await layout()).log.isVisible).toBe(true);
  expect((await layout()).main.isFaded).toBe(false);

  await page.locator('#reset').click();
  expect(await layout()).toEqual(before);
  expect(await page.locator('#reset').isVisible()).toBe(false);
});

test('names that do not fit are cut with two dots and whole again when zoomed', async () => {
  const name = 'a_function_with_quite_a_long_name_that_needs_more_room';
  await open({}, drawProfile(`main;${name} 15\n main 85`));
  const label = page.locator(`#frames > g:has(title:text("${name}")) > text`);
  expect(await label.textContent()).toMatch(/^a_function_\w*\.\.$/);
  await frame(name).click();
  expect(await label.textContent()).toBe(name);
});

test('Ctrl-F searches as one types: matches light up, and the share counts what they cover once', async () => {
  await open();
  await page.keyboard.press('Control+f');
  await page.keyboard.type('^r|fault');
  expect(await matches()).toEqual(['fault', 'read']);
  expect(await text('#matched')).toBe('Matched: 60.0% (60 page-faults)');
  await page.keyboard.press('Enter');
  expect(await page.locator('#search-box').isVisible()).toBe(false);
  expect(await fill('read')).not.toBe(await fill('parse'));

  await frame('serve').click();
  expect(await text('#matched')).toBe('Matched: 70.6% (60 page-faults)');
  await page.locator('#search', { hasText: 'Reset Search' }).click();
  expect(await matches()).toEqual([]);
  expect(await text('#matched')).toBe('');
});

test('case counts unless switched off, by button or Ctrl-I', async () => {
  await open();
  await search('^read$');
  expect(await matches()).toEqual(['read']);
  await page.locator('#case').click();
  expect(await matches()).toEqual(['Read', 'read']);
  expect(await text('#matched')).toBe('Matched: 65.0% (65 page-faults)');
  await page.keyboard.press('Control+i');
  expect(await matches()).toEqual(['read']);
});

test('what is no regular expression is said to be none, and nothing breaks', async () => {
  await open();
  await search('(');
  expect(await text('#details')).toContain('Invalid regular expression');
  await page.keyboard.press('Escape');
  await frame('read').hover();
  expect(await text('#details')).toContain('read');
});

test('the address holds zoom and search, and opens them again', async () => {
  await open();
  await search('PARSE');
  await page.locator('#case').click();
  await frame('serve').click();
  const address = page.url();
  expect(new URLSearchParams(new URL(address).hash.slice(1)).toString()).toMatch(/^x=\d+&y=3&s=PARSE&i=1$/);
  const before = await layout();

  await page.goto('about:blank');
  await page.goto(address);
  expect(await layout()).toEqual(before);
  expect(await matches()).toEqual(['parse']);

  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  expect(new URL(page.url()).hash).not.toContain('x=');
});

test('the keyboard walks the frames, zooms and resets', async () => {
  await open();
  await page.locator('#frames').focus();
  for (const key of ['ArrowUp', 'ArrowUp', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowLeft'])
    await page.keyboard.press(key);
  expect(await text('#details')).toContain('idle');
  await page.keyboard.press('Enter');
  expect((await layout()).idle.width).toBe((await layout()).all.width);
  await page.keyboard.press('Escape');
  expect((await layout()).main.isVisible).toBe(true);
});

test.each([
  { reversed: false, inverted: false },
  { reversed: false, inverted: true },
  { reversed: true, inverted: false },
  { reversed: true, inverted: true },
])('all layouts work: $reversed $inverted', async (options) => {
  await open(options);
  const drawn = await layout();
  expect(drawn.all.y > drawn.app.y).toBe(!options.inverted);
  expect(drawn.fault.width / drawn.all.width).toBeCloseTo(0.6, 2);
  expect(Math.sign(drawn.fault.y - drawn.read.y)).toBe(options.reversed === options.inverted ? -1 : 1);
  await frame('fault').click();
  expect((await layout()).fault.width).toBeCloseTo(drawn.all.width, 1);
  await page.locator('#reset').click();
  expect(await layout()).toEqual(drawn);
});

test('without a width it fills the window and follows it; with one it stays', async () => {
  await open();
  expect((await layout()).all.width).toBe(1260);
  await page.setViewportSize({ width: 900, height: 700 });
  await expect.poll(async () => (await layout()).all.width).toBe(880);
  await open({ width: 640 });
  expect((await layout()).all.width).toBe(620);
});

test('a tall graph opens at its root, with title and search in sight', async () => {
  const deep = Array.from({ length: 200 }, (_, i) => `f${i}`).join(';');
  await open({}, drawProfile(`${deep} 1`));
  for (const selector of ['#title', '#search', '#details']) {
    const box = await page.locator(selector).boundingBox();
    expect(box?.y).toBeGreaterThanOrEqual(0);
    expect(box?.y).toBeLessThan(700);
  }
  await expect
    .poll(() =>
      frame('f0')
        .boundingBox()
        .then((box) => (box?.y ?? -1) > 0 && (box?.y ?? 701) < 700),
    )
    .toBe(true);
});

test('hostile names are shown, not run', async () => {
  const name = `</title><script>document.documentElement.remove()</script><img onerror='x'>]]>&amp;`;
  await open(
    { title: name },
    drawProfile(`main;evil@${name.replaceAll(' ', '_')};x 1\n {comm=${name.replaceAll(' ', '_')}} y 1`),
  );
  expect(await page.locator('#title').textContent()).toBe(name);
  expect((await layout()).y.isVisible).toBe(true);
  expect(await page.locator('#frames > g > title').allTextContents()).toContainEqual(
    expect.stringContaining('<script>document'),
  );
});

test('inside a page it works too, with its own ids', async () => {
  const svg = flameGraphSvg(PROFILE, { width: 800 }).replace(/^<\?xml.*\n/, '');
  const file = join(folder, 'page.html');
  await writeFile(file, `<!doctype html><meta charset="utf-8"><body>${svg}</body>`);
  await page.goto(pathToFileURL(file).href);
  await frame('serve').click();
  expect((await layout()).serve.width).toBe(780);
});

async function open(options: FlameGraphOptions = {}, profile = PROFILE): Promise<void> {
  const file = join(folder, 'graph.svg');
  await writeFile(file, flameGraphSvg(profile, options));
  await page.goto('about:blank');
  await page.goto(pathToFileURL(file).href);
}

/** Types into the search box and closes it. */
async function search(pattern: string): Promise<void> {
  await page.locator('#search').click();
  await page.keyboard.type(pattern);
  await page.keyboard.press('Enter');
}

function frame(name: string) {
  return page
    .locator('#frames > g', { has: page.locator(`title:text-matches("^${name} \\\\(")`) })
    .locator('rect')
    .first();
}

async function text(selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? '';
}

function fill(name: string): Promise<string> {
  return frame(name).evaluate((rect) => getComputedStyle(rect).fill);
}

async function matches(): Promise<string[]> {
  const titles = await page.locator('#frames > g.match > title').allTextContents();
  return titles.map((title) => title.slice(0, title.lastIndexOf(' ('))).sort();
}

interface Drawn {
  readonly y: number;
  readonly width: number;
  readonly isVisible: boolean;
  readonly isFaded: boolean;
}

/** Every frame by name, as drawn now. */
function layout(): Promise<Record<string, Drawn>> {
  return page.evaluate(() =>
    Object.fromEntries(
      Array.from(document.querySelectorAll('#frames > g'), (group) => {
        const rect = group.querySelector('rect');
        const title = group.querySelector('title')?.textContent ?? '';
        const drawn = {
          y: Number(rect?.getAttribute('y')),
          width: Number(rect?.getAttribute('width')),
          isVisible: getComputedStyle(group).display !== 'none',
          isFaded: Number(getComputedStyle(group).opacity) < 1,
        };
        return [title.slice(0, title.lastIndexOf(' (')), drawn];
      }),
    ),
  );
}
