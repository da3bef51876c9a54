// What of a host run is told only, and what is written down.
import { expect, it } from 'vitest';
import type { HostRun, JobEvent } from '../../../controller/api.js';
import { systemClock } from '../../../controller/clock.js';
import { RunRecord } from '../../../controller/jobs/run-record.js';
import type { ControlStore } from '../../../controller/store/control-store.js';
import { runOf } from '../cli/fake-app.js';

it('an agent on its way is told and not written down', async () => {
  const written: HostRun[] = [];
  const store: Pick<ControlStore, 'updateHostRun'> = {
    updateHostRun: async (run) => {
      written.push(run);
      return true;
    },
  };
  const told: JobEvent[] = [];
  const run = runOf('web1', { state: 'connecting' });
  const record = new RunRecord(run, store, 'me', systemClock, (event) => told.push(event));
  const delivery = { state: 'sending', sentBytes: 1, totalBytes: 2 } as const;
  record.deliver(delivery);
  record.deliver(undefined);
  expect(written).toEqual([]);
  record.deliver(delivery);
  await record.update({ captureState: 'compiling' });
  expect(told).toEqual([
    { kind: 'host-run', run: { ...run, delivery } },
    { kind: 'host-run', run },
    { kind: 'host-run', run: { ...run, delivery } },
    { kind: 'host-run', run: { ...run, captureState: 'compiling' } },
  ]);
  expect(written).toEqual([{ ...run, captureState: 'compiling' }]);
});
