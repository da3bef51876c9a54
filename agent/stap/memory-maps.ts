// Executable memory of a process from /proc/PID/maps (proc(5)), as perf's MMAP2 records have it.
//
//   55d0c0ff0000-55d0c1000000 r-xp 00002000 fe:00 260104      /usr/bin/postgres
import type { HostFiles } from '../host/host-files.js';
import type { MapRecord } from '../perf/sideband-record.js';
import { hasCode } from '../spool/file-error.js';

export interface UserMaps {
  /** Only those that may be executed; empty for a process that has ended. */
  readonly maps: readonly MapRecord[];
  /** The process is there, but who asks may not look. */
  readonly isRefused: boolean;
  /** There were more. */
  readonly isCut: boolean;
}

const PIECE = 64 * 1024;
const MOST_BYTES = 8 * 1024 * 1024;
/** PATH_MAX. */
const LONGEST_PATH = 4096;
const line = /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) [r-][w-]x[ps] ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ (\d+)(?: +(.*))?$/;
/** Anonymous memory that its process gave a name to (PR_SET_VMA_ANON_NAME): code in it is as nameless as in any other. */
const namedAnonymous = /^\[anon(?:_shmem)?:/;

export function readUserMaps(files: HostFiles, pid: number): UserMaps {
  const maps: MapRecord[] = [];
  const read = eachLine(files, `/proc/${pid}/maps`, (text) => {
    const map = executableMap(text, pid);
    if (map !== undefined) maps.push(map);
    return true;
  });
  return { maps, isRefused: read === 'absent' && files.exists(`/proc/${pid}`), isCut: read === 'cut' };
}

/**
 * The lines of a file in /proc until `take` gives false. A process that ends meanwhile ends its file.
 * @returns `cut` when there was more than is read, `absent` when it cannot be opened
 */
export function eachLine(
  files: HostFiles,
  path: string,
  take: (text: string) => boolean,
  most = MOST_BYTES,
): 'whole' | 'cut' | 'absent' {
  const file = files.open(path);
  if (file === undefined) return 'absent';
  try {
    const piece = Buffer.alloc(PIECE);
    let rest = Buffer.alloc(0);
    for (let at = 0; at < most; ) {
      const length = file.copy(at, piece);
      if (length === 0) return 'whole';
      at += length;
      const whole = Buffer.concat([rest, piece.subarray(0, length)]);
      let from = 0;
      for (let end = whole.indexOf(10); end >= 0; end = whole.indexOf(10, from)) {
        if (!take(whole.toString('utf8', from, end))) return 'whole';
        from = end + 1;
      }
      // No line of these files is that long.
      rest = whole.length - from > PIECE ? Buffer.alloc(0) : whole.subarray(from);
    }
    return 'cut';
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'EACCES', 'EPERM')) return 'whole';
    throw error;
  } finally {
    file.close();
  }
}

function executableMap(text: string, pid: number): MapRecord | undefined {
  const match = line.exec(text);
  if (match === null) return undefined;
  const [, from, to, offset, inode, path = ''] = match;
  const start = Number.parseInt(from, 16);
  const length = Number.parseInt(to, 16) - start;
  // The page of vsyscall lies in the kernel's half.
  if (!(length > 0) || !Number.isSafeInteger(start + length)) return undefined;
  const isAnonymous = path === '' || namedAnonymous.test(path);
  return {
    pid,
    tid: pid,
    isKernel: false,
    start,
    length,
    fileOffset: Number.parseInt(offset, 16),
    isExecutable: true,
    isHugeTlb: false,
    filename: isAnonymous ? '//anon' : path.replaceAll('\\012', '\n').slice(0, LONGEST_PATH),
    buildId: '',
    inode: Number(inode),
  };
}
