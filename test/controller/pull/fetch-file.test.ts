// A file from an agent over connections that break anywhere, onto whatever an earlier attempt left: in the end it is the file, to the byte.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fetchFile } from '../../../controller/pull/fetch-file.js';
import { PullDirectory } from '../../../controller/pull/pull-directory.js';
import { FailureError, fail } from '../../../proto/failure.js';
import { FakeApp } from '../cli/fake-app.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perftrawl-fetch-'));
});
afterEach(() => rm(root, { recursive: true }));

const bytes = (most: number) => fc.uint8Array({ maxLength: most });

it('is the file in the end, and asks for no byte that was right already', async () => {
  await fc.assert(
    fc.asyncProperty(
      bytes(200),
      fc.option(bytes(250)),
      fc.nat(200),
      fc.array(fc.nat(200), { maxLength: 6 }),
      fc.integer({ min: 1, max: 64 }),
      fc.boolean(),
      async (data, wrong, prefix, breaks, piece, isKnown) => {
        const sha256 = createHash('sha256').update(data).digest('hex');
        const expected = isKnown ? { size: data.length, sha256 } : undefined;
        const directory = new PullDirectory(join(root, 'out'));
        directory.make();
        const left = wrong ?? data.subarray(0, prefix);
        await writeFile(join(root, 'out', 'perf.data.part'), left);
        const app = new FakeApp();
        const waiting = [...breaks];
        app.fetchArtifact = async function* (_job, _host, _name, offset) {
          if (offset > data.length) throw fail('bad-request', 'outside');
          const end = waiting.shift() ?? Number.POSITIVE_INFINITY;
          for (let at = offset; at < data.length; at += piece) {
            if (at >= end) throw fail('unreachable', 'broken');
            yield { data: data.subarray(at, at + piece) };
          }
          yield { data: new Uint8Array(), end: { size: data.length, sha256 } };
        };
        const wanted = { jobId: 'j', host: 'h', name: 'perf.data', file: 'perf.data', expected };
        let came = 0;
        const onBytes = (count: number): void => {
          came += count;
        };
        const options = { signal: new AbortController().signal, onBytes };
        for (let attempt = 0; ; attempt++) {
          expect(attempt).toBeLessThanOrEqual(breaks.length);
          try {
            expect(await fetchFile(app, directory, wanted, options)).toMatchObject({ size: data.length, sha256 });
            break;
          } catch (error) {
            if (!(error instanceof FailureError)) throw error;
            expect(error.failure.code).toBe('unreachable');
          }
        }
        expect(Buffer.from(data).equals(await readFile(join(root, 'out', 'perf.data')))).toBe(true);
        expect(await readdir(join(root, 'out'))).toEqual(['perf.data']);
        if (wrong === null) expect(came).toBe(data.length - left.length);
        await rm(join(root, 'out'), { recursive: true });
      },
    ),
    { numRuns: 400 },
  );
});
