// Appends entries to an audit log until it has written its share, or is killed: for tests with several processes. Runs the built code.
import { AuditLog } from '../../../dist/agent/audit/audit-log.js';

const [directory, name, count] = process.argv.slice(2);
const log = await AuditLog.open({ directory, now: Date.now, reachedBy: name });
for (let index = 0; index < Number(count); index++) {
  await log.append({ event: 'stop-asked', captureId: `${name}-${index}`, discard: false });
  process.stdout.write(`${index}\n`);
}
