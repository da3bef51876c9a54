// The scripts that come with perftrawl: their headers, which variant fits which host, and texts as they are compiled.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  catalogue,
  catalogueScript,
  type HostProbes,
  readCatalogue,
  scriptInfo,
  variantFor,
} from '../../../agent/stap/catalogue.js';
import { parameterValue } from '../../../agent/stap/script-parameters.js';
import { scriptFromInfoMessage, scriptToMessage } from '../../../proto/stap-codec.js';

const scripts = join(dirname(fileURLToPath(import.meta.url)), '../../../agent/stap/scripts');

const TRACEPOINTS = [
  'sched:sched_wakeup',
  'sched:sched_wakeup_new',
  'sched:sched_switch',
  'raw_syscalls:sys_enter',
  'raw_syscalls:sys_exit',
  'block:block_rq_issue',
  'block:block_rq_complete',
];
const SYMBOLS = ['handle_mm_fault', 'schedule', 'do_futex', 'vfs_read', 'vfs_write', 'vfs_fsync_range'];

/** A host with all that any script asks for, but for what is named. */
function host({
  without = [],
  kernelRelease = '6.1.0',
  hasDebuginfo = false,
}: Partial<HostProbes> & { without?: string[] }) {
  return {
    kernelRelease,
    hasDebuginfo,
    hasSymbol: (name: string) => SYMBOLS.includes(name) && !without.includes(name),
    hasTracepoint: (system: string, name: string) =>
      TRACEPOINTS.includes(`${system}:${name}`) && !without.includes(`${system}:${name}`),
  };
}

const choose = (name: string, on: HostProbes) => {
  const choice = variantFor(catalogueScript(name), on);
  return choice.fits ? `runs ${choice.variant.name}`.trim() : choice.missing.flatMap(({ reasons }) => reasons);
};

it('has what the README promises', () => {
  expect(catalogue().map(({ name }) => name)).toEqual([
    'block-io-latency',
    'futex-contention',
    'off-cpu-stacks',
    'pagefault-latency',
    'pagefault-stacks',
    'runq-latency',
    'syscall-latency',
    'vfs-latency',
  ]);
  expect(catalogueScript('pagefault-latency').variants.map(({ name }) => name)).toEqual(['kprobe', 'debuginfo']);
});

it('is made of the files as they are', () => {
  const texts = catalogue().flatMap(({ variants }) => variants.map(({ text }) => text));
  const files = readdirSync(scripts).filter((name) => name.endsWith('.stp'));
  expect(texts.length).toBe(files.length);
  for (const file of files) {
    const own = readFileSync(join(scripts, file), 'utf8');
    expect(
      texts.filter((text) => text.startsWith(own)),
      `${file}: run node bin/build.mjs --generate`,
    ).toHaveLength(1);
  }
});

