// What this user may measure: root, CAP_PERFMON, and the kernel's limits for everybody else.
import type { HostFiles } from './host-files.js';

export interface Privilege {
  readonly isRoot: boolean;
  /** Not bound by perf_event_paranoid: root, CAP_PERFMON or CAP_SYS_ADMIN. */
  readonly isUnrestricted: boolean;
  readonly perfEventParanoid: number;
  readonly kptrRestrict: number;
}

/** Bits of linux/capability.h. */
const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;

export function readPrivilege(files: HostFiles, uid: number): Privilege {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(files.text('/proc/self/status') ?? '')?.[1] ?? '0';
  const capabilities = BigInt(`0x${effective}`);
  const has = (bit: bigint) => ((capabilities >> bit) & 1n) === 1n;
  return {
    isRoot: uid === 0,
    isUnrestricted: has(CAP_SYS_ADMIN) || has(CAP_PERFMON),
    // -1 allows everything; absent means a kernel without perf events, which perf itself will say.
    perfEventParanoid: numberIn(files.text('/proc/sys/kernel/perf_event_paranoid'), 2),
    kptrRestrict: numberIn(files.text('/proc/sys/kernel/kptr_restrict'), 0),
  };
}

function numberIn(text: string | undefined, absent: number): number {
  const value = Number.parseInt(text ?? '', 10);
  return Number.isNaN(value) ? absent : value;
}
