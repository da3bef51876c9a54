// The HTML report in Chromium: one file without a network, texts are texts, the flame graph in it works, light, dark and on paper.
/// <reference lib="dom" />
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Report } from '../../../controller/export/report.js';
import { reportHtml } from '../../../controller/export/report-html.js';
import { flameGraphSvg } from '../../../controller/export/svg/flame-graph-svg.js';
import { histogramTotals, mergeHistogramSeries } from '../../../profile/histogram-series.js';
import { histogramOf, LOG2 } from '../../profile/arbitrary-histogram.js';
import { drawProfile } from '../../profile/draw-profile.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const EVIL = `<img src=x onerror=alert(1)><script>alert(2)</script></style></pre>"'&\u001b[2J\u202e`;

const hosts = ['db1', 'db2', 'db3', 'db4', 'db5'].map((host, h) => ({
  host,
  series: {
    interval: 1000,
    points: [1, 2, 3].map((second) => ({
      time: second * 1000,
      histogram: histogramOf(
        Array.from({ length: 60 }, (_, i) => (500 + 40 * i) * (h === 3 ? 8 : 1)),
        LOG2,
        { title: 'page fault latency', labels: [{ key: 'fault_type', value: 'MINOR' }] },
      ),
    })),
    losses: [],
  },
}));

const REPORT: Report = {
  title: `Page faults ${EVIL}`,
  subtitle: EVIL,
  facts: [{ name: EVIL, value: EVIL }],
  parts: [
    { host: 'db1', part: 'stat', outcome: 'finished' },
    { host: EVIL, part: 'stap', outcome: 'failed', reason: EVIL, remedy: EVIL },
  ],
  hosts: hosts.map(({ host }, i) => ({
    host,
    state: i === 4 ? 'failed' : 'succeeded',
    ...(i === 4 ? { reason: EVIL } : {}),
    counters: { 'page-faults': 1000 + i, [EVIL]: 5 },
    samples: 100,
    lost: 0,
    cost: {
      toolCpuMs: 312,
      agentCpuMs: 120,
      peakMemoryBytes: 61 * 2 ** 20,
      recordedBytes: 9 * 2 ** 20,
      wallMs: 30_000,
    },
  })),
  counters: {
    interval: 1000,
    points: [1, 2, 3].map((second) => ({
      time: second * 1000,
      event: 'page-faults',
      scope: '',
      status: 'counted',
      value: 40 * second,
      unit: '',
      runningPercent: 100,
    })),
    losses: [],
  },
  flameGraphs: [
    {
      title: 'Flame graph of page faults',
      svg: flameGraphSvg(drawProfile('main;serve;read 60\n main;serve;parse 20\n main;log 20'), { width: 1180 }),
    },
  ],
  histograms: mergeHistogramSeries(hosts.map(({ series }) => series)),
  hostHistograms: hosts.map(({ host, series }) => ({ host, histograms: histogramTotals(series) })),
  text: [{ host: 'db1', lines: [{ time: 1, number: 7, stream: 'stderr', text: EVIL }], dropped: 3 }],
  losses: [{ kind: 'lost-events', count: 12, detail: EVIL }],
  notes: [EVIL],
  generator: 'perftrawl 9.9.9',
};

let browser: Browser;
let page: Page;
let folder = '';
let complaints: string[] = [];
let requests: string[] = [];
let failures: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perftrawl-report-'));
  await writeFile(join(folder, 'report.html'), [...reportHtml(REPORT)].join(''));
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
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  complaints = [];
  requests = [];
  failures = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('dialog', (dialog) => complaints.push(`dialog ${dialog.message()}`));
  page.on('request', (request) => requests.push(request.url()));
  page.on('requestfailed', (request) => failures.push(`${request.url()} ${request.failure()?.errorText}`));
  await page.goto(pathToFileURL(join(folder, 'report.html')).href);
});
afterEach(() => page.close());

test('the page loads nothing but itself and says nothing on the console', async () => {
  await page.waitForLoadState('load');
  expect(requests).toHaveLength(1);
  expect(complaints).toEqual([]);
});

test('texts of other machines are texts: no image, one script, every letter there', async () => {
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.locator('script').count()).toBe(1);
  expect(await page.locator('h1').textContent()).toBe(
    `Page faults ${EVIL.replace('\u001b', '␛').replace('\u202e', '�')}`,
  );
  expect(await page.locator('#r-text pre').textContent()).toContain('<script>alert(2)</script></style></pre>');
});

test('the policy keeps a foreign script and the network out, were one to get in', async () => {
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "owned"';
    document.body.append(script);
    const image = document.createElement('img');
    image.src = 'https://example.invalid/x.png';
    document.body.append(image);
  });
  expect(await page.title()).not.toBe('owned');
  await expect.poll(() => complaints.length).toBeGreaterThanOrEqual(2);
  expect(complaints.every((text) => text.includes('Content Security Policy'))).toBe(true);
  await expect.poll(() => failures).toEqual(['https://example.invalid/x.png csp']);
});

test('the flame graph works inside the page: zoom, reset, search', async () => {
  const frame = (name: string) =>
    page
      .locator('#frames > g', { has: page.locator(`title:text-matches("^${name} \\\\(")`) })
      .locator('rect')
      .first();
  await frame('parse').click();
  expect(await page.locator('#reset').isVisible()).toBe(true);
  await page.locator('#reset').click();
  await page.locator('#search').click();
  await page.keyboard.type('parse');
  await page.keyboard.press('Enter');
  expect(await page.locator('#matched').textContent()).toBe('Matched: 20.0% (20 page-faults)');
  expect(complaints).toEqual([]);
});

test('every section is there and linked: charts, percentiles with bounds, outlier, cost, losses', async () => {
  const links = await page.locator('nav a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  expect(links).toEqual([
    '#r-counters',
    '#r-flame-graph-1',
    '#r-histograms',
    '#r-heat-map',
    '#r-outliers',
    '#r-hosts',
    '#r-parts',
    '#r-losses',
    '#r-text',
  ]);
  for (const link of links) expect(await page.locator(link ?? '').isVisible()).toBe(true);
  expect(await page.locator('tr.outlier').textContent()).toMatch(
    /^db4 differs.*doublings higher than on the typical host/,
  );
  expect(await page.locator('#r-histograms table').textContent()).toMatch(/p50.*\(1\.02 µs to 2\.05 µs\)/s);
  expect(await page.locator('#r-hosts').textContent()).toContain('312 ms (1.0 %)');
  expect(await page.locator('#r-losses li').textContent()).toContain('12 events lost');
  expect(await page.locator('#r-parts p').textContent()).toContain('stap finished on 0 of 1 hosts');
  expect(await page.locator('svg.pt-chart').count()).toBe(3);
});

test('charts are as wide as the page allows and readable in light, dark and on paper', async () => {
  const ground = () =>
    page
      .locator('svg.pt-chart .pt-ground')
      .first()
      .evaluate((rect) => getComputedStyle(rect).fill);
  expect(await ground()).toBe('rgb(255, 255, 255)');
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await ground()).toBe('rgb(20, 24, 29)');
  await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
  expect(await ground()).toBe('rgb(255, 255, 255)');
  expect(await page.locator('nav').isVisible()).toBe(false);
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  await page.setViewportSize({ width: 700, height: 900 });
  const width = await page
    .locator('svg.pt-chart')
    .first()
    .evaluate((svg) => svg.getBoundingClientRect().width);
  expect(width).toBeLessThan(700);
});

test('a report of nothing says so', async () => {
  const empty: Report = {
    title: 'Nothing',
    facts: [],
    parts: [],
    hosts: [],
    flameGraphs: [],
    hostHistograms: [],
    text: [],
    losses: [],
    notes: [],
    generator: 'x',
  };
  await writeFile(join(folder, 'empty.html'), [...reportHtml(empty)].join(''));
  await page.goto(pathToFileURL(join(folder, 'empty.html')).href);
  expect(await page.locator('section').allTextContents()).toEqual([
    'Losses\nNothing is missing: no events, samples, lines or hosts were lost.\n',
  ]);
});
