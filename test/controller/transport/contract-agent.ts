// The agent at the other end of the transport contract tests. Stateless: what it tells depends on the question alone, so that a second
// process of it continues where the first one ended.
import type { AgentApi } from '../../../proto/agent-api.js';
import { fail } from '../../../proto/failure.js';
import { FakeAgent } from '../fake-agent.js';

/** Events in each log. */
export const logLength = 50;
/** Bytes of the artifact `big`. */
export const bigSize = 64 * 1024 * 1024;
const partSize = 512 * 1024;

/** @param onDie what happens when somebody stops the capture `die` */
export function contractAgent(onDie: () => void): AgentApi {
  const base = new FakeAgent(async () => undefined);
  return {
    async *readAudit({ fromSequence }) {
      yield { lines: [], head: { sequence: 3, hash: 'a'.repeat(64) } };
      for (let part = 0; part < 20; part++) yield { lines: [`${fromSequence} ${part}`, 'x'.repeat(250_000)] };
    },
    describe: () => base.describe(),
    listProcesses: () => base.listProcesses(),
    preflight: () => base.preflight(),
    startCapture: async () => ({ isNew: true }),
    async *followCapture(captureId, fromSequence, signal) {
      for (let sequence = fromSequence; sequence <= logLength; sequence++) {
        yield {
          sequence,
          time: sequence,
          body: { kind: 'state', state: 'running', detail: `${captureId} ${sequence}` },
        };
        if (captureId === 'endless' && sequence === 10) await new Promise((_, reject) => whenAborted(signal, reject));
      }
    },
    async *fetchArtifact(_captureId, name, offset) {
      if (name !== 'big') throw fail('not-found', `there is no ${name}`, 'ask for big');
      for (let at = offset; at < bigSize; at += partSize) {
        const data = Buffer.alloc(Math.min(partSize, bigSize - at), (at / partSize) & 0xff);
        yield at + partSize < bigSize ? { data } : { data, end: { sha256: 'f'.repeat(64), size: bigSize } };
      }
    },
    async stopCapture(captureId) {
      if (captureId === 'die') onDie();
      return 'done';
    },
    listCaptures: async () => [],
    releaseCapture: async () => true,
    listScripts: () => base.listScripts(),
    buildModule: (request) => base.buildModule(request),
    putModule: (upload) => base.putModule(upload),
    triggerCapture: (request) => base.triggerCapture(request),
    readHealth: () => base.readHealth(),
  };
}

function whenAborted(signal: AbortSignal, act: (reason: unknown) => void): void {
  signal.addEventListener('abort', () => act(signal.reason), { once: true });
}
