// `perftrawl text`: what scripts printed besides histograms and stacks, host by host, in order.
import { Command } from '@commander-js/extra-typings';
import type { TextLine } from '../../../profile/text-line.js';
import { fail } from '../../../proto/failure.js';
import type { App, Job } from '../../api.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { write, writeJson } from '../io.js';
import { parseChoice } from '../options/numbers.js';

interface TextRequest {
  readonly job: string;
  readonly host: string | undefined;
  readonly stream: TextLine['stream'] | undefined;
}

export const STREAMS = ['stdout', 'stderr'] as const;

/** @throws UsageError */
function parseText(
  job: string,
  flags: { readonly host?: string | undefined; readonly stream?: string | undefined },
): TextRequest {
  return {
    job,
    host: flags.host,
    stream: flags.stream === undefined ? undefined : parseChoice('--stream', flags.stream, STREAMS),
  };
}

async function runText(context: CommandContext, request: TextRequest): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const job = await app.job(request.job);
    const hosts = await hostsOf(app, job, request.host);
    const linesOf = async (host: string): Promise<readonly TextLine[]> =>
      (await app.text(job.id, host)).filter(({ stream }) => request.stream === undefined || stream === request.stream);
    if (context.isJson) {
      const answers: { host: string; lines: readonly TextLine[] }[] = [];
      for (const host of hosts) answers.push({ host, lines: await linesOf(host) });
      await writeJson(io, { job: job.id, hosts: answers });
      return EXIT.ok;
    }
    let count = 0;
    for (const host of hosts) {
      const lines = await linesOf(host);
      count += lines.length;
      await write(io.stdout, textOf(lines, hosts.length === 1 ? '' : `${host}: `));
    }
    if (count === 0) await write(io.stderr, `job ${job.id} printed no text\n`);
    return EXIT.ok;
  });
}

/** @param before each line */
export function textOf(lines: readonly TextLine[], before: string): string {
  return lines.map(({ text }) => `${printable(`${before}${text}`)}\n`).join('');
}

/** @throws FailureError 'not-found' */
async function hostsOf(app: App, job: Job, host: string | undefined): Promise<readonly string[]> {
  const hosts = (await app.hostRuns(job.id)).map((run) => run.host);
  if (host === undefined) return hosts;
  if (hosts.includes(host)) return [host];
  throw fail('not-found', `job ${job.id} has no host ${host}`, `\`perftrawl jobs show ${job.id}\` lists them`);
}

export function textCommand(session: CliSession) {
  return new Command('text')
    .description('what the SystemTap scripts of a job printed besides histograms and stacks, host by host')
    .argument('[job]', 'its id, the beginning of it, or `last`', 'last')
    .option('--host <host>', 'one host')
    .option('--stream <stream>', `only ${STREAMS.join(' or ')}`)
    .addHelpText(
      'after',
      examples([
        { does: 'the last job', line: 'perftrawl text' },
        { does: 'what stap warned of on web1', line: 'perftrawl text last --host web1 --stream stderr' },
      ]),
    )
    .action(async (job, flags) => session.end(await runText(session.context(), parseText(job, flags))));
}
