// One cheap reading of how the host is doing: a few small files of /proc and one statfs, no process, no perf.
import { statfs } from 'node:fs/promises';
import type { HostHealth } from '../../proto/host-health.js';
import type { HostFiles } from './host-files.js';

/**
 * @param stateDirectory whose file system is asked for room
 * @throws the error of statfs(2) when that directory is gone
 */
export async function readHealth(files: HostFiles, cpuCount: number, stateDirectory: string): Promise<HostHealth> {
  const { bavail, bsize, files: inodes, ffree } = await statfs(stateDirectory);
  const memory = files.text('/proc/meminfo') ?? '';
  const pressure = readPressure(files);
  return {
    cpuCount,
    load1: firstNumber(files.text('/proc/loadavg')),
    memoryTotalBytes: kibibytes(memory, 'MemTotal'),
    // Kernels before 3.14 have no estimate.
    memoryAvailableBytes:
      kibibytes(memory, 'MemAvailable') || kibibytes(memory, 'MemFree') + kibibytes(memory, 'Cached'),
    ...(pressure === undefined ? {} : { pressure }),
    diskFreeBytes: bavail * bsize,
    ...(inodes === 0 ? {} : { inodesFree: ffree }),
    uptime: Math.round(firstNumber(files.text('/proc/uptime')) * 1000),
    bootId: (files.text('/proc/sys/kernel/random/boot_id') ?? '').trim(),
  };
}

/** Kernel documentation, accounting/psi.rst: `some avg10=0.12 avg60=… avg300=… total=…`. Reading fails where psi=0 was given at boot. */
function readPressure(files: HostFiles): HostHealth['pressure'] {
  const [cpu, memory, io] = ['cpu', 'memory', 'io'].map((name) => {
    const match = /^some avg10=(\d+(?:\.\d+)?)/m.exec(files.text(`/proc/pressure/${name}`) ?? '');
    return match === null ? undefined : Number(match[1]);
  });
  return cpu === undefined || memory === undefined || io === undefined ? undefined : { cpu, memory, io };
}

function kibibytes(meminfo: string, name: string): number {
  const match = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(meminfo);
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** 0 when there is none. */
function firstNumber(text: string | undefined): number {
  const value = Number.parseFloat(text ?? '');
  return Number.isFinite(value) ? value : 0;
}
