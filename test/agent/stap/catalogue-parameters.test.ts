// What a person gives as parameters of a script, as module parameters of staprun.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalogue, catalogueScript } from '../../../agent/stap/catalogue.js';
import { parameterArguments } from '../../../agent/stap/script-parameters.js';

/** The arguments that are not the defaults. */
function of(name: string, given: Record<string, string>): string[] {
  const defaults = parameterArguments(catalogueScript(name), {});
  return parameterArguments(catalogueScript(name), given).filter((argument, i) => argument !== defaults[i]);
}

describe('values', () => {
  it('come in the order of the script, durations in its unit', () => {
    const given = { pids: '12,34', duration: '1.5s', interval: '10s' };
    expect(of('pagefault-latency', given)).toEqual(['duration=1500', 'pids=12,34']);
    expect(of('off-cpu-stacks', { longer: '2ms' })).toEqual(['longer=2000']);
    expect(of('runq-latency', { by: 'cpu' })).toEqual(['by=cpu']);
    expect(of('syscall-latency', { calls: 'read,pread64' })).toEqual(['calls=read,pread64']);
    expect(of('block-io-latency', { device: 'cciss!c0d0' })).toEqual(['device=cciss!c0d0']);
    expect(of('futex-contention', { locks: '0', interval: '0' })).toEqual(['interval=0', 'locks=0']);
  });

  it('that are not given are the defaults, in the units of the module', () => {
    const defaults = (name: string) => parameterArguments(catalogueScript(name), {});
    expect(defaults('pagefault-latency')).toEqual(['interval=10000', 'duration=0', 'pids=all']);
    expect(defaults('off-cpu-stacks')).toEqual(['interval=0', 'duration=0', 'pids=all', 'longer=0']);
    expect(defaults('futex-contention')).toEqual(['interval=10000', 'duration=0', 'pids=all', 'locks=20']);
  });

  it('that must be given are asked for', () => {
    const script = {
      name: 'x',
      parameters: [{ name: 'a', type: 'integer', default: '', unit: '', doc: 'A' }],
    } as const;
    expect(() => parameterArguments(script, {})).toThrow(/x needs its parameter a \(a whole number\)/);
    expect(parameterArguments(script, { a: '-7' })).toEqual(['a=-7']);
  });

  it.each([
    ['100ms', '100'],
    ['2m', '120000'],
    ['24h', '86400000'],
    ['0s', '0'],
    ['0', '0'],
  ])('a duration of %s', (text, value) =>
    expect(of('runq-latency', { interval: text })).toEqual([`interval=${value}`]),
  );
});

describe('what is refused, with what there is', () => {
  it.each([
    ['pagefault-latency', { pid: '1' }, /no parameter "pid".*there are: interval, duration, pids/],
    ['block-io-latency', { pids: '1' }, /block-io-latency has no parameter "pids".*interval, duration, device/],
    ['runq-latency', { __proto__x: '1' }, /no parameter "__proto__x"/],
    ['runq-latency', { by: 'comm' }, /"comm" is no value for the parameter by.*one of all, cpu/],
    ['runq-latency', { interval: '10' }, /"10" is no value.*a duration such as 10s or 500ms, 0 or from 100ms to 24h/],
    ['runq-latency', { interval: '99ms' }, /from 100ms/],
    ['runq-latency', { interval: '1us' }, /from 100ms/],
    ['runq-latency', { duration: '25h' }, /to 24h/],
    ['runq-latency', { duration: '-1s' }, /a duration/],
    ['runq-latency', { duration: '1us' }, /a duration/],
    ['futex-contention', { locks: '501' }, /a whole number from 0 to 500/],
    ['futex-contention', { locks: '1.5' }, /a whole number/],
    ['futex-contention', { locks: '' }, /a whole number/],
    ['pagefault-stacks', { kernel: 'yes' }, /from 0 to 1/],
    ['pagefault-latency', { pids: '' }, /numbers such as 12,34/],
    ['pagefault-latency', { pids: '0' }, /numbers/],
    ['pagefault-latency', { pids: '1,,2' }, /numbers/],
    ['pagefault-latency', { pids: Array(200).fill('1234').join(',') }, /at most 511 characters/],
    ['syscall-latency', { calls: 'read;write' }, /names such as a,b/],
    ['block-io-latency', { device: 'a b' }, /letters, digits/],
  ])('%s %o', (name, given, message) => {
    expect(() => of(name, given as Record<string, string>)).toThrow(message);
  });

  it('a long value is not repeated whole', () => {
    expect(() => of('runq-latency', { by: 'x'.repeat(100_000) })).toThrow(/^.{0,400}$/);
  });
});

it('whatever is given, an argument is one bare word of at most 511 characters', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.stringMatching(/^[\w.,:+/!;$"' \\=-]{0,600}$/),
    fc.constant('all'),
  );
  fc.assert(
    fc.property(fc.constantFrom(...catalogue()), fc.nat(9), text, (script, index, value) => {
      const { name } = script.parameters[index % script.parameters.length];
      let given: string[];
      try {
        given = parameterArguments(script, { [name]: value });
      } catch (error) {
        expect(error).toMatchObject({ failure: { code: 'bad-request' } });
        return;
      }
      expect(given).toHaveLength(script.parameters.length);
      for (const argument of given) expect(argument).toMatch(/^[a-z]+=[\w.,:+/!-]{1,511}$/);
    }),
    { numRuns: 2000 },
  );
});
