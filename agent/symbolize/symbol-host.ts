// What symbolizing asks of the machine it runs on. Everything that touches files or programs goes through here, so tests can pretend.
import type { Milliseconds } from '../../proto/capture.js';
import type { ByteSource } from './byte-source.js';

/** An open regular file. */
export interface SymbolFile extends ByteSource {
  /** A path that another process on this host can open it by for as long as it is open here, even if it has been deleted. */
  readonly path: string;
  /** User id of its owner. */
  readonly owner: number;
  close(): void;
}

/** `reason` completes "PATH: …". */
export type OpenResult = { readonly kind: 'file'; readonly file: SymbolFile } | OpenFailure;
interface OpenFailure {
  readonly kind: 'gone' | 'refused';
  readonly reason: string;
}

/** `missing`: there is no such program. `output` is what it wrote until it ended or was stopped. */
export interface ProgramResult {
  readonly state: 'ended' | 'failed' | 'stopped' | 'missing';
  readonly output: Uint8Array;
}

export interface ProgramLimits {
  /** The program is killed after this time. */
  readonly timeout: Milliseconds;
  /** The program is killed once it has written more. */
  readonly maxOutput: number;
}

export interface SymbolHost {
  /** Never waits for a writer or a device: only regular files are opened. @param followLink false refuses a symbolic link at the end of the path */
  open(path: string, followLink?: boolean): Promise<OpenResult>;
  /** All bytes of a file whose size is not known before (as in /proc), at most `limit`; undefined when it cannot be read. */
  readAll(path: string, limit: number): Promise<Uint8Array | undefined>;
  /** Where a symbolic link points; undefined when there is none. */
  readLink(path: string): Promise<string | undefined>;
  run(argv: readonly string[], input: Uint8Array, limits: ProgramLimits): Promise<ProgramResult>;
  /** A steady clock. */
  now(): Milliseconds;
  /** The user's home directory, where perf keeps its build-id cache (`.debug`). */
  readonly home: string;
  /** Effective user id. */
  readonly user: number;
  /** Objects that were kept open while the capture ran. */
  readonly kept: KeptObjects | undefined;
}

/** What an ObjectKeeper has kept; see there. Files stay the keeper's: closing them here does nothing. */
export interface KeptObjects {
  /** The files at `path` as one of `pids` had them mapped, the latest first. */
  objects(path: string, pids: readonly number[]): readonly SymbolFile[];
  /** The perf map that process `pid` wrote. */
  perfMap(pid: number): SymbolFile | undefined;
}