describe.each(catalogue().map((script) => [script.name, script] as const))('%s', (name, script) => {
  it('says what it is, what it costs and where it was run', () => {
    for (const text of [script.summary, script.doc, script.cost, ...script.testedOn]) expect(text).toMatch(/\w{3}/);
    expect(script.summary.length).toBeLessThan(100);
    expect(script.testedOn.length).toBeGreaterThan(0);
    for (const variant of script.variants) {
      expect(variant.doc).not.toBe('');
      expect(variant.needs).not.toEqual([]);
    }
  });

  it.each(script.variants.map((variant) => [variant.name, variant] as const))(
    'variant "%s" is one script',
    (_, variant) => {
      const { text } = variant;
      expect(text).toContain(`@define script %( "${name}" %)`);
      expect(text).toContain(`@define variant %( "${variant.name}" %)`);
      // No C: it would need guru mode. Embedded code is %{ … %}.
      expect(text).not.toMatch(/%\{|\bsystem\s*\(/);
      // stap makes the names NAME_lock itself.
      const globals = new Set(
        [...text.matchAll(/^global (.*)$/gm)].flatMap(([, list]) => list.match(/\b[a-z]\w*/g) ?? []),
      );
      expect([...globals].filter((global) => globals.has(`${global}_lock`))).toEqual([]);
      // Every array has a size of its own: the default is for each CPU where it holds statistics.
      for (const [, array] of text.matchAll(/(\w+)%?\[\w+(?:, \w+)*\] (?:<<<|=(?!=))/g)) {
        expect(text, array).toMatch(new RegExp(`^global .*\\b${array}%?\\[\\d+\\]`, 'm'));
      }
      // What it may print structured is what the parser knows.
      for (const [line] of text.matchAll(/#pt1 \w+/g))
        expect(line).toMatch(/^#pt1 (start|begin|hist|stack|skipped|end)$/);
    },
  );

  it('has a global of the same default for each parameter, in every variant', () => {
    expect(script.parameters.map((parameter) => parameter.name).slice(0, 2)).toEqual(['interval', 'duration']);
    for (const { text } of script.variants) {
      for (const parameter of script.parameters) {
        const value = parameterValue(parameter, parameter.default, name);
        const initial = parameter.type === 'text' ? `"${value}"` : value;
        // The interval of the shared part is one for all scripts; the module is always told the header's.
        const expected = parameter.name === 'interval' ? '\\d+' : initial.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
        expect(text).toMatch(new RegExp(`^global (?:.*, )?${parameter.name} = ${expected}(?:,|$)`, 'm'));
      }
    }
  });

  it('travels whole', () => {
    const info = scriptInfo(script);
    expect(scriptFromInfoMessage(scriptToMessage(info))).toEqual(info);
    expect(info.variants[0]).not.toHaveProperty('defines');
  });
});

describe('the variant for a host', () => {
  it('needs no debuginfo where the kernel has the symbol', () => {
    expect(choose('pagefault-latency', host({}))).toBe('runs kprobe');
    expect(choose('pagefault-latency', host({ hasDebuginfo: true }))).toBe('runs kprobe');
  });

  it('takes the next where the first does not fit', () => {
    const renamed = host({ without: ['handle_mm_fault'], hasDebuginfo: true });
    expect(choose('pagefault-latency', renamed)).toBe('runs debuginfo');
  });

  it('says for every variant what is missing', () => {
    const none = host({ without: ['handle_mm_fault'], kernelRelease: '3.10.0-1160.el7.x86_64' });
    expect(choose('pagefault-latency', none)).toEqual([
      'the kernel 3.10.0-1160.el7.x86_64 has no function handle_mm_fault',
      'no debuginfo (vmlinux with DWARF) of kernel 3.10.0-1160.el7.x86_64',
    ]);
    expect(choose('runq-latency', host({ without: ['sched:sched_wakeup', 'sched:sched_switch'] }))).toEqual([
      'the kernel 6.1.0 has no tracepoint sched:sched_wakeup',
      'the kernel 6.1.0 has no tracepoint sched:sched_switch',
    ]);
  });

  it.each(catalogue().map(({ name }) => name))('%s fits a host that has all', (name) => {
    expect(choose(name, host({}))).toMatch(/^runs/);
  });

  it('knows alternatives and kernel versions', () => {
    const script = (needs: string) =>
      readCatalogue([['x.stp', `// X.\n// summary: x\n// needs: ${needs}\n\nprobe begin { }\n`]])[0];
    const fits = (needs: string, on: HostProbes) => variantFor(script(needs), on).fits;
    expect(fits('kprobe:nothing|do_futex', host({}))).toBe(true);
    expect(fits('kprobe:nothing|other', host({}))).toBe(false);
    for (const [release, isNewer] of [
      ['4.9.0', false],
      ['4.18.0-553.el8', true],
      ['5.2', true],
      ['4.19', true],
      ['unknown', false],
    ] as const) {
      expect(fits('kernel>=4.18', host({ kernelRelease: release }))).toBe(isNewer);
    }
  });
});

it('a script that is not there is answered with those that are', () => {
  expect(() => catalogueScript('page-fault')).toThrow(/no script "page-fault".*there are: block-io-latency, /);
  expect(() => catalogueScript('x'.repeat(10_000))).toThrow(/^.{0,300}$/);
});

describe('a broken catalogue is a defect that names the file', () => {
  const text = (...lines: string[]) => `${['// X.', ...lines].map((line) => line).join('\n')}\n\nprobe begin { }\n`;
  it.each([
    ['an unknown key', text('// color: red'), /^x\.stp: unknown header "color"$/],
    ['a key twice', text('// doc: a', '// doc: b'), /^x\.stp: "doc" is there twice$/],
    ['a line that is none', text('// doc: a', '// b'), /^x\.stp: not a line of a header: \/\/ b$/],
    ['a need that cannot be asked', text('// needs: uprobe:x'), /^x\.stp: no host can be asked for "uprobe:x"$/],
    ['a parameter without doc', text('// parameter: a integer 0'), /^x\.stp: not a parameter: a integer 0$/],
    ['a type that is none', text('// parameter: a float 0 | A'), /^x\.stp: not a parameter: /],
    [
      'an option that is none',
      text('// parameter: a integer 0 range=1 | A'),
      /^x\.stp: no option of a parameter: range=1$/,
    ],
    ['a variant without file', text('// variants: a b'), /^the catalogue has no file x\.b\.stp$/],
  ])('%s', (_, broken, message) => {
    expect(() => readCatalogue([['x.stp', broken]])).toThrow(message);
  });

  it('a file that no script names', () => {
    expect(() => readCatalogue([['x.y.stp', text()]])).toThrow(/names x\.y\.stp as its variant/);
  });
});
