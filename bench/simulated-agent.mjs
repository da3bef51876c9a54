// What a simulated agent answers: each capture with one recorded profile. For agents that listen and for those that dial in.
import { readFile } from 'node:fs/promises';
import { fail } from '../dist/proto/failure.js';

/** @returns `api`, to be served, for as many agents as there are connections; `untilStdinEnds`, which then prints what was asked, and exits */
export async function simulatedAgent(profileFile) {
  const chunks = JSON.parse(await readFile(profileFile, 'utf8')).map((chunk) => ({
    ...chunk,
    data: Buffer.from(chunk.data, 'base64'),
  }));
  const cost = { toolCpu: 10, agentCpu: 20, peakMemoryBytes: 1e6, recordedBytes: 500, spooledBytes: 100, wall: 110 };
  const log = [
    { kind: 'state', state: 'running', detail: '' },
    { kind: 'state', state: 'symbolizing', detail: '' },
    ...chunks.map((chunk) => ({ kind: 'profile-chunk', chunk })),
    { kind: 'losses', losses: [] },
    { kind: 'cost', cost },
    { kind: 'done', outcome: 'finished', commandLines: ['perf record'] },
  ].map((body, i) => ({ sequence: i + 1, time: Date.now(), body }));

  /** When the first and the last capture was started, milliseconds since 1970 UTC. */
  const starts = [];
  const unasked = () => Promise.reject(fail('bad-request', 'simulated agents only capture'));
  const api = new Proxy(
    {
      async startCapture() {
        starts.push(Date.now());
        return { isNew: true };
      },
      async *followCapture(_captureId, from) {
        yield* log.slice(from - 1);
      },
      releaseCapture: async () => true,
    },
    { get: (methods, method) => methods[method] ?? unasked },
  );
  const untilStdinEnds = () => {
    process.stdin.resume();
    process.stdin.once('end', () => {
      const spread = starts.length === 0 ? 0 : Math.max(...starts) - Math.min(...starts);
      process.stdout.write(`${JSON.stringify({ captures: starts.length, spread })}\n`, () => process.exit(0));
    });
  };
  return { api, untilStdinEnds };
}
