// What must hold although the other side lies: frames of agents that dial in, and audit logs of hosts.
import { PassThrough } from 'node:stream';
import { readEntry } from '../../../controller/audit/read-entry.js';
import { AgentLogCheck } from '../../../proto/agent-log-check.js';
import { type ChainEnd, chainLine, EMPTY_CHAIN, parseLine } from '../../../proto/audit-chain.js';
import { type DialFrame, encodeDialFrame, readDialFrame } from '../../../proto/dial-codec.js';
import { toFailure } from '../../../proto/failure.js';
import { texts } from '../seeds.js';
import { type FuzzTarget, pieces, promise } from '../target.js';

const FRAMES: readonly DialFrame[] = [
  { kind: 'hello', instance: 'a1b2', version: '1.0.0' },
  { kind: 'welcome', host: 'db1' },
  { kind: 'refused', failure: { code: 'refused', message: 'the name is taken', remedy: 'choose another' } },
  ...(['ping', 'pong', 'begin', 'begun', 'unknown'] as const).map((kind) => ({ kind })),
];

const frames: FuzzTarget = {
  name: 'dial-frames',
  grammar: 'bytes',
  seeds: () => [...FRAMES.map(encodeDialFrame), Buffer.concat(FRAMES.map(encodeDialFrame))],
  run: async (input, random) => {
    const stream = new PassThrough();
    for (const piece of pieces(input, random)) stream.write(piece);
    stream.end();
    const { signal } = new AbortController();
    for (let taken = 0; ; taken++) {
      let read: DialFrame;
      try {
        read = await readDialFrame(stream, signal);
      } catch (error) {
        if (taken > 0 && toFailure(error).code === 'unreachable') return;
        throw error;
      }
      const rest = new PassThrough();
      rest.end(encodeDialFrame(read));
      const again = await readDialFrame(rest, signal);
      promise(JSON.stringify(again) === JSON.stringify(read), 'what was written is read as something else');
    }
  },
};

const EVENTS: readonly object[] = [
  { event: 'begun' },
  { event: 'asked', captureId: 'j1.db1', argv: ['perf', 'record'], who: 'alice' },
  { event: 'refused', who: 'bob', failure: { code: 'refused', message: 'no', remedy: '' } },
  { event: 'cost', captureId: 'j1.db1', cost: { toolCpu: 10 } },
  { event: 'ended', captureId: 'j1.db1', outcome: 'finished' },
];
const { lines: LOG, end: HEAD } = EVENTS.reduce<{ readonly lines: readonly string[]; readonly end: ChainEnd }>(
  ({ lines, end }, event, i) => {
    const next = chainLine(end, 1000 + i, event);
    return { lines: [...lines, next.line], end: next.end };
  },
  { lines: [], end: EMPTY_CHAIN },
);

const log: FuzzTarget = {
  name: 'audit-log',
  grammar: 'text',
  seeds: () => texts(LOG.join('\n')),
  run: (input) => {
    const text = Buffer.from(input).toString('utf8');
    const check = new AgentLogCheck();
    for (const line of text.split('\n')) check.push(line);
    const { problems } = check.end(HEAD);
    promise(problems.length <= 103, 'there is no bound to what is told');
    promise(
      text === LOG.join('\n') || problems.length > 0,
      'a log that was changed passes for the one that was written',
    );
  },
};

const entry: FuzzTarget = {
  name: 'audit-entry',
  grammar: 'text',
  seeds: () => [
    ...texts(...LOG),
    ...texts(
      chainLine(EMPTY_CHAIN, 5, {
        ...{ event: 'submit-job', who: 'alice', by: 'token', from: '127.0.0.1:5', jobId: 'j1', hosts: ['db1'] },
        ...{ subject: 'x', detail: { a: 1 }, failure: { code: 'refused', message: 'no', remedy: '' } },
      }).line,
    ),
  ],
  run: (input) => {
    const line = Buffer.from(input).toString('utf8');
    const read = readEntry(line);
    promise(read === undefined || parseLine(line)?.sequence === read.sequence, 'an entry has another number');
    promise(JSON.stringify(read ?? null).length <= 8 * line.length + 200, 'an entry is larger than its line');
  },
};

export const TRUST_TARGETS: readonly FuzzTarget[] = [frames, log, entry];
