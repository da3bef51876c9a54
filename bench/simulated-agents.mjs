// A process that serves as many agents as there are connections: real gRPC over real mTLS, each capture answered with one recorded profile.
//
//   node bench/simulated-agents.mjs CA_DIRECTORY NAME PROFILE_FILE
//
// Prints its port, and ends when its stdin does.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { addAgentService, SERVER_OPTIONS } from '../dist/proto/agent-server.js';
import { fail } from '../dist/proto/failure.js';

const [caDirectory, name, profileFile] = process.argv.slice(2);
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

const read = (file) => readFile(join(caDirectory, file));
const [ca, cert_chain, private_key] = await Promise.all([read('ca.crt'), read(`${name}.crt`), read(`${name}.key`)]);
const server = new Server(SERVER_OPTIONS);
addAgentService(server, api);
const port = await new Promise((resolve, reject) => {
  const credentials = ServerCredentials.createSsl(ca, [{ cert_chain, private_key }], true);
  server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
});
process.stdout.write(`${port}\n`);
process.stdin.resume();
process.stdin.once('end', () => {
  const spread = starts.length === 0 ? 0 : Math.max(...starts) - Math.min(...starts);
  process.stdout.write(`${JSON.stringify({ captures: starts.length, spread })}\n`, () => process.exit(0));
});
