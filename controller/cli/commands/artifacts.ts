// `perftrawl artifacts`: the raw files that agents keep (`record --keep-raw`), listed and fetched.
import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
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
interface ArtifactFlags {
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
function parseArtifacts(job: string, name: string | undefined, flags: ArtifactFlags): ArtifactsRequest {
  const { host, output } = flags;
  if (output === undefined) {
    if (name !== undefined) throw new UsageError('artifacts: say with -o FILE where to write it');
    return { job, fetch: undefined, host };
  }
  if (host === undefined) throw new UsageError('artifacts: say with --host HOST whose file to fetch');
  return { job, fetch: { host, name, file: output }, host };
}

async function runArtifacts(context: CommandContext, request: ArtifactsRequest): Promise<ExitCode> {
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
  const name = wanted.name ?? run.artifacts.at(0)?.name;
  if (name === undefined) {
    throw fail(
      'not-found',
      `job ${job.id} kept no files of ${run.host}`,
      '`perftrawl record --keep-raw` keeps perf.data',
    );
  }
  const { size, sha256 } = await download(context, app, job.id, run.host, name, wanted.file);
  if (context.isJson) await writeJson(context.io, { host: run.host, name, file: wanted.file, size, sha256 });
  else {
    const text = `${wanted.file}: ${weightText(size, 'bytes')} of ${run.host}, SHA-256 ${sha256}`;
    await writeLines(context.io.stdout, [text]);
  }
  return EXIT.ok;
}

/** Into FILE.part first, continued where an earlier attempt ended; FILE appears only when it is whole and its SHA-256 is right. */
async function download(
  context: CommandContext,
  app: App,
  jobId: string,
  host: string,
  name: string,
  file: string,
): Promise<{ readonly size: number; readonly sha256: string }> {
  const partial = `${file}.part`;
  const hash = createHash('sha256');
  let size = 0;
  let expected = '';
  const handle = await open(partial, 'a+', 0o600);
  try {
    for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) {
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      size += chunk.length;
    }
    for await (const part of app.fetchArtifact(jobId, host, name, size, context.io.interrupt.stop)) {
      await handle.writeFile(part.data);
      hash.update(part.data);
      size += part.data.length;
      if (part.end !== undefined) expected = part.end.sha256;
    }
  } catch (error) {
    if (size === 0) await rm(partial);
    throw error;
  } finally {
    await handle.close();
  }
  const sha256 = hash.digest('hex');
  if (sha256 !== expected) {
    await rm(partial);
    throw fail(
      'bad-data',
      `${name} of ${host} arrived damaged: its SHA-256 is ${sha256}, not ${expected}`,
      'fetch it again',
    );
  }
  await rename(partial, file);
  return { size, sha256 };
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
