// The build ID of the running kernel: what tells two kernels of the same release apart.
import { buildIdInNotes } from '../symbolize/elf.js';
import type { HostFiles } from './host-files.js';

/** GNU build ID in lower-case hex; '' when the kernel does not show it. */
export function kernelBuildId(files: HostFiles): string {
  const notes = files.bytes('/sys/kernel/notes');
  return notes === undefined ? '' : buildIdInNotes(notes);
}
