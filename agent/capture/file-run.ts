// A capture of kind `file`: a perf.data (file or pipe form), `perf script` text, or what stap printed, that lies on this host.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { FileSpec } from '../../proto/capture.js';
import { fail } from '../../proto/failure.js';
import { quote } from '../perf/event-name.js';
import { checkOpenFile } from '../policy/permitted-file.js';
import { hasCode } from '../spool/file-error.js';
import { StapOutputParser } from '../stap/output/output-parser.js';
import type { CaptureContext } from './capture-context.js';
import { runPerfScript, scriptArguments } from './perf-script.js';
import { spoolProfile } from './profile-pipeline.js';
import { perfDataSource, perfScriptSource, type RawProfile } from './profile-source.js';
import { StapSpooler } from './stap-spooler.js';

const READ_BYTES = 1024 * 1024;
const DETECT_BYTES = 64 * 1024;
/** The head of a histogram as print(@hist_log(x)) writes it, or the lines of the catalogue's scripts. */
const STAP_TEXT = /^(?: *value \|-{10,} count$|#pt1 [a-z]+ )/m;

export async function runFile(context: CaptureContext, spec: FileSpec): Promise<void> {
  await context.enter('resolving', spec.path);
  const file = await openRegularFile(spec.path);
  let raw: RawProfile;
  try {
    await checkOpenFile(context.settings.policy, file.fd, spec.path);
    const format = spec.format === 'detect' ? await detectFormat(file, spec.path) : spec.format;
    if (format === 'stap-text') return await readStapText(context, file, spec.path);
    const source = format === 'perf-data' ? perfDataSource(spec.detail) : perfScriptSource(spec.detail);
    context.progress = () => source;
    await context.enter('running', `reading ${spec.path} as ${format}`);
    await readAll(context, file, (piece) => source.push(piece));
    context.stop.discard.throwIfAborted();
    raw = source.end();
    if (format === 'perf-script') refuseForeignText(raw, spec.path);
  } finally {
    await file.close();
  }
  await context.enter('symbolizing', '');
  await spoolProfile(context, raw.needsUnwinding ? await unwind(context, spec, raw) : raw, spec.detail, undefined);
}

/** Saved output has no clock: its rounds are numbered. */
async function readStapText(context: CaptureContext, file: FileHandle, path: string): Promise<void> {
  const { cost, stop } = context;
  const parser = new StapOutputParser({ interval: 0, clock: 'rounds' });
  const spooler = new StapSpooler(context, () => parser.interval);
  context.progress = () => spooler.progress();
  await context.enter('running', `reading ${path} as stap-text`);
  await readAll(context, file, (piece) => {
    cost.recordedBytes += piece.length;
    return spooler.append(parser.push(piece, 0));
  });
  stop.discard.throwIfAborted();
  const output = parser.end(0);
  await spooler.append(output);
  await spooler.flush();
  await spooler.appendProfile(output.profile);
}

/** Text of which nothing was understood is no text of perf script. @throws FailureError `bad-data` */
function refuseForeignText({ profile, losses }: RawProfile, path: string): void {
  const skipped = losses.find((loss) => loss.kind === 'skipped-lines');
  if (profile.samples.length > 0 || skipped === undefined) return;
  throw fail(
    'bad-data',
    `${path} is no text of perf script: ${skipped.detail}`,
    'name a perf.data, or what `perf script` printed',
  );
}

/** Never waits for a writer or a device. @throws FailureError `bad-request`, `not-found`, `permission` */
async function openRegularFile(path: string): Promise<FileHandle> {
  if (!isAbsolute(path) || path.includes('\0')) {
    throw fail('bad-request', `${quote(path)} is no absolute path`, 'name the file from the root on');
  }
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR'))
      throw fail('not-found', `no file ${path} on this host`, 'check the path', error);
    if (hasCode(error, 'EACCES', 'EPERM'))
      throw fail('permission', `the agent may not read ${path}`, 'change its mode or owner', error);
    throw fail(
      'bad-request',
      `cannot open ${path}: ${error instanceof Error ? error.message : String(error)}`,
      '',
      error,
    );
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw fail('bad-request', `${path} is no regular file`, 'name a perf.data or a text of perf script');
}

async function detectFormat(file: FileHandle, path: string): Promise<'perf-data' | 'perf-script' | 'stap-text'> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(DETECT_BYTES), 0, DETECT_BYTES, 0);
  const start = buffer.subarray(0, bytesRead);
  const begins = (bytes: readonly number[]) => bytes.every((byte, index) => start[index] === byte);
  const magic = start.subarray(0, 8).toString('latin1');
  if (bytesRead === 0) throw fail('bad-data', `${path} is empty`, 'record it again');
  // `PERFFILE` and the byte-swapped magic as well: the reader says what is wrong with them.
  if (['PERFILE2', '2ELIFREP', 'PERFFILE'].includes(magic)) return 'perf-data';
  if (begins([0x1f, 0x8b])) throw fail('bad-data', `${path} is packed by gzip`, `gunzip ${path}`);
  if (begins([0x28, 0xb5, 0x2f, 0xfd])) throw fail('bad-data', `${path} is packed by zstd`, `unzstd ${path}`);
  if (begins([0xfd, 0x37, 0x7a, 0x58, 0x5a])) throw fail('bad-data', `${path} is packed by xz`, `unxz ${path}`);
  if (start.subarray(0, 16).includes(0)) {
    throw fail('bad-data', `${path} is neither a perf.data nor text of perf script or stap`, 'name another file');
  }
  return STAP_TEXT.test(start.toString('latin1')) ? 'stap-text' : 'perf-script';
}

async function readAll(
  context: CaptureContext,
  file: FileHandle,
  take: (piece: Uint8Array) => Promise<void> | void,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  for (let at = 0; ; ) {
    if (context.stop.early.aborted) return;
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, at);
    if (bytesRead === 0) return;
    await take(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Copied user stacks: perf unwinds them where it is installed; else the frames of the kernel and the leaf remain. */
async function unwind(context: CaptureContext, spec: FileSpec, raw: RawProfile): Promise<RawProfile> {
  const perf = await context.machine.program('perf');
  if (perf === '' || context.stop.early.aborted) return raw;
  const source = perfScriptSource(spec.detail);
  await runPerfScript(context, scriptArguments(perf, spec.path, ['pid']), (piece) => {
    source.push(piece);
    return undefined;
  });
  return source.end();
}
