// Texts of blobs come back as they are, whichever came before them.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextPool } from '../../../controller/store/text-pool.js';

it('gives back the texts of many blobs as they are', () => {
  const word = fc.string({ unit: 'grapheme', maxLength: 4 }).filter((text) => !text.includes('\0'));
  const blobs = fc.array(fc.array(word, { minLength: 1, maxLength: 20 }), { maxLength: 20 });
  fc.assert(
    fc.property(blobs, (all) => {
      const pool = new TextPool();
      for (const texts of all) expect(pool.split(Buffer.from(texts.join('\0')))).toEqual(texts);
    }),
  );
});

it('holds many texts, also those whose hashes are alike', () => {
  const pool = new TextPool();
  const texts = Array.from({ length: 20_000 }, (_, i) => `f${i}`);
  const bytes = Buffer.from(texts.join('\0'));
  expect([pool.split(bytes), pool.split(bytes)]).toEqual([texts, texts]);
  // A hash of no bytes is that of any bytes whose hash is zero: the bytes decide.
  expect(pool.split(Buffer.from('\0f1\0\0f1'))).toEqual(['', 'f1', '', 'f1']);
});
