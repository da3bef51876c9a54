// `perftrawl import`: an existing perf.data, `perf script` text or saved output of stap becomes a job, so that show and export work on it.
import { existsSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import type { FileSpec } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { reportJob } from '../job-report.js';
import { parseDuration } from '../options/duration.js';
import { parseChoice } from '../options/numbers.js';
import { JOB_DEFAULTS, startJob, THIS_MACHINE } from '../run-job.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface ImportFlags {
  readonly format: string;
  readonly split: string;
  readonly timestamps?: true | undefined;
  readonly lines?: true | undefined;
  readonly grace: string;
  readonly note: string;
}

export interface ImportRequest {
  readonly spec: FileSpec;
  readonly grace: number;
  readonly note: string;
}

export const FILE_FORMATS = ['detect', 'perf-data', 'perf-script', 'stap-text'] as const;

/** @throws UsageError */
function parseImport(file: string, flags: ImportFlags): ImportRequest {
  const split = parseChoice('--split', flags.split, ['comm', 'pid', 'tid'] as const);
  if (file === '' || file.includes('\0')) throw new UsageError('FILE: needs the name of a file');
  return {
    spec: {
      kind: 'file',
      path: resolve(file),
      format: parseChoice('--format', flags.format, FILE_FORMATS),
      detail: {
        split: flags.timestamps === true ? 'tid' : split,
        keepTimestamps: flags.timestamps === true,
        lines: flags.lines === true,
      },
    },
    grace: parseDuration('--grace', flags.grace),
    note: flags.note === '' ? `import ${file}` : flags.note,
  };
}

async function runImport(context: CommandContext, request: ImportRequest): Promise<ExitCode> {
  const { path } = request.spec;
  if (!existsSync(path))
    throw fail(
      'not-found',
      `there is no file ${path}`,
      'name a perf.data, a text of `perf script` or what stap printed',
    );
  await access(path, constants.R_OK);
  return context.withApp(async (app) => {
    const { grace, note } = request;
    const job = await startJob(context, app, request.spec, [THIS_MACHINE], {
      on: `name=${THIS_MACHINE.name}`,
      hosts: undefined,
      maxParallel: 1,
      grace,
      note,
    });
    await reportJob(context, app, job, []);
    return exitCodeOfJob(job.state);
  });
}

export function importCommand(session: CliSession) {
  return new Command('import')
    .description('read a perf.data file, `perf script` text or saved stap output of this machine as a job')
    .argument('<file>', 'perf.data (file or pipe form), the text of `perf script`, or what stap printed')
    .option('--format <format>', 'detect (of perf), perf-data, perf-script or stap-text', 'detect')
    .option('--split <by>', 'keep samples apart by comm, pid or tid', 'comm')
    .option('--timestamps', 'keep the time and CPU of every sample (implies --split tid)')
    .option('--lines', 'source lines and inlined functions (needs addr2line)')
    .option('--grace <duration>', 'how long reading and symbolizing may take', '1h')
    .option('--note <text>', 'to find the job again (default: import and the name of the file)', JOB_DEFAULTS.note)
    .addHelpText(
      'after',
      examples([
        { does: 'look at a recording somebody sent', line: 'perftrawl import perf.data && perftrawl show last --tree' },
        {
          does: 'the text of `perf script`, of any perf version',
          line: 'perftrawl import --format perf-script out.txt',
        },
        { does: 'what a SystemTap script printed', line: 'perftrawl import --format stap-text stap.out' },
      ]),
    )
    .action(async (file, flags) => session.end(await runImport(session.context(), parseImport(file, flags))));
}
