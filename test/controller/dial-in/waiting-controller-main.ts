// A controller that takes agents until its stdin ends: `waiting-controller-main '{AppOptions, "dialIn": {"listen": …}}'`. Says `listening`.
// A line `connected` is answered with who is connected, `describe` with what each host of the inventory calls itself, as JSON in one line.
import { createInterface } from 'node:readline';
import { createApp } from '../../../controller/app.js';

const options = JSON.parse(process.argv[2]);
const log = (line: string) => process.stderr.write(`${line}\n`);
const app = await createApp({ ...options, dialIn: { ...options.dialIn, log } });
const { signal } = new AbortController();
process.stdout.write('listening\n');
for await (const line of createInterface(process.stdin)) {
  if (line === 'connected') process.stdout.write(`${JSON.stringify(app.dialIn?.connected())}\n`);
  if (line !== 'describe') continue;
  const answers = await app.describe(app.hosts(''), signal);
  const names = answers.map((answer) => [answer.host.name, answer.ok ? answer.value.hostname : answer.failure.message]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(names))}\n`);
}
await app.close();
process.exit(0);
