// A controller as a process that tests can kill: `controller-main '{"app": AppOptions, "request": JobRequest without hosts}'`.
// Says `submitted ID`, then `HOST STATE` for each change of a host run, then `ended STATE`.
import { createApp } from '../../controller/app.js';

const { app: options, request } = JSON.parse(process.argv[2]);
const log = (line: string) => process.stderr.write(`${line}\n`);
const app = await createApp({
  ...options,
  ...(options.dialIn === undefined ? {} : { dialIn: { ...options.dialIn, log } }),
});
const { id } = await app.submit({ ...request, hosts: app.hosts('') });
process.stdout.write(`submitted ${id}\n`);
const job = await app.run(id, {
  signal: new AbortController().signal,
  onEvent: (event) => {
    if (event.kind === 'host-run') process.stdout.write(`${event.run.host} ${event.run.state}\n`);
  },
});
process.stdout.write(`ended ${job.state}\n`);
await app.close();
process.exit(0);
