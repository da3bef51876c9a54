// The SVG flame graph as a document: whatever names are, options obeyed, the same picture every time, large profiles small enough.
import { expect, test } from 'vitest';
import { ExportError } from '../../../controller/export/exporter.js';
import type { FlameGraphOptions, PaletteName } from '../../../controller/export/svg/flame-graph-options.js';
import { FLAME_GRAPH_SCRIPT } from '../../../controller/export/svg/flame-graph-script.js';
import { flameGraphParts, flameGraphSvg } from '../../../controller/export/svg/flame-graph-svg.js';
import { frameColor } from '../../../controller/export/svg/palette.js';
import type { Origin } from '../../../controller/views/frame-table.js';
import type { Profile } from '../../../profile/profile.js';
import { ProfileBuilder } from '../../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../../profile/sample-type.js';
import { drawProfile } from '../../profile/draw-profile.js';

const PALETTES = [
  'hot',
  'mem',
  'io',
  'java',
  'js',
  'perl',
  'red',
  'green',
  'blue',
  'aqua',
  'yellow',
  'purple',
  'orange',
  'wakeup',
  'chain',
] as const satisfies readonly PaletteName[];

test('each frame says its name, exact weight and share', () => {
  const svg = flameGraphSvg(drawProfile('main;walk 2999\n main;visit 1'));
  expect(titles(svg)).toEqual([
    'all (3,000 page-faults, 100.00%)',
    'app (3,000 page-faults, 100.00%)',
    'main (3,000 page-faults, 100.00%)',
    'visit (1 page-faults, 0.03%)',
    'walk (2,999 page-faults, 99.97%)',
  ]);
});

test('title, subtitle, count name, notes and losses', () => {
  const profile = drawProfile('main 1', {
    losses: [
      { kind: 'lost-events', count: 12, detail: 'db1' },
      { kind: 'missing-hosts', count: 1, detail: 'db3' },
    ],
  });
  const svg = flameGraphSvg(profile, {
    title: 'T & T',
    subtitle: 'three hosts',
    countName: 'pages (4K)',
    notes: 'a --> b',
  });
  expect(svg).toContain('>T &amp; T</text>');
  expect(svg).toMatch(/id="subtitle"[^>]*>.*three hosts<\/text>/);
  expect(svg).toMatch(/id="losses"[^>]*>.*12 events lost, 1 host missing<\/text>/);
  expect(svg).toContain('<metadata>a --&gt; b</metadata>');
  expect(titles(svg)).toContain('main (1 pages [4K], 100.00%)');
});

test('clocks are counted in ns, samples on request', () => {
  const profile = drawProfile('main 2000000/2', { event: 'cpu-clock' });
  expect(titles(flameGraphSvg(profile))[0]).toBe('all (2,000,000 ns, 100.00%)');
  expect(titles(flameGraphSvg(profile, { countSamples: true }))[0]).toBe('all (2 samples, 100.00%)');
});

test('upright has the root at the bottom, inverted at the top; reversed begins with the leaves', () => {
  const profile = drawProfile('main;walk;read 3\n main;read 1');
  const upright = rects(flameGraphSvg(profile, { byProcess: false }));
  expect(upright.all.y).toBeGreaterThan(upright.main.y);
  const inverted = rects(flameGraphSvg(profile, { byProcess: false, inverted: true }));
  expect(inverted.all.y).toBeLessThan(inverted.main.y);
  const reversed = rects(flameGraphSvg(profile, { byProcess: false, reversed: true }));
  expect(reversed.read).toMatchObject({ width: reversed.all.width, y: reversed.all.y - 16 });
  expect(flameGraphSvg(profile, { inverted: true })).toContain('>Page Fault Icicle Graph</text>');
});

test('widths are shares of the given width, and what is narrower than asked for is said to be missing', () => {
  const profile = drawProfile('main;a 3\n main;b 1\n rare 1');
  const svg = flameGraphSvg(profile, { width: 1020, byProcess: false });
  expect(rects(svg).a.width).toBe(600);
  const pruned = flameGraphSvg(profile, { width: 1020, byProcess: false, minWidth: { percent: 25 } });
  expect(titles(pruned).map((title) => title.split(' ')[0])).toEqual(['all', 'main', 'a']);
  expect(pruned).toContain('2 frames narrower than 250 pixels are not drawn');
});

test('hostile names are text: no element, no script, no broken document', () => {
  const names = [
    '</title><script>alert(1)</script>',
    ']]>',
    '<!--',
    '"onload="x',
    'a\u0000\u001b[2J\ud800b',
    '&lt;',
    '\u202eevil',
  ];
  const svg = flameGraphSvg(named(names), {
    title: names.join(),
    subtitle: names.join(),
    countName: names[0],
    nameType: names[3],
  });
  expect(svg.match(/<script>/g)).toHaveLength(1);
  expect(svg.match(/\]\]>/g)).toHaveLength(1);
  expect(svg).not.toContain('<!--');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(svg).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e\ufffe\uffff]/);
  expect(svg).not.toMatch(/\p{Cs}/u);
});

