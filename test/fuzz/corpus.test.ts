// Inputs that once broke something: each is taken or refused with a reason now.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './outcome.js';
import { TARGETS } from './targets.js';

const corpus = fileURLToPath(new URL('./corpus/', import.meta.url));

describe.each(TARGETS.filter(({ name }) => existsSync(`${corpus}${name}`)))('$name', (target) => {
  it.each(readdirSync(`${corpus}${target.name}`))('%s', async (file) => {
    const outcome = await outcomeOf(target, readFileSync(`${corpus}${target.name}/${file}`));
    expect(outcome.kind).toMatch(/taken|refused/);
  });
});

it('every folder of the corpus belongs to a target', () => {
  const strangers = readdirSync(corpus).filter((folder) => !TARGETS.some(({ name }) => name === folder));
  expect(strangers).toEqual([]);
});

it.each(TARGETS)('$name takes at least one of its sound inputs', async (target) => {
  const kinds = await Promise.all(target.seeds().map(async (seed) => (await outcomeOf(target, seed)).kind));
  expect(kinds).toContain('taken');
  expect(kinds).not.toContain('find');
});
