// That agents which are not let in are written down, and that they cannot fill the audit log.
import { expect, it } from 'vitest';
import type { AuditEntry } from '../../../controller/audit/audit-entry.js';
import { refusalAudit } from '../../../controller/enroll/refusal-audit.js';
import { fail } from '../../../proto/failure.js';

const { failure } = fail('untrusted', 'no certificate was shown');

it('writes down who was refused where and why, a few times, and again later', async () => {
  let now = 1e12;
  const logged: string[] = [];
  const written: AuditEntry[] = [];
  const audit = { append: async (entry: AuditEntry) => void written.push(entry) };
  const refused = refusalAudit({ audit, now: () => now, log: (text) => logged.push(text) });
  for (let tries = 0; tries < 100; tries++) refused({ who: 'db1', remoteAddress: '10.0.0.1', failure });
  expect(written).toEqual(
    Array.from({ length: 3 }, () => ({ who: 'db1', what: 'refused', from: '10.0.0.1', failure })),
  );
  refused({ who: 'db2', remoteAddress: '10.0.0.1', failure });
  expect(written.at(-1)?.who).toBe('db2');
  for (let address = 0; address < 1000; address++) refused({ who: '', remoteAddress: `10.1.0.${address}`, failure });
  expect(written).toHaveLength(30);
  now += 600_000;
  refused({ who: 'db1', remoteAddress: '10.0.0.1', failure });
  expect(written).toHaveLength(31);
  expect(logged).toEqual([]);
});

it('says in the log what it cannot write down', async () => {
  const logged: string[] = [];
  const audit = { append: () => Promise.reject(fail('exhausted', 'the disk is full')) };
  refusalAudit({ audit, now: () => 1e12, log: (text) => logged.push(text) })({
    ...{ who: '', remoteAddress: '10.0.0.1', failure },
  });
  await expect.poll(() => logged).toEqual([expect.stringContaining('the disk is full')]);
});
