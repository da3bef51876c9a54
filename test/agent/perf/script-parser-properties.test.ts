// Properties of the script parser: generated text is read as generated, any chunking gives the same, damage never breaks it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lossCount, parseScript, profileLines, total } from './script-parser-view.js';

interface WrittenSample {
  readonly comm: string;
  readonly pid: number;
  readonly tid: number;
  readonly cpu: number;
  readonly microseconds: number;
  readonly period: number;
  readonly event: string;
  readonly frames: readonly WrittenFrame[];
}

interface WrittenFrame {
  readonly address: number;
  readonly name: string;
  readonly object: string;
}

const comm = fc
  .stringMatching(/^[A-Za-z0-9_:./()#~=+-]([ A-Za-z0-9_:./()#~=+-]{0,13}[A-Za-z0-9_:./()#~=+-])?$/)
  .filter((text) => !/\d\.\d+: /.test(text));

const frame: fc.Arbitrary<WrittenFrame> = fc.record({
  address: fc.integer({ min: 0x1000, max: 2 ** 47 }),
  name: fc.constantFrom(
    'main',
    'read',
    'std::vector<int, std::allocator<int> >::push_back(int const&)',
    'std::function<void (int)>::operator()(int) const',
    '(anonymous namespace)::work(int)',
    'Shape::operator->() const',
    'LazyCompile:*fib /srv/a b.js:12',
    'Lcom/example/A;::run()V',
    'naïve::größe',
    '[unknown]',
  ),
  object: fc.constantFrom('/bin/app', '/opt/My App (x86)/app', '/tmp/x (deleted)', '[kernel.kallsyms]', '[unknown]'),
});

const sample: fc.Arbitrary<WrittenSample> = fc.record({
  comm,
  pid: fc.integer({ min: 0, max: 99999 }),
  tid: fc.integer({ min: 0, max: 99999 }),
  cpu: fc.integer({ min: 0, max: 300 }),
  microseconds: fc.integer({ min: 0, max: 2 ** 40 }),
  period: fc.integer({ min: 1, max: 2 ** 32 }),
  event: fc.constantFrom('cycles', 'cpu-clock:u', 'page-faults', 'cpu/event=0x3c/'),
  frames: fc.array(frame, { minLength: 1, maxLength: 8 }),
});

/** perf's own layout of the fields; `hasCpu` is `-a` or `-F +cpu`. */
function written({ comm, pid, tid, cpu, microseconds, period, event, frames }: WrittenSample, hasCpu: boolean): string {
  const ids = `${String(pid).padStart(5)}/${String(tid).padEnd(5)}`;
  const time = `${String(Math.floor(microseconds / 1e6)).padStart(5)}.${String(microseconds % 1e6).padStart(6, '0')}`;
  const header = `${comm} ${ids} ${hasCpu ? `[${String(cpu).padStart(3, '0')}] ` : ''}${time}: `;
  const stack = frames.map(
    ({ address, name, object }) => `\t${address.toString(16).padStart(16)} ${name} (${object})\n`,
  );
  return `${header}${String(period).padStart(10)} ${event}: \n${stack.join('')}\n`;
}

function expected(samples: readonly WrittenSample[]): string[] {
  const rows = new Map<string, { weight: number; count: number }>();
  for (const { comm, pid, tid, event, period, frames } of samples) {
    const stack = frames
      .map(({ address, name, object }) => {
        const code = name === '[unknown]' ? `?0x${address.toString(16)}` : name;
        return `${code}${object === '[unknown]' ? '' : `@${object}`}`;
      })
      .reverse();
    // stacks of equal names at different addresses are different stacks
    const key = `${event} {comm=${comm} pid=${pid} tid=${tid}} ${stack.join(';')}`;
    const exact = `${key}\0${frames.map(({ address }) => address).join()}`;
    const row = rows.get(exact) ?? { weight: 0, count: 0 };
    rows.set(exact, { weight: row.weight + period, count: row.count + 1 });
  }
  return [...rows].map(([key, { weight, count }]) => `${key.split('\0')[0]} ${weight}/${count}`).sort();
}

describe('ScriptParser', () => {
  test('reads generated text as it was generated', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 12 }), fc.boolean(), (samples, hasCpu) => {
        const profile = parseScript(samples.map((one) => written(one, hasCpu)).join(''), { split: 'tid' });
        expect(profileLines(profile)).toEqual(expected(samples));
        expect(profile.losses.filter((loss) => loss.kind !== 'unsymbolized-frames')).toEqual([]);
      }),
    );
  });

  test('any chunking gives the same profile, also in the middle of a character', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 6 }), fc.integer({ min: 1, max: 300 }), (samples, chunkBytes) => {
        const text = samples.map((one) => written(one, true)).join('');
        const options = { split: 'tid', keepTimestamps: true } as const;
        expect(parseScript(text, { ...options, chunkBytes })).toEqual(parseScript(text, options));
      }),
    );
  });

  test('damaged text gives a valid profile, the same in any chunking, and never more samples than headers', () => {
    const damage = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.integer({ min: 0, max: 40 }),
      insert: fc.oneof(
        fc.constantFrom(
          '\n',
          '\n\n',
          ' ',
          ': ',
          '(',
          ')',
          '->',
          '(inlined)',
          '#',
          '\r',
          '\0',
          '1.0: ',
          '\t',
          ' a.c:3\n',
        ),
        fc.string({ maxLength: 12 }),
      ),
    });
    fc.assert(
      fc.property(
        fc.array(sample, { minLength: 1, maxLength: 8 }),
        fc.array(damage, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 200 }),
        (samples, damages, chunkBytes) => {
          let text = samples.map((one) => written(one, true)).join('');
          for (const { at, remove, insert } of damages) {
            const place = Math.floor(at * text.length);
            text = text.slice(0, place) + insert + text.slice(place + remove);
          }
          const whole = parseScript(text, { keepTimestamps: true });
          expect(parseScript(text, { keepTimestamps: true, chunkBytes })).toEqual(whole);
          expect(total(whole, 'samples') + lossCount(whole, 'skipped-lines')).toBeLessThanOrEqual(
            text.split('\n').length,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test('any bytes at all are read to the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (bytes) => {
        parseScript(bytes, { keepTimestamps: true });
      }),
    );
  });
});
