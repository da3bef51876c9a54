// The contract agent as a child process on stdio. `--fail TEXT`: say that on stderr and exit with status 3.
import { Server } from '@grpc/grpc-js';
import { addAgentService, SERVER_OPTIONS } from '../../../proto/agent-server.js';
import { serveStream, stdioDuplex } from '../../../proto/duplex.js';
import { contractAgent } from './contract-agent.js';

const failAt = process.argv.indexOf('--fail');
if (failAt >= 0) {
  process.stderr.write(`${process.argv[failAt + 1]}\n`);
  process.exit(3);
}
const server = new Server(SERVER_OPTIONS);
addAgentService(
  server,
  contractAgent(() => process.kill(process.pid, 'SIGKILL')),
);
const stream = stdioDuplex();
stream.on('error', () => process.exit(0));
stream.on('close', () => process.exit(0));
// Not awaited: as one CommonJS file it has no await at the top.
serveStream(server, stream).catch(() => process.exit(1));
