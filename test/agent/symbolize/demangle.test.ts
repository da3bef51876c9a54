// Names are demangled as c++filt does without parameters, which is what perf prints; without c++filt nearly so.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { demangleNames, withoutParameters } from '../../../agent/symbolize/demangle.js';
import { createLocalHost } from '../../../agent/symbolize/local-host.js';
import type { SymbolHost } from '../../../agent/symbolize/symbol-host.js';
import { CXX_SOURCE } from './sources.js';
import { compile, ownDirectory } from './symbolized.js';

const withoutFilter: SymbolHost = {
  ...createLocalHost(),
  run: async () => ({ state: 'missing', output: new Uint8Array(0) }),
};

function mangledFunctions(): string[] {
  const file = compile(ownDirectory(), CXX_SOURCE, ['-O0']);
  const symbols = execFileSync('nm', [file], { encoding: 'utf8' });
  return [...symbols.matchAll(/ [tTwW] (_Z\S+)$/gm)].map((match) => match[1]);
}

test('c++filt without parameters is the measure', async () => {
  const names = mangledFunctions();
  const expected = execFileSync('c++filt', ['-p', '-i'], { input: names.join('\n'), encoding: 'utf8' }).split('\n');
  const readable = await demangleNames(createLocalHost(), names, 10_000);
  expect(names.length).toBeGreaterThan(50);
  expect(names.map((name) => readable.get(name))).toEqual(expected.slice(0, names.length));
});

test('without c++filt the names of functions are the same', async () => {
  const names = mangledFunctions();
  const expected = execFileSync('c++filt', ['-p', '-i'], { input: names.join('\n'), encoding: 'utf8' }).split('\n');
  const readable = await demangleNames(withoutFilter, names, 10_000);
  expect(names.map((name) => readable.get(name))).toEqual(expected.slice(0, names.length));
});

test('hostile names pass as data, in order, and do not shift the others', async () => {
  const names = ['_Z3foov', '_Z3bar v\n_Z3bazv', '_Z', '_R', '_Z3quxi@@VERS_1', `_Z${'N'.repeat(10_000)}`, '_ZN1a1bEi'];
  for (const host of [createLocalHost(), withoutFilter]) {
    const readable = await demangleNames(host, names, 10_000);
    expect(readable.get('_Z3foov')).toBe('foo');
    expect(readable.get('_ZN1a1bEi')).toBe('a::b');
    expect([...readable.keys()].sort()).toEqual([...names].sort());
  }
});

test('plain names are left alone', async () => {
  expect(await demangleNames(withoutFilter, ['main', 'camlp4', '_start', ''], 1000)).toEqual(new Map());
});

describe('parameters are cut off', () => {
  test.each([
    ['_ZNK3FooltERKS_', 'Foo::operator<(Foo const&) const', 'Foo::operator<'],
    ['_ZN3FooclEi', 'Foo::operator()(int)', 'Foo::operator()'],
    ['_ZNK12_GLOBAL__N_14Anon1fEi', '(anonymous namespace)::Anon::f(int) const', '(anonymous namespace)::Anon::f'],
    ['_Z3abci.cold', 'abc(int) [clone .cold]', 'abc'],
    ['_Z1fPFvivE', 'f(void (*)(int))', 'f'],
    ['_ZTV3Foo', 'vtable for Foo', 'vtable for Foo'],
    ['_RNvC1a4ARGV.0', 'a::ARGV.0', 'a::ARGV'],
  ])('%s', (mangled, demangled, expected) => {
    expect(withoutParameters(mangled, demangled)).toBe(expected);
  });
});
