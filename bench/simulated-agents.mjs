// A process that serves as many agents as there are connections: real gRPC over real mTLS, each capture answered with one recorded profile.
//
//   node bench/simulated-agents.mjs CA_DIRECTORY NAME PROFILE_FILE
//
// Prints its port, and ends when its stdin does.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { addAgentService, SERVER_OPTIONS } from '../dist/proto/agent-server.js';
import { simulatedAgent } from './simulated-agent.mjs';

const [caDirectory, name, profileFile] = process.argv.slice(2);
const { api, untilStdinEnds } = await simulatedAgent(profileFile);
const read = (file) => readFile(join(caDirectory, file));
const [ca, cert_chain, private_key] = await Promise.all([read('ca.crt'), read(`${name}.crt`), read(`${name}.key`)]);
const server = new Server(SERVER_OPTIONS);
addAgentService(server, api);
const port = await new Promise((resolve, reject) => {
  const credentials = ServerCredentials.createSsl(ca, [{ cert_chain, private_key }], true);
  server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
});
process.stdout.write(`${port}\n`);
untilStdinEnds();