test('the script is one CDATA section of bounded length that names nothing outside the file', () => {
  expect(FLAME_GRAPH_SCRIPT).not.toContain(']]>');
  expect(FLAME_GRAPH_SCRIPT.split('\n').length).toBeLessThan(300);
  const svg = flameGraphSvg(drawProfile('main 1'));
  expect(svg.match(/https?:\/\/[^"]*/g)).toEqual(['http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xhtml']);
  expect(svg).not.toMatch(/@import|url\((?!#)/);
});

test('the same stacks give the same bytes, in whatever order they came', () => {
  const a = flameGraphSvg(drawProfile('main;b 1\n main;a 2\n main 4'));
  expect(flameGraphSvg(drawProfile('main 4\n main;a 1\n main;b 1\n main;a 1'))).toBe(a);
});

test.each(PALETTES)('palette %s: a colour by name, light enough for black letters', (palette) => {
  const origins: Origin[] = ['all', 'process', 'user', 'kernel', 'jit', 'inlined'];
  for (const origin of origins) {
    for (const name of [
      'main',
      'std::sort',
      'java/lang/String:::hash',
      'LazyCompile:~f /a/b.js:3',
      'Perl_pp_entersub',
      'x_[w]',
      '-',
      '',
    ]) {
      const color = frameColor(palette, { name, origin, mapping: '' });
      expect(color).toMatch(/^#[0-9a-f]{6}$/);
      expect(frameColor(palette, { name, origin, mapping: '/other' })).toBe(color);
      expect(contrastWithBlack(color)).toBeGreaterThan(4.5);
    }
  }
  expect(flameGraphSvg(drawProfile('main 1'), { palette })).toContain('</svg>');
});

test('palettes by kind of code tell kernel, generated, inlined and C++ code apart', () => {
  const hue = (palette: PaletteName, name: string, origin: Origin): string => {
    const [r, g, b] = channels(frameColor(palette, { name, origin, mapping: '' }));
    return r > g && r > b ? (g > b + 60 ? 'orange' : 'red') : g > r && g > b ? 'green' : 'other';
  };
  expect(hue('java', 'vfs_read', 'kernel')).toBe('orange');
  expect(hue('java', 'org/a/B:.c', 'jit')).toBe('green');
  expect(hue('java', 'read', 'user')).toBe('red');
  expect(hue('js', 'JS:*f /a/b.js:1:2', 'jit')).toBe('green');
  expect(hue('perl', 'Perl_pp_entersub', 'user')).toBe('green');
});

test('sizes that make no picture are refused in words', () => {
  const refused: FlameGraphOptions[] = [
    { width: 10 },
    { frameHeight: 0 },
    { fontSize: Number.NaN },
    { minWidth: { percent: 101 } },
    { maxDepth: 0 },
  ];
  for (const options of refused) expect(() => flameGraphSvg(drawProfile('main 1'), options)).toThrow(ExportError);
  expect(() => flameGraphSvg(drawProfile('main 1'), { width: 10 })).toThrow(
    'the width of a flame graph must be 300 to 100000, not 10',
  );
});

test('a profile of nothing is a picture that says so', () => {
  expect(flameGraphSvg(drawProfile(''))).toMatch(/id="subtitle"[^>]*>.*Nothing was counted<\/text>/);
});

test('300,000 frames make some megabytes in parts of some kilobytes, and the total stays exact', () => {
  const profile = named(Array.from({ length: 300_000 }, (_, i) => `function_${i}`));
  let bytes = 0;
  let longest = 0;
  for (const part of flameGraphParts(profile, { minWidth: { pixels: 0.05 } })) {
    bytes += part.length;
    longest = Math.max(longest, part.length);
  }
  expect(bytes).toBeLessThan(8_000_000);
  expect(longest).toBeLessThan(100_000);
  expect([...flameGraphParts(profile)].join('')).toContain('data-total="300000"');
});

/** One sample of weight 1 in each function, all called by `main`. */
function named(names: readonly string[]): Profile {
  const builder = new ProfileBuilder([samplesOf('page-faults'), weightOf('page-faults')]);
  const mapping = builder.mapping('/bin/app');
  const location = (name: string): number =>
    builder.location(mapping, 1, 0, [{ function: builder.function(name), line: 0 }]);
  const main = builder.stack(-1, location('main'));
  for (const name of names) {
    const sample = builder.sample(builder.stack(main, location(name)), builder.labelSet([]));
    builder.add(sample, 0, 1);
    builder.add(sample, 1, 1);
  }
  return builder.freeze();
}

function titles(svg: string): string[] {
  const frames = svg.slice(svg.indexOf('<g id="frames"'), svg.indexOf('<g id="header"'));
  return Array.from(frames.matchAll(/<title>(.*?)<\/title>/g), ([, title]) => title);
}

/** By the first word of the title. */
function rects(svg: string): Record<string, { x: number; y: number; width: number }> {
  const found = svg.matchAll(/<title>(\S+) [^<]*<\/title><rect x="([^"]*)" y="([^"]*)" width="([^"]*)"/g);
  return Object.fromEntries(
    Array.from(found, ([, name, x, y, width]) => [name, { x: Number(x), y: Number(y), width: Number(width) }]),
  );
}

function channels(color: string): [number, number, number] {
  const value = Number.parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** WCAG 2: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio */
function contrastWithBlack(color: string): number {
  const [r, g, b] = channels(color).map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) / 0.05;
}
