// `perftrawl schedule add|ls|show|next|history|pause|resume|run-now|rm`: jobs that are asked for by themselves.
import { hostname } from 'node:os';
import { Command } from '@commander-js/extra-typings';
import type { Schedule } from '../../schedule/schedule.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOfJob } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { reportJob } from '../job-report.js';
import { parseWhole } from '../options/numbers.js';
import { parseSchedule, SCHEDULE_OPTIONS, type ScheduleFlags } from '../options/schedule.js';
import { fitTable } from '../render/fit-table.js';
import { historyRow, nextLine, scheduleLines, scheduleRow } from '../render/schedule-text.js';
import { followJob } from '../run-job.js';

async function runAdd(
  session: CliSession,
  name: string,
  command: readonly string[],
  flags: ScheduleFlags,
): Promise<ExitCode> {
  const context = session.context();
  const { io } = context;
  const definition = parseSchedule(name, flags, await session.draft(command), io.now());
  return context.withApp(async (app) => {
    const schedule = await app.schedules.add(definition, whoOf(context));
    if (context.isJson) {
      await writeJson(io, { schedule });
      return EXIT.ok;
    }
    const times = await app.schedules.next(name, 3);
    await writeLines(io.stdout, [`added schedule ${name}`, ...times.map((time) => nextLine(schedule, time))]);
    if (!context.isRemote) await writeLines(io.stderr, ['a server of this store runs it: perftrawl serve']);
    return EXIT.ok;
  });
}

/** A server knows better than its client who that is. */
function whoOf({ io }: CommandContext): string {
  return `${io.userName}@${hostname()}`;
}

async function runList(context: CommandContext): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const schedules = await app.schedules.list();
    if (context.isJson) await writeJson(io, { schedules });
    else if (schedules.length === 0) {
      await writeLines(io.stderr, ['no schedules yet; `perftrawl schedule add --help` shows how one is made']);
    } else {
      const columns = [
        ...[{ heading: 'SCHEDULE' }, { heading: 'STATE' }, { heading: 'NEXT' }, { heading: 'WHEN' }, { heading: 'ON' }],
        { heading: 'WHAT', isFlexible: true as const },
      ];
      await writeLines(io.stdout, fitTable(columns, schedules.map(scheduleRow), io.columns));
    }
    return EXIT.ok;
  });
}

async function runShow(context: CommandContext, name: string): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const schedule = await app.schedules.get(name);
    const [times, ticks, jobs] = [
      await app.schedules.next(name, 3),
      await app.schedules.history(name, 5),
      await app.jobs({ schedule: name, limit: 1 }),
    ];
    if (context.isJson) await writeJson(io, { schedule, next: times, ticks });
    else await writeLines(io.stdout, scheduleLines(schedule, times, ticks, jobs));
    return EXIT.ok;
  });
}

async function runNext(context: CommandContext, name: string, count: number): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const schedule = await app.schedules.get(name);
    const times = await app.schedules.next(name, count);
    if (context.isJson) await writeJson(context.io, { times });
    else if (times.length > 0)
      await writeLines(
        context.io.stdout,
        times.map((time) => nextLine(schedule, time)),
      );
    else await writeLines(context.io.stderr, [`schedule ${name} is ${schedule.state}: it has no next time`]);
    return EXIT.ok;
  });
}

async function runHistory(context: CommandContext, name: string, limit: number): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const ticks = await app.schedules.history(name, limit);
    if (context.isJson) await writeJson(io, { ticks });
    else if (ticks.length === 0) await writeLines(io.stderr, [`schedule ${name} was not due yet`]);
    else {
      const { definition } = await app.schedules.get(name);
      const columns = [
        ...[
          { heading: 'DUE' },
          { heading: 'TICKS', align: 'right' as const },
          { heading: 'STATE' },
          { heading: 'JOB' },
        ],
        { heading: 'WHY', isFlexible: true as const },
      ];
      const rows = ticks.map((tick) => historyRow(tick, definition.timeZone));
      await writeLines(io.stdout, fitTable(columns, rows, io.columns));
    }
    return EXIT.ok;
  });
}

async function runChange(context: CommandContext, name: string, how: 'pause' | 'resume'): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const schedule: Schedule = await app.schedules[how](name);
    if (context.isJson) await writeJson(context.io, { schedule });
    else await writeLines(context.io.stdout, [`schedule ${name} is ${schedule.state}`]);
    return EXIT.ok;
  });
}

async function runNow(context: CommandContext, name: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const id = await app.schedules.runNow(name, whoOf(context));
    const job = await followJob(context, app, await app.job(id), 'resume');
    await reportJob(context, app, job, []);
    return exitCodeOfJob(job.state);
  });
}

async function runRemove(context: CommandContext, names: readonly string[]): Promise<ExitCode> {
  return context.withApp(async (app) => {
    for (const name of names) await app.schedules.get(name);
    const removed = [...new Set(names)];
    for (const name of removed) await app.schedules.remove(name);
    if (context.isJson) await writeJson(context.io, { removed });
    else {
      const lines = removed.map(
        (name) => `removed schedule ${name}; its jobs stay: perftrawl jobs ls --schedule ${name}`,
      );
      await writeLines(context.io.stdout, lines);
    }
    return EXIT.ok;
  });
}

