// `perftrawl store info|check|backup|restore|migrate`: looking after the database that keeps everything.
import { Command } from '@commander-js/extra-typings';
import type { CopyReport, OnProgress, StoreUpkeep } from '../../upkeep/store-upkeep.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { fitTable } from '../render/fit-table.js';

async function runInfo(context: CommandContext): Promise<ExitCode> {
  const { io } = context;
  return withUpkeep(context, async (upkeep) => {
    const info = await upkeep.info();
    if (context.isJson) {
      await writeJson(io, info);
      return EXIT.ok;
    }
    const { store, engine, version, bytes, tables } = info;
    const jobs = Object.entries(info.jobs).map(([state, count]) => `${count} ${state}`);
    await writeLines(io.stdout, [
      `${printable(store)}: ${engine}, version ${version}, ${(bytes / 1024 ** 2).toFixed(1)} MiB`,
      `jobs: ${jobs.length === 0 ? 'none' : jobs.join(', ')}`,
      ...fitTable(
        [{ heading: 'TABLE' }, { heading: 'ROWS', align: 'right' }],
        tables.map(({ name, rows }) => [name, String(rows)]),
        io.columns,
      ),
    ]);
    return EXIT.ok;
  });
}

const CHECK_REMEDY =
  '  try: perftrawl store restore FILE, into another store; of SQLite also in place of this file, once it is moved away';

async function runCheck(context: CommandContext): Promise<ExitCode> {
  const { io } = context;
  return withUpkeep(context, async (upkeep) => {
    const report = await upkeep.check();
    const isSound = report.problems.length === 0;
    if (context.isJson) await writeJson(io, report);
    else {
      const { store, rows, audit } = report;
      const sound = `sound: ${rows} rows read, ${audit.lines} entries of the audit log verified`;
      const lines = isSound ? [sound] : report.problems.map(printable);
      await writeLines(io.stdout, [`${printable(store)}:`, ...lines.map((line) => `  ${line}`)]);
      if (!isSound) await writeLines(io.stderr, [CHECK_REMEDY]);
    }
    return isSound ? EXIT.ok : EXIT.badData;
  });
}

type Copy = (upkeep: StoreUpkeep, onProgress: OnProgress, signal: AbortSignal) => Promise<CopyReport>;

async function runCopy(context: CommandContext, done: string, copy: Copy): Promise<ExitCode> {
  const { io } = context;
  return withUpkeep(context, async (upkeep) => {
    const report = await copy(upkeep, progressOn(context), io.interrupt.stop).finally(() => {
      if (io.isStderrTty) io.stderr.write('\r\x1b[K');
    });
    const isSound = report.audit.problems.length === 0;
    if (context.isJson) await writeJson(io, report);
    else {
      const rows = report.tables.reduce((sum, table) => sum + table.rows, 0);
      await writeLines(io.stdout, [
        `${done} ${printable(report.from)} to ${printable(report.to)}: ${rows} rows of ${report.tables.length} tables`,
        ...(isSound ? [`the audit log of the copy is sound: ${report.audit.lines} entries`] : []),
      ]);
    }
    if (!isSound) {
      const problems = report.audit.problems.map((problem) => `  ${printable(problem)}`);
      await writeLines(io.stderr, ['the audit log is not sound, as it was before:', ...problems]);
    }
    return isSound ? EXIT.ok : EXIT.badData;
  });
}

/** One line that is written over and over; nothing where stderr is no terminal. */
function progressOn({ io }: CommandContext): OnProgress {
  if (!io.isStderrTty) return () => undefined;
  let told = 0;
  return ({ doing, table, rows, of }) => {
    const now = io.now();
    if (now - told < 200) return;
    told = now;
    io.stderr.write(`\r\x1b[K${`${doing} ${table}: ${rows} of ${of}`.slice(0, io.progressColumns - 1)}`);
  };
}

async function withUpkeep(context: CommandContext, use: (upkeep: StoreUpkeep) => Promise<ExitCode>): Promise<ExitCode> {
  const upkeep = await context.openUpkeep();
  try {
    return await use(upkeep);
  } finally {
    await upkeep.close();
  }
}

export function storeCommand(session: CliSession) {
  const info = new Command('info')
    .description('which store it is, how large, and what it holds')
    .addHelpText('after', examples([{ does: 'how large has it become?', line: 'perftrawl store info' }]))
    .action(async () => session.end(await runInfo(session.context())));
  const check = new Command('check')
    .description('read everything, and verify the audit log')
    .addHelpText('after', examples([{ does: 'is it damaged?', line: 'perftrawl store check' }]))
    .action(async () => session.end(await runCheck(session.context())));
  const backup = new Command('backup')
    .description('copy the store into a new file of SQLite, as it is at one moment; servers may go on')
    .argument('<file>', 'must not be there yet')
    .addHelpText(
      'after',
      examples([{ does: 'every night', line: 'perftrawl store backup /backup/perf-$(date +%F).db' }]),
    )
    .action(async (file) =>
      session.end(
        await runCopy(session.context(), 'copied', (upkeep, onProgress, signal) =>
          upkeep.backup(file, onProgress, signal),
        ),
      ),
    );
  const restore = new Command('restore')
    .description('fill the store from a backup, whichever engine either has; stop servers first')
    .argument('<file>', 'as `store backup` made it; it is not changed')
    .option('--force', 'delete what the store has, its audit log too')
    .addHelpText(
      'after',
      examples([
        { does: 'into a new PostgreSQL', line: 'perftrawl --store postgres://perf@db/perf store restore perf.db' },
      ]),
    )
    .action(async (file, { force }) =>
      session.end(
        await runCopy(session.context(), 'restored', (upkeep, onProgress, signal) =>
          upkeep.restore(file, force === true, onProgress, signal),
        ),
      ),
    );
  const migrate = new Command('migrate')
    .description(
      'copy the store into an empty one of the other engine, exactly: all of it or nothing; stop servers first',
    )
    .requiredOption('--to <store>', 'postgres://USER@HOST/DATABASE or sqlite:FILE')
    .addHelpText(
      'after',
      examples([
        { does: 'from SQLite to PostgreSQL', line: 'perftrawl store migrate --to postgres://perf@db.example.net/perf' },
        {
          does: 'and back',
          line: 'perftrawl --store postgres://perf@db.example.net/perf store migrate --to sqlite:perf.db',
        },
      ]),
    )
    .action(async ({ to }) =>
      session.end(
        await runCopy(session.context(), 'copied', (upkeep, onProgress, signal) =>
          upkeep.migrate(to, onProgress, signal),
        ),
      ),
    );
  return new Command('store')
    .description('the database that keeps jobs, results and all else: look at it, check it, copy it, move it')
    .addCommand(info, { isDefault: true })
    .addCommand(check)
    .addCommand(backup)
    .addCommand(restore)
    .addCommand(migrate)
    .addHelpText('after', examples([{ does: 'what is in it?', line: 'perftrawl store' }]));
}
