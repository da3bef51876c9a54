// A host's health, of a made-up /proc and of this machine's own.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHealth } from '../../../agent/host/health.js';
import { hostFiles } from '../../../agent/host/host-files.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perftrawl-health-'));
});
afterAll(async () => {
  await rm(root, { recursive: true });
});

async function health(name: string, files: Readonly<Record<string, string>>) {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, name, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return readHealth(hostFiles(join(root, name)), 4, root);
}

const PRESSURE = 'avg60=1.00 avg300=2.00 total=9\n';
const FILES = {
  '/proc/loadavg': '12.50 3.00 1.00 2/345 6789\n',
  '/proc/meminfo':
    'MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    4000000 kB\nCached: 900000 kB\n',
  '/proc/uptime': '3661.25 7000.00\n',
  '/proc/sys/kernel/random/boot_id': '1f9eaa03-f190-4889-8bc2-3985b3227ddf\n',
  '/proc/pressure/cpu': `some avg10=35.61 ${PRESSURE}full avg10=0.00 ${PRESSURE}`,
  '/proc/pressure/memory': `some avg10=0.00 ${PRESSURE}full avg10=7.00 ${PRESSURE}`,
  '/proc/pressure/io': `some avg10=100.00 ${PRESSURE}full avg10=0.00 ${PRESSURE}`,
};

describe('readHealth', () => {
  it('reads load, memory, pressure, uptime and boot id', async () => {
    expect(await health('whole', FILES)).toMatchObject({
      cpuCount: 4,
      load1: 12.5,
      memoryTotalBytes: 16_384_000_000,
      memoryAvailableBytes: 4_096_000_000,
      pressure: { cpu: 35.61, memory: 0, io: 100 },
      uptime: 3_661_250,
      bootId: '1f9eaa03-f190-4889-8bc2-3985b3227ddf',
    });
  });

  it('has no pressure where the kernel keeps none, and estimates memory where it does not', async () => {
    const { '/proc/loadavg': load, '/proc/meminfo': memory } = FILES;
    const found = await health('old', {
      '/proc/loadavg': load,
      '/proc/meminfo': memory.replace(/MemAvailable.*\n/, '').replace('Cached:', 'Cached:  '),
    });
    expect(found).not.toHaveProperty('pressure');
    expect(found).toMatchObject({ memoryAvailableBytes: 1_024_000_000, uptime: 0, bootId: '' });
  });

  it('is as this machine says', async () => {
    const found = await readHealth(hostFiles(), cpus().length, root);
    expect(found.memoryTotalBytes).toBe(totalmem());
    expect(found.memoryAvailableBytes).toBeGreaterThan(0);
    expect(found.memoryAvailableBytes).toBeLessThanOrEqual(found.memoryTotalBytes);
    expect(found.diskFreeBytes).toBeGreaterThan(0);
    expect(found.uptime).toBeGreaterThan(0);
    expect(found.bootId).toMatch(/^[0-9a-f-]{36}$/);
  });
});
