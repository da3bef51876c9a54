// What the commands have in common as seen by commander: a session to run in, and examples in the help.
import { type CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import type { JobRequest } from '../api.js';
import type { CommandContext } from './context.js';
import type { ExitCode } from './exit-codes.js';

/** One call of the command line. */
export interface CliSession {
  /** Made after the options are parsed. */
  context(): CommandContext;
  /** The exit code of the command that ran. */
  end(code: ExitCode): void;
  /** The job that this command line would ask for, which it does not. */
  draft(args: readonly string[]): Promise<JobRequest>;
}

export type CommandMaker = (session: CliSession) => CommandUnknownOpts;

export interface Example {
  readonly does: string;
  readonly line: string;
}

/** Text for `addHelpText('after', …)`. */
export function examples(list: readonly Example[]): string {
  return `\nExamples:\n${list.map(({ does, line }) => `  # ${does}\n  ${line}`).join('\n')}`;
}

/** commander's way to gather an option that may be given several times. */
export function gather(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** Options that several commands have; the types of the values follow from the flags. */
export const SELECTOR_OPTIONS = {
  comm: new Option(
    '--comm <name>',
    'processes of this name (as in /proc/PID/comm); may be given several times',
  ).argParser(gather),
  cmdline: new Option('--cmdline <regexp>', 'processes whose command line matches'),
  unit: new Option('--unit <unit>', 'processes of this systemd unit'),
  container: new Option('--container <container>', 'processes of this container: an id, its beginning, or a name'),
};

export const TARGET_OPTIONS = {
  pid: new Option('-p, --pid <pids>', 'these processes, comma separated'),
  tid: new Option('-t, --tid <tids>', 'these threads, comma separated'),
  allCpus: new Option('-a, --all-cpus', 'the whole system (the default)'),
  cpu: new Option('-C, --cpu <cpus>', 'the whole system on these CPUs, such as 0-3,8'),
  cgroup: new Option('-G, --cgroup <path>', 'this cgroup, such as system.slice/nginx.service'),
};

export const HOST_OPTIONS = {
  on: new Option('--on <selector>', "hosts, such as 'role=db,region!=eu' or 'name=web-*'").default('', 'all hosts'),
  hosts: new Option(
    '-H, --hosts <list>',
    'these hosts in place of the inventory, reached by ssh: [JUMP/][USER@]HOST[:PORT], comma separated, db[1-3]',
  ),
};
