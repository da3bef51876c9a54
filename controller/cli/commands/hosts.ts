// `perftrawl hosts ls|ps`: which hosts there are, and which processes run on them.
import { Command } from '@commander-js/extra-typings';
import type { ProcessSelector } from '../../../proto/capture.js';
import type { Host } from '../../api.js';
import { type CliSession, examples, HOST_OPTIONS, SELECTOR_OPTIONS } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOfAnswers } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseSelector, type TargetOptions } from '../options/target.js';
import { failureText } from '../render/failure-text.js';
import { fitTable } from '../render/fit-table.js';
import { selectHosts } from '../run-job.js';

export interface ProcessesRequest {
  readonly on: string;
  readonly selector: ProcessSelector;
}

/** @throws UsageError */
function parseProcesses(flags: TargetOptions & { readonly on: string }): ProcessesRequest {
  return { on: flags.on, selector: parseSelector(flags) ?? {} };
}

async function runHosts(context: CommandContext, request: { readonly on: string }): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const hosts = selectHosts(app, request.on);
    if (context.isJson) {
      await writeJson(context.io, { hosts });
      return EXIT.ok;
    }
    const rows = hosts.map((host) => [host.name, host.address.transport, addressText(host), labelsText(host)]);
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
    const answers = await app.listProcesses(selectHosts(app, request.on), request.selector, io.interrupt.stop);
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

export function hostsCommand(session: CliSession) {
  const list = new Command('ls')
    .description('list the hosts of the inventory')
    .addOption(HOST_OPTIONS.on)
    .addHelpText(
      'after',
      examples([{ does: 'the database hosts outside eu', line: "perftrawl hosts ls --on 'role=db,region!=eu'" }]),
    )
    .action(async (flags) => session.end(await runHosts(session.context(), flags)));
  const processes = new Command('ps')
    .description('list processes on the hosts; what a selector of record would choose')
    .addOption(HOST_OPTIONS.on)
    .addOption(SELECTOR_OPTIONS.comm)
    .addOption(SELECTOR_OPTIONS.cmdline)
    .addOption(SELECTOR_OPTIONS.unit)
    .addOption(SELECTOR_OPTIONS.container)
    .addHelpText(
      'after',
      examples([{ does: 'every postgres of the fleet', line: 'perftrawl hosts ps --comm postgres' }]),
    )
    .action(async (flags) => session.end(await runProcesses(session.context(), parseProcesses(flags))));
  return new Command('hosts')
    .description('the hosts of the inventory, and what runs on them')
    .addCommand(list, { isDefault: true })
    .addCommand(processes)
    .addHelpText(
      'after',
      examples([
        { does: 'all hosts and their labels', line: 'perftrawl hosts' },
        { does: 'the nginx processes of the web hosts', line: 'perftrawl hosts ps --on role=web --comm nginx' },
      ]),
    );
}

function addressText({ address }: Host): string {
  return address.transport === 'local' ? '-' : `${address.host}:${address.port}`;
}

function labelsText({ labels }: Host): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}