function addCommand(session: CliSession) {
  return new Command('add')
    .description('have a capture asked for by itself; the capture is a command line after `--`')
    .argument('<name>', 'of the schedule')
    .argument('<command...>', 'record, stat, stap, faults or watch, with its options; hosts by --on')
    .addOption(SCHEDULE_OPTIONS.cron)
    .addOption(SCHEDULE_OPTIONS.every)
    .addOption(SCHEDULE_OPTIONS.at)
    .addOption(SCHEDULE_OPTIONS.onAlert)
    .addOption(SCHEDULE_OPTIONS.hostLabel)
    .addOption(SCHEDULE_OPTIONS.coolDown)
    .addOption(SCHEDULE_OPTIONS.triggerWatches)
    .addOption(SCHEDULE_OPTIONS.timeZone)
    .addOption(SCHEDULE_OPTIONS.window)
    .addOption(SCHEDULE_OPTIONS.blackout)
    .addOption(SCHEDULE_OPTIONS.jitter)
    .addOption(SCHEDULE_OPTIONS.overlap)
    .addOption(SCHEDULE_OPTIONS.missed)
    .addOption(SCHEDULE_OPTIONS.tolerance)
    .addOption(SCHEDULE_OPTIONS.until)
    .addOption(SCHEDULE_OPTIONS.keep)
    .addOption(SCHEDULE_OPTIONS.keepFor)
    .addOption(SCHEDULE_OPTIONS.keepBytes)
    .addOption(SCHEDULE_OPTIONS.hoursAfter)
    .addOption(SCHEDULE_OPTIONS.daysAfter)
    .addHelpText(
      'after',
      examples([
        {
          does: 'page faults of the databases, every night at three in Berlin, for a month',
          line: "perftrawl schedule add nightly --cron '0 3 * * *' --tz Europe/Berlin --keep-for 30d -- \\\n    record -e page-faults -c 1 --on role=db --for 30s",
        },
        {
          does: 'ten random web servers every five minutes in working hours, spread over two',
          line: "perftrawl schedule add web --every 5m --window 'mon-fri 08:00-18:00' --hours-after 1d --days-after 7d -- \\\n    record --on role=web --sample 10 --spread 2m --for 20s",
        },
        {
          does: 'when Alertmanager says so, on the hosts of the alert',
          line: 'perftrawl schedule add faults --on-alert alertname=HighPageFaults -- record -e page-faults -c 1 --for 30s',
        },
      ]),
    )
    .action(async (name, command, flags) => session.end(await runAdd(session, name, command, flags)));
}

export function scheduleCommand(session: CliSession) {
  const name = 'name of the schedule';
  const list = new Command('ls')
    .description('list the schedules and when they are due next')
    .addHelpText('after', examples([{ does: 'what runs by itself?', line: 'perftrawl schedule ls' }]))
    .action(async () => session.end(await runList(session.context())));
  const show = new Command('show')
    .description('one schedule: when, what, on which hosts, and its last ticks')
    .argument('<schedule>', name)
    .addHelpText('after', examples([{ does: 'all of it', line: 'perftrawl schedule show nightly' }]))
    .action(async (schedule) => session.end(await runShow(session.context(), schedule)));
  const next = new Command('next')
    .description('when it is due next')
    .argument('<schedule>', name)
    .argument('[count]', 'how many times', '10')
    .addHelpText('after', examples([{ does: 'the next ten times', line: 'perftrawl schedule next nightly 10' }]))
    .action(async (schedule, count) =>
      session.end(await runNext(session.context(), schedule, parseWhole('count', count, 1, 1000))),
    );
  const history = new Command('history')
    .description('what became of its ticks: fired, skipped, missed, failed; the newest first')
    .argument('<schedule>', name)
    .option('-n, --limit <ticks>', 'at most so many', '20')
    .addHelpText('after', examples([{ does: 'did it run last night?', line: 'perftrawl schedule history nightly' }]))
    .action(async (schedule, flags) =>
      session.end(await runHistory(session.context(), schedule, parseWhole('--limit', flags.limit, 1, 5000))),
    );
  const pause = new Command('pause')
    .description('have it due no more, until it is resumed')
    .argument('<schedule>', name)
    .addHelpText('after', examples([{ does: 'for the time of an upgrade', line: 'perftrawl schedule pause nightly' }]))
    .action(async (schedule) => session.end(await runChange(session.context(), schedule, 'pause')));
  const resume = new Command('resume')
    .description('have it due again; what was due meanwhile is not made up for')
    .argument('<schedule>', name)
    .addHelpText('after', examples([{ does: 'after the upgrade', line: 'perftrawl schedule resume nightly' }]))
    .action(async (schedule) => session.end(await runChange(session.context(), schedule, 'resume')));
  const now = new Command('run-now')
    .description('one job more, now, whatever the calendar says')
    .argument('<schedule>', name)
    .addHelpText('after', examples([{ does: 'does it work?', line: 'perftrawl schedule run-now nightly' }]))
    .action(async (schedule) => session.end(await runNow(session.context(), schedule)));
  const remove = new Command('rm')
    .description('remove schedules; their jobs and results stay')
    .argument('<schedules...>', 'names')
    .addHelpText('after', examples([{ does: 'no more of it', line: 'perftrawl schedule rm nightly' }]))
    .action(async (names) => session.end(await runRemove(session.context(), names)));
  return new Command('schedule')
    .description('captures that are asked for by themselves: by calendar, at intervals, at alerts')
    .addCommand(list, { isDefault: true })
    .addCommand(addCommand(session))
    .addCommand(show)
    .addCommand(next)
    .addCommand(history)
    .addCommand(pause)
    .addCommand(resume)
    .addCommand(now)
    .addCommand(remove)
    .addHelpText(
      'after',
      examples([{ does: 'every night', line: "perftrawl schedule add n --cron '0 3 * * *' -- record" }]),
    );
}
