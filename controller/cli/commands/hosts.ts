// `perftrawl hosts ls|ps`: which hosts there are, and which processes run on them.
import { Command } from '@commander-js/extra-typings';
import type { ProcessSelector } from '../../../proto/capture.js';
import type { Host } from '../../api.js';
import type { EnrolledHost } from '../../enroll/identities.js';
import { destinationText } from '../../transport/ssh/destination.js';
import { type CliSession, examples, HOST_OPTIONS, SELECTOR_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOfAnswers } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseSelector, type TargetOptions } from '../options/target.js';
import { failureText } from '../render/failure-text.js';
import { fitTable } from '../render/fit-table.js';
import { momentText } from '../render/time-text.js';
import { type HostChoice, type HostFlags, parseHostChoice, selectHosts } from '../run-job.js';

export interface ProcessesRequest extends HostChoice {
  readonly selector: ProcessSelector;
}

/** @throws UsageError */
function parseProcesses(flags: TargetOptions & HostFlags): ProcessesRequest {
  return { ...parseHostChoice(flags), selector: parseSelector(flags) ?? {} };
}

async function runHosts(context: CommandContext, request: HostChoice): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request);
    const isAnyEnrolled = hosts.some(({ address }) => address.transport === 'dial-in');
    const enrolled = isAnyEnrolled ? await app.identities.enrolledHosts() : [];
    const enrolledOf = new Map(enrolled.map((one) => [one.name, one]));
    if (context.isJson) {
      await writeJson(context.io, {
        hosts: hosts.map((host) =>
          host.address.transport === 'dial-in' ? { ...host, enrolled: enrolledOf.get(host.name) } : host,
        ),
      });
      return EXIT.ok;
    }
    const rows = hosts.map((host) => {
      const address = host.address.transport === 'dial-in' ? seenText(enrolledOf.get(host.name)) : addressText(host);
      return [host.name, host.address.transport, address, labelsText(host)];
    });
    const columns = [
      { heading: 'HOST' },
      { heading: 'TRANSPORT' },
      { heading: 'ADDRESS' },
      { heading: 'LABELS', isFlexible: true as const },
    ];
    await writeLines(context.io.stdout, fitTable(columns, rows, context.io.columns));
    return EXIT.ok;
  });
}

async function runProcesses(context: CommandContext, request: ProcessesRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const answers = await app.listProcesses(selectHosts(app, request), request.selector, io.interrupt.stop);
    if (context.isJson) {
      await writeJson(io, {
        hosts: answers.map((answer) =>
          answer.ok
            ? { host: answer.host.name, processes: answer.value }
            : { host: answer.host.name, failure: answer.failure },
        ),
      });
      return exitCodeOfAnswers(answers);
    }
    const rows = answers.flatMap((answer) =>
      answer.ok
        ? answer.value.map(({ pid, comm, cmdline, uid }) => [answer.host.name, String(pid), String(uid), comm, cmdline])
        : [],
    );
    const columns = [
      { heading: 'HOST' },
      { heading: 'PID', align: 'right' as const },
      { heading: 'UID', align: 'right' as const },
      { heading: 'COMM' },
      { heading: 'COMMAND LINE', isFlexible: true as const },
    ];
    await writeLines(io.stdout, fitTable(columns, rows, io.columns));
    const failed = answers.flatMap((answer) =>
      answer.ok ? [] : [`${answer.host.name}: ${failureText(answer.failure)}`],
    );
    await writeLines(io.stderr, failed);
    return exitCodeOfAnswers(answers);
  });
}

