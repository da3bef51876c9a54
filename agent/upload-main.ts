// The agent as one file: what the controller sends to hosts that it reaches by ssh, alone or inside a single executable.
import { runAgent } from './bundle.js';

runAgent(process.argv.slice(2), process).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`perftrawl agent: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  },
);
