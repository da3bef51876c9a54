// `perftrawl artifacts`: the raw files that agents keep (`record --keep-raw`), listed and fetched.
import { open, rename, stat } from 'node:fs/promises';
import { Command } from '@commander-js/extra-typings';
import { fail } from '../../../proto/failure.js';
import type { App, HostRun, Job } from '../../api.js';
import { weightText } from '../../views/number-text.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { fitTable } from '../render/fit-table.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
export interface ArtifactFlags {
  readonly host?: string | undefined;
  readonly output?: string | undefined;
}

export interface ArtifactsRequest {
  readonly job: string;
  /** Which file to fetch; `undefined` lists them. */
  readonly fetch: { readonly host: string; readonly name: string | undefined; readonly file: string } | undefined;
  readonly host: string | undefined;
}

/** @throws UsageError */
export function parseArtifacts(job: string, name: string | undefined, flags: ArtifactFlags): ArtifactsRequest {
  const { host, output } = flags;
  if (output === undefined) {
    if (name !== undefined) throw new UsageError('artifacts: say with -o FILE where to write it');
    return { job, fetch: undefined, host };
  }
  if (host === undefined) throw new UsageError('artifacts: say with --host HOST whose file to fetch');
  return { job, fetch: { host, name, file: output }, host };
}

export async function runArtifacts(context: CommandContext, request: ArtifactsRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const job = await app.job(request.job);
    const runs = (await app.hostRuns(job.id)).filter((run) => request.host === undefined || run.host === request.host);
    if (runs.length === 0) {
      throw fail(
        'not-found',
        `job ${job.id} has no host ${request.host ?? ''}`,
        `\`perftrawl jobs show ${job.id}\` lists them`,
      );
    }
    if (request.fetch !== undefined) return fetchOne(context, app, job, runs[0], request.fetch);
    const rows = runs.flatMap((run) => run.artifacts.map((artifact) => ({ host: run.host, ...artifact })));
    if (context.isJson) {
      await writeJson(context.io, { artifacts: rows });
      return EXIT.ok;
    }
    if (rows.length === 0) {
      await writeLines(context.io.stderr, [
        `job ${job.id} kept no files; \`perftrawl record --keep-raw\` keeps perf.data`,
      ]);
    }
    const columns = [
      { heading: 'HOST' },
      { heading: 'NAME' },
      { heading: 'SIZE', align: 'right' as const },
      { heading: 'SHA-256', isFlexible: true as const },
    ];
    const cells = rows.map((row) => [row.host, row.name, weightText(row.size, 'bytes'), row.sha256]);
    await writeLines(context.io.stdout, fitTable(columns, cells, context.io.columns));
    return EXIT.ok;
  });
}

async function fetchOne(
  context: CommandContext,
  app: App,
  job: Job,
  run: HostRun,
  wanted: { readonly name: string | undefined; readonly file: string },
): Promise<ExitCode> {
  const artifact =
    wanted.name === undefined ? run.artifacts[0] : run.artifacts.find(({ name }) => name === wanted.name);
  if (artifact === undefined) {
    const has = run.artifacts.map(({ name }) => name).join(', ');
    throw fail(
      'not-found',
      `job ${job.id} has no file ${wanted.name ?? ''} of ${run.host}`,
      has === '' ? '`perftrawl record --keep-raw` keeps perf.data' : `it has ${has}`,
    );
  }
  const size = await download(context, app, job.id, run.host, artifact.name, wanted.file);
  const result = { host: run.host, name: artifact.name, file: wanted.file, size, sha256: artifact.sha256 };
  if (context.isJson) await writeJson(context.io, result);
  else
    await writeLines(context.io.stdout, [
      `${wanted.file}: ${weightText(size, 'bytes')} of ${run.host}, SHA-256 ${artifact.sha256}`,
    ]);
  return EXIT.ok;
}

/** Into FILE.part first, continued where an earlier attempt ended; FILE appears only when it is whole. */
async function download(
  context: CommandContext,
  app: App,
  jobId: string,
  host: string,
  name: string,
  file: string,
): Promise<number> {
  const partial = `${file}.part`;
  let offset = await sizeOf(partial);
  const handle = await open(partial, 'a');
  try {
    for await (const part of app.fetchArtifact(jobId, host, name, offset, context.io.interrupt.stop)) {
      await handle.writeFile(part.data);
      offset += part.data.length;
    }
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  return offset;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

export function artifactsCommand(session: CliSession) {
  return new Command('artifacts')
    .description('list the raw files that the agents keep of a job, or fetch one (continues where it was cut off)')
    .argument('<job>', 'its id, the beginning of it, or `last`')
    .argument('[name]', 'which file (default: the first)')
    .option('--host <host>', 'whose files')
    .option('-o, --output <file>', 'fetch to this file')
    .addHelpText(
      'after',
      examples([
        { does: 'what is there?', line: 'perftrawl artifacts last' },
        {
          does: 'perf.data of one host, for `perf report`',
          line: 'perftrawl artifacts last perf.data --host web1 -o web1.perf.data',
        },
      ]),
    )
    .action(async (job, name, flags) =>
      session.end(await runArtifacts(session.context(), parseArtifacts(job, name, flags))),
    );
}
