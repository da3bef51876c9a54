// The differential flame graph as a person uses it, in Chromium: colours, both frames of reference, hover, zoom, search.
/// <reference lib="dom" />
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type DifferenceSvgOptions, differenceSvg } from '../../../controller/export/svg/difference-svg.js';
import { profileDifference } from '../../../controller/views/profile-difference.js';
import { drawProfile } from '../../profile/draw-profile.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const A = { profile: drawProfile('main;read 500\nmain;parse 400\nmain;old 100'), recorded: 10_000 };
const B = { profile: drawProfile('main;read 1010\nmain;parse 590\nmain;fresh<T> 400'), recorded: 10_000 };

let browser: Browser;
let page: Page;
let folder = '';
let complaints: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perftrawl-diff-'));
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

async function open(more: Partial<DifferenceSvgOptions> = {}): Promise<void> {
  const difference = more.difference ?? ({ normalisation: 'shares' } as const);
  const facts = profileDifference(A, B, difference);
  const file = join(folder, 'diff.svg');
  await writeFile(
    file,
    [...differenceSvg(A, B, facts, { difference, names: { a: 'old', b: 'new <1>' }, ...more })].join(''),
  );
  await page.goto(pathToFileURL(file).href);
}

const frame = (name: string) => page.locator(`#frames > g:has(title:text-matches("^${name} \\\\("))`);
const text = async (selector: string) => (await page.locator(selector).textContent()) ?? '';
const fill = (name: string) => frame(name).locator('rect').getAttribute('fill');
const widthOf = async (name: string) => Number(await frame(name).locator('rect').getAttribute('width'));

test('frames are as wide as in B, red for more, blue for less, grey for what chance explains', async () => {
  await open();
  // From 50 to 50.5 %, from 40 to 29.5 %, from nothing to 20 %.
  expect([await fill('fresh<T>'), await fill('read'), await fill('main')]).toEqual(['#ff5448', '#e8e8e4', '#e8e8e4']);
  expect(await fill('parse')).toBe('#9aabf4');
  expect((await widthOf('parse')) / (await widthOf('all'))).toBeCloseTo(0.295, 3);
  expect(await frame('old').count()).toBe(0);
  expect(await text('#details')).toBe('1 frame is in A alone: --widths a draws it');
});

test('in the frame of A what is gone shows, and the colours mean the same; negated they change places', async () => {
  await open({ widthsOf: 'a' });
  expect([await fill('old'), await frame('fresh<T>').count()]).toEqual(['#6d88fe', 0]);
  expect((await widthOf('parse')) / (await widthOf('all'))).toBeCloseTo(0.4, 3);
  await open({ isNegated: true });
  expect(await fill('fresh<T>')).toBe('#6884ff');
  const colours = await page
    .locator('#legend tspan')
    .evaluateAll((spans) => spans.map((span) => span.getAttribute('fill')));
  expect(colours).toEqual(['#6884ff', '#ff5448']);
});

test('the lines above say what the sides are, what is coloured and how strongly', async () => {
  await open();
  expect(await text('#side-a > title')).toBe('A: old');
  expect(await text('#side-b > title')).toBe('B: new <1> (widths)');
  expect(await text('#legend')).toContain("of the frame's own share; grey: chance explains it; strongest: ±20.00 pp");
  await open({ difference: { normalisation: 'time' }, title: 'Mine' });
  expect(await text('#legend')).toContain("of the frame's own weight per second and host");
  expect(await text('#title')).toBe('Mine');
});

test('hovering tells both sides; zoom, reset and search are those of any flame graph', async () => {
  await open();
  await frame('fresh<T>').hover();
  expect(await text('#details')).toBe('Function: fresh<T> (A 0.00%, B 20.00%; own: +20.00 pp)');
  await frame('read').hover();
  expect(await text('#details')).toBe('Function: read (A 50.00%, B 50.50%; own: +0.50 pp, within noise)');
  await frame('parse').click();
  expect(await widthOf('parse')).toBe(await widthOf('all'));
  await page.locator('#reset').click();
  await page.keyboard.press('Control+f');
  await page.keyboard.type('fresh');
  expect(await text('#matched')).toBe('Matched: 20.0% (400 page-faults)');
});
