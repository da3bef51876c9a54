// The object behind a memory map: what perf calls it, what kind it is, which processes had it. One entry per (name, build id).
import type { ObjectKind } from '../symbolize/object-context.js';
import type { MapRecord } from './sideband-record.js';

export interface MappedObject {
  /** Row of the object table. */
  readonly index: number;
  readonly kind: ObjectKind;
  /** As `perf script` prints it in parentheses. */
  readonly name: string;
  /** As recorded. */
  readonly path: string;
  readonly buildId: string;
  /** No file stands behind this memory: addresses in it stay absolute. */
  readonly isAnonymous: boolean;
  /** Where it begins in memory, as code-address.ts counts; 0 but for the kernel's own objects. */
  readonly memoryStart: number;
  /** Processes that mapped it, the latest last. */
  readonly pids: number[];
}

const KERNEL_NAME = '[kernel.kallsyms]';
const MOST_PIDS = 8;

export class MappedObjectTable {
  readonly list: MappedObject[] = [];
  readonly #byKey = new Map<string, MappedObject>();

  /** What a user map of process `pid` shows. */
  ofUserMap(map: MapRecord, pid: number): MappedObject {
    const { filename } = map;
    const isAnonymous = isAnonymousMemory(filename) || map.isHugeTlb || isUnnamedMemory(filename);
    // perf looks for the names of generated code in a file of this name, and a fork keeps its parent's.
    const isJit = isAnonymous && map.isExecutable;
    const name = isJit ? `/tmp/perf-${pid}.map` : filename;
    const kind = isJit ? 'jit' : isAnonymous ? 'unnamed' : kindOfFile(filename);
    const object = this.#intern({ kind, name, path: name, buildId: map.buildId, isAnonymous, memoryStart: 0 });
    if (pid >= 0 && object.pids.at(-1) !== pid) {
      const seen = object.pids.indexOf(pid);
      if (seen >= 0) object.pids.splice(seen, 1);
      else if (object.pids.length === MOST_PIDS) object.pids.shift();
      object.pids.push(pid);
    }
    return object;
  }

  /** What a map of the kernel's address space shows: the kernel itself, a module, or some text of the architecture. */
  ofKernelMap(map: MapRecord): MappedObject {
    const { filename, buildId, start } = map;
    const common = { path: filename, buildId, isAnonymous: false, memoryStart: start };
    if (filename.startsWith('[kernel.kallsyms')) {
      return this.#intern({ ...common, kind: 'kernel', name: KERNEL_NAME, path: KERNEL_NAME });
    }
    if (filename.startsWith('/') || filename.startsWith('[')) {
      return this.#intern({ ...common, kind: 'module', name: moduleName(filename) });
    }
    return this.#intern({ ...common, kind: 'unnamed', name: filename });
  }

  /** A kernel symbol registered while recording is an object of its own, as perf has it. */
  ofKernelSymbol(name: string, start: number): MappedObject {
    return this.#intern({ kind: 'bpf', name, path: name, buildId: '', isAnonymous: false, memoryStart: start });
  }

  #intern(fields: Omit<MappedObject, 'index' | 'pids'>): MappedObject {
    const key = `${fields.kind}\0${fields.buildId}\0${fields.memoryStart}\0${fields.name}`;
    let object = this.#byKey.get(key);
    if (object === undefined) {
      object = { ...fields, index: this.list.length, pids: [] };
      this.list.push(object);
      this.#byKey.set(key, object);
    }
    return object;
  }
}

function isAnonymousMemory(filename: string): boolean {
  return filename === '//anon' || filename.startsWith('/dev/zero') || filename.startsWith('/anon_hugepage');
}

function isUnnamedMemory(filename: string): boolean {
  return filename.startsWith('[stack') || filename.startsWith('/SYSV') || filename === '[heap]';
}

function kindOfFile(filename: string): ObjectKind {
  if (filename === '[vdso]' || filename === '[vdso32]' || filename === '[vdsox32]') return 'vdso';
  return filename.startsWith('/') ? 'elf' : 'unnamed';
}

/** `/lib/modules/6.1.0/kernel/fs/ext4/ext4.ko.xz` is `[ext4]`, `nf-conntrack.ko` is `[nf_conntrack]`. */
function moduleName(path: string): string {
  if (path.startsWith('[')) return path;
  const file = /([^/]+?)\.ko(\.[a-z0-9]+)?$/.exec(path);
  return file === null ? path : `[${file[1].replaceAll('-', '_')}]`;
}
