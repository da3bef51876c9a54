// Profiles survive the wire exactly, in bounded chunks; damage, disorder and lies are refused, never a crash.
import { brotliDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../profile/sample-type.js';
import { crc32 } from '../../proto/crc32.js';
import { FailureError } from '../../proto/failure.js';
import { perftrawl } from '../../proto/generated/perftrawl.js';
import { decodeProfile, encodeProfile, type ProfileChunk, ProfileDecoder } from '../../proto/profile-codec.js';
import { arbitraryProfile } from '../profile/arbitrary-profile.js';
import { drawProfile } from '../profile/draw-profile.js';

/** 60,000 stacks with incompressible weights: several chunks. */
function bigProfile() {
  const builder = new ProfileBuilder([samplesOf('page-faults'), weightOf('page-faults')]);
  const mapping = builder.mapping('/bin/app', 'ab');
  const labels = builder.labelSet([{ key: 'comm', value: 'app' }]);
  let seed = 1;
  for (let i = 0; i < 60_000; i++) {
    seed = Math.imul(seed, 1103515245) + 12345;
    const location = builder.location(mapping, seed >>> 0, 0, [{ function: builder.function(`f${i}`), line: 0 }]);
    const sample = builder.sample(builder.stack(i % 7 === 0 ? -1 : builder.stackCount - 1, location), labels);
    builder.add(sample, 0, 1);
    builder.add(sample, 1, (seed >>> 0) * 1000);
  }
  return builder.freeze({ startTime: 1.5, duration: 2 });
}

describe('profiles on the wire', () => {
  it('come back exactly', () => {
    fc.assert(
      fc.property(arbitraryProfile(true), (profile) => {
        expect(decodeProfile(encodeProfile(profile))).toEqual(profile);
      }),
    );
  });

  it('come back exactly from many bounded chunks', () => {
    const profile = bigProfile();
    const chunks = [...encodeProfile(profile, 'main')];
    expect(chunks.length).toBeGreaterThan(2);
    for (const chunk of chunks) expect(chunk.rawLength).toBeLessThan(600 * 1024);
    expect(chunks.map((chunk) => chunk.isLast)).toEqual(chunks.map((_, i) => i === chunks.length - 1));
    expect(decodeProfile(chunks)).toEqual(profile);
  });

  it('have the checksum that everybody computes', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('are refused when a chunk is damaged, missing, doubled or out of order', () => {
    const chunks = [...encodeProfile(bigProfile())];
    const damaged = chunks.map((chunk, i) =>
      i === 1 ? { ...chunk, data: chunk.data.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) } : chunk,
    );
    expect(() => decodeProfile(damaged)).toThrow(/chunk 1 is damaged/);
    expect(() => decodeProfile(chunks.slice(1))).toThrow(/chunk 1 where 0 was expected/);
    expect(() => decodeProfile(chunks.slice(0, -1))).toThrow(/is not its last/);
    expect(() => decodeProfile([...chunks, chunks[0]])).toThrow(/after the last one/);
    expect(() => decodeProfile([chunks[0], chunks[0]])).toThrow(/where 1 was expected/);
  });

  it('are refused when larger than the limits, before memory is spent', () => {
    const [chunk] = encodeProfile(drawProfile('a;b 1'));
    expect(() => decodeProfile([{ ...chunk, rawLength: 2 ** 31 }])).toThrow(/announces 2147483648 bytes/);
    expect(() => decodeProfile([{ ...chunk, rawLength: chunk.rawLength - 1 }])).toThrow(/does not decompress/);
    expect(() => decodeProfile([chunk], { maxRawBytes: 10, maxRows: 100 })).toThrow(/larger than 10 bytes/);
    expect(() => decodeProfile([chunk], { maxRawBytes: 1000, maxRows: 3 })).toThrow(/more than 3 rows/);
  });

  it.each<[string, object, RegExp]>([
    ['a million labels in one set', { labelSets: [{ labels: new Array(1_000_000).fill({}) }] }, /more than 1000 rows/],
    ['300,000 losses', { losses: new Array(300_000).fill({ kind: 'throttled' }) }, /more than 1000 rows/],
    ['a million comments', { header: { comments: new Array(1_000_000).fill('') } }, /more than 1000 rows/],
    [
      'a hundred thousand sample types',
      { header: { sampleTypes: new Array(100_000).fill({ unit: 'count' }) } },
      /100000 sample types/,
    ],
    ['a start at no time', { header: { startTimeMs: Number.POSITIVE_INFINITY } }, /start time is Infinity/],
    ['a negative duration', { header: { durationMs: -1 } }, /duration is -1/],
  ])('are refused with %s', (_what, part, words) => {
    const data = perftrawl.v1.ProfilePart.encode(part).finish();
    const chunk: ProfileChunk = {
      ...{ name: '', index: 0, isLast: true, encoding: 'identity', crc32: crc32(data), rawLength: data.length, data },
    };
    expect(() => decodeProfile([chunk], { maxRawBytes: 2 ** 24, maxRows: 1000 })).toThrow(words);
  });

  it('are refused or valid, whatever byte is changed under a right checksum', () => {
    const [chunk] = encodeProfile(drawProfile('main;read;copy 3\nmain 4', { timed: true }));
    const plain: ProfileChunk = { ...chunk, encoding: 'identity', data: new Uint8Array() };
    const raw = unpacked(chunk);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(raw.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const data = raw.slice();
          for (const [at, byte] of changes) data[at] = byte;
          try {
            decodeProfile([{ ...plain, data, crc32: crc32(data), rawLength: data.length }]);
          } catch (error) {
            expect(error).toBeInstanceOf(FailureError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('tell when they are complete', () => {
    const decoder = new ProfileDecoder();
    for (const chunk of encodeProfile(drawProfile('a 1'))) decoder.push(chunk);
    expect(decoder.isComplete).toBe(true);
  });
});

function unpacked(chunk: ProfileChunk): Uint8Array {
  return Uint8Array.from(brotliDecompressSync(chunk.data));
}