async function runClean(
  context: CommandContext,
  request: HostChoice & { readonly isForced: boolean },
): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    // Without a selector only those that are reached by ssh: nothing was sent to the others.
    const chosen = selectHosts(app, request);
    const hosts = request.on === '' ? chosen.filter(({ address }) => address.transport === 'ssh') : chosen;
    const answers = await app.cleanHosts(hosts, request.isForced, io.interrupt.stop);
    if (context.isJson) {
      await writeJson(io, {
        hosts: answers.map((answer) =>
          answer.ok
            ? { host: answer.host.name, removed: answer.value }
            : { host: answer.host.name, failure: answer.failure },
        ),
      });
      return exitCodeOfAnswers(answers);
    }
    for (const answer of answers) {
      if (!answer.ok) await writeLines(io.stderr, [`${answer.host.name}: ${failureText(answer.failure)}`]);
      else if (answer.value.length === 0) await writeLines(io.stdout, [`${answer.host.name}: nothing was there`]);
      else {
        const lines = answer.value.map(
          ({ path, kibibytes }) => `${answer.host.name}: removed ${path} (${kibibytes} KiB)`,
        );
        await writeLines(io.stdout, lines);
      }
    }
    return exitCodeOfAnswers(answers);
  });
}

async function runForget(context: CommandContext, name: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const host = await app.identities.forgetHost(name);
    if (context.isJson) await writeJson(context.io, { forgotten: host });
    else await writeLines(context.io.stdout, [`forgot ${host.name}; its certificates are revoked`]);
    return EXIT.ok;
  });
}

export function hostsCommand(session: CliSession) {
  const list = new Command('ls')
    .description('list the hosts: those of the inventory and those that have enrolled')
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .addHelpText(
      'after',
      examples([{ does: 'the database hosts outside eu', line: "perftrawl hosts ls --on 'role=db,region!=eu'" }]),
    )
    .action(async (flags) => session.end(await runHosts(session.context(), parseHostChoice(flags))));
  const processes = new Command('ps')
    .description('list processes on the hosts; what a selector of record would choose')
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .addOption(SELECTOR_OPTIONS.comm)
    .addOption(SELECTOR_OPTIONS.cmdline)
    .addOption(SELECTOR_OPTIONS.unit)
    .addOption(SELECTOR_OPTIONS.container)
    .addHelpText(
      'after',
      examples([{ does: 'every postgres of the fleet', line: 'perftrawl hosts ps --comm postgres' }]),
    )
    .action(async (flags) => session.end(await runProcesses(session.context(), parseProcesses(flags))));
  const clean = new Command('clean')
    .description('remove what was sent to hosts that are reached by ssh: agents and their state')
    .addOption(HOST_OPTIONS.on)
    .addOption(HOST_OPTIONS.hosts)
    .option('--force', 'also where captures were not fetched yet; they are lost')
    .addHelpText(
      'after',
      examples([{ does: 'leave nothing on two hosts', line: 'perftrawl hosts clean -H db1,bastion/db2' }]),
    )
    .action(async (flags) =>
      session.end(await runClean(session.context(), { ...parseHostChoice(flags), isForced: flags.force === true })),
    );
  const forget = new Command('forget')
    .description('forget a host that has enrolled: its certificates are revoked, and its name is free again')
    .argument('<host>', 'the name')
    .addHelpText('after', examples([{ does: 'a host was taken out of service', line: 'perftrawl hosts forget db7' }]))
    .action(async (name) => session.end(await runForget(session.context(), name)));
  return new Command('hosts')
    .description('the hosts of the inventory and those that have enrolled, and what runs on them')
    .addCommand(list, { isDefault: true })
    .addCommand(processes)
    .addCommand(clean)
    .addCommand(forget)
    .addHelpText(
      'after',
      examples([
        { does: 'all hosts and their labels', line: 'perftrawl hosts' },
        { does: 'the nginx processes of the web hosts', line: 'perftrawl hosts ps --on role=web --comm nginx' },
      ]),
    );
}

function addressText({ address }: Host): string {
  switch (address.transport) {
    case 'local':
    case 'dial-in':
      return '-';
    case 'tls':
      return `${address.host}:${address.port}`;
    case 'ssh':
      return [...(address.jumps ?? []), destinationText(address)].join('/');
  }
}

/** Where from, and when, an agent that dials in was seen the last time. */
function seenText(host: EnrolledHost | undefined): string {
  if (host === undefined || host.lastSeen === 0) return 'not seen yet';
  return `${host.address} at ${momentText(host.lastSeen)} UTC`;
}

function labelsText({ labels }: Host): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}
