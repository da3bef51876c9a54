// A profile as a body of HTTP: the same after any cutting, and refused when it is broken off or is something else.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameReader, frameOf } from '../../../controller/http-api/frames.js';
import { encodeProfile, ProfileDecoder } from '../../../proto/profile-codec.js';
import { drawProfile } from '../../profile/draw-profile.js';

const profile = drawProfile('main;touch 5');
const body = Buffer.concat([...encodeProfile(profile)].map((chunk, i) => frameOf(chunk, i + 1)));

function read(pieces: readonly Uint8Array[]) {
  const frames = new FrameReader();
  const decoder = new ProfileDecoder();
  for (const piece of pieces) for (const chunk of frames.push(piece)) decoder.push(chunk);
  frames.finish();
  return decoder.finish();
}

it('is read, however it is cut', () => {
  const whole = read([body]);
  fc.assert(
    fc.property(fc.array(fc.nat(body.length)), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), body.length];
      expect(read(at.slice(1).map((end, i) => body.subarray(at[i], end)))).toEqual(whole);
    }),
    { numRuns: 50 },
  );
});

it('is refused when it is broken off anywhere', () => {
  for (let end = 0; end < body.length; end++) expect(() => read([body.subarray(0, end)]), String(end)).toThrow();
});

it('is refused with a frame that is too long, before it is kept', () => {
  expect(() => read([Buffer.from([0xff, 0xff, 0xff, 0xff])])).toThrow(/a chunk of 4294967295 bytes/);
});
