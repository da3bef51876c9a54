// Which hosts take captures, by made-up readings.
import { describe, expect, it } from 'vitest';
import { admissionProblems, DEFAULT_ADMISSION, NO_ADMISSION } from '../../../agent/host/admission.js';
import type { HostHealth } from '../../../proto/host-health.js';

const GIB = 1024 ** 3;
const CALM: HostHealth = {
  ...{ cpuCount: 4, load1: 1.5, memoryTotalBytes: 16 * GIB, memoryAvailableBytes: 8 * GIB },
  pressure: { cpu: 3, memory: 0, io: 90 },
  ...{ diskFreeBytes: GIB, inodesFree: 1000, uptime: 1, bootId: '' },
};
const { pressure: _, ...WITHOUT_PRESSURE } = CALM;
const messages = (health: HostHealth, isForced = false, admission = DEFAULT_ADMISSION) =>
  admissionProblems(health, admission, isForced).map(({ message, remedy }) => `${message} -> ${remedy}`);

describe('admission', () => {
  it('lets captures in on a calm host, and where the load is only tasks that wait for a disk', () => {
    expect(messages(CALM)).toEqual([]);
    expect(messages({ ...CALM, load1: 40 })).toEqual([]);
    expect(messages({ ...CALM, pressure: { cpu: 99, memory: 0, io: 0 } })).toEqual([]);
  });

  it('refuses a busy host with the reading, the limit and what to do', () => {
    expect(messages({ ...CALM, load1: 9.5, pressure: { cpu: 71.2, memory: 0, io: 0 } })).toEqual([
      'the load is 9.50 on 4 CPUs, and tasks waited for a CPU 71 % of the time; the limit is 8 and 60 % -> wait until it is less, or give --even-if-busy',
    ]);
    expect(messages({ ...WITHOUT_PRESSURE, load1: 8 })).toEqual([]);
    expect(messages({ ...WITHOUT_PRESSURE, load1: 8.01 })).toEqual([
      'the load is 8.01 on 4 CPUs; the limit is 8 -> wait until it is less, or give --even-if-busy',
    ]);
  });

  it('takes --even-if-busy where the host allows it', () => {
    const busy = { ...WITHOUT_PRESSURE, load1: 100 };
    expect(messages(busy, true)).toEqual([]);
    const strict = { ...DEFAULT_ADMISSION, evenIfBusy: 'deny' as const };
    expect(messages(busy, true, strict)[0]).toMatch(/the policy of this host denies --even-if-busy$/);
    expect(messages(busy, false, strict)[0]).toMatch(/or ask its operator/);
  });

  it('never gives way on memory', () => {
    const little = { ...CALM, memoryAvailableBytes: 0.5 * GIB };
    expect(messages(little, true)).toEqual([
      '512 MiB of 16384 MiB of memory are available, the limit is 819 MiB -> free memory on that host',
    ]);
    // 5 % of a small host are less than the 256 MiB that are always wanted.
    const small = { ...CALM, memoryTotalBytes: GIB, memoryAvailableBytes: 255 * 1024 ** 2 };
    expect(messages(small)).toEqual([
      '255 MiB of 1024 MiB of memory are available, the limit is 256 MiB -> free memory on that host',
    ]);
    expect(messages({ ...CALM, pressure: { cpu: 0, memory: 55, io: 0 } }, true)).toEqual([
      'tasks waited for memory 55 % of the last ten seconds, the limit is 40 % -> free memory on that host',
    ]);
  });

  it('switched off lets everything in', () => {
    const dying = { ...CALM, load1: 1e3, memoryAvailableBytes: 0, pressure: { cpu: 100, memory: 100, io: 100 } };
    expect(messages(dying, false, NO_ADMISSION)).toEqual([]);
  });
});
