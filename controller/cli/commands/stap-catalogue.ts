// `perftrawl stap ls|show`: the catalogue of SystemTap scripts, and which of them fit which host.
import { Command } from '@commander-js/extra-typings';
import type { PreflightResult, ScriptInfo, StapSpec } from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';
import type { Answer, App, Host } from '../../api.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode, exitCodeOf, exitCodeOfAnswers } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { failureText } from '../render/failure-text.js';
import { fitTable } from '../render/fit-table.js';
import { selectHosts, THIS_MACHINE } from '../run-job.js';

/** A catalogue script as it would be run when nothing else is said. */
export function probeSpec(name: string): StapSpec {
  return {
    kind: 'stap',
    target: { kind: 'system' },
    duration: 10_000,
    interval: 0,
    script: { from: 'catalogue', name, parameters: {} },
    overheadPercent: 10,
    keepRaw: false,
  };
}

async function runList(context: CommandContext, request: { readonly on: string | undefined }): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const hosts = request.on === undefined ? [THIS_MACHINE] : selectHosts(app, { on: request.on, hosts: undefined });
    const answers = await app.scripts(hosts, io.interrupt.stop);
    const scripts = distinctScripts(answers);
    const fits = request.on === undefined ? [] : await fitsOf(context, app, answers, scripts);
    if (context.isJson) await writeJson(io, { scripts, ...(request.on === undefined ? {} : { fits }) });
    else if (request.on === undefined) await writeLines(io.stdout, scriptTable(context, scripts));
    else await writeLines(io.stdout, fitLines(context, fits));
    await writeLines(
      io.stderr,
      answers.flatMap((answer) => (answer.ok ? [] : [`${answer.host.name}: ${failureText(answer.failure)}`])),
    );
    return exitCodeOfAnswers(answers);
  });
}

async function runShowScript(context: CommandContext, name: string, isTextOnly: boolean): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const [answer] = await app.scripts([THIS_MACHINE], io.interrupt.stop);
    if (!answer.ok) {
      await writeLines(io.stderr, [failureText(answer.failure)]);
      return exitCodeOf(answer.failure);
    }
    const script = answer.value.find((known) => known.name === name);
    if (script === undefined) {
      const names = answer.value.map((known) => known.name).join(', ');
      throw fail('not-found', `there is no script '${name}'`, `there are ${names}`);
    }
    if (context.isJson) await writeJson(io, { script });
    else if (isTextOnly) await writeLines(io.stdout, [script.variants[0]?.text.trimEnd() ?? '']);
    else await writeLines(io.stdout, scriptLines(context, script));
    return EXIT.ok;
  });
}

/** Agents of different versions have different catalogues. */
function distinctScripts(answers: readonly Answer<readonly ScriptInfo[]>[]): ScriptInfo[] {
  const all = answers.flatMap((answer) => (answer.ok ? answer.value : []));
  return [...new Map(all.map((script) => [script.name, script])).values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function scriptTable({ io }: CommandContext, scripts: readonly ScriptInfo[]): string[] {
  const rows = scripts.map(({ name, summary, variants }) => [name, String(variants.length), summary]);
  const columns = [
    { heading: 'SCRIPT' },
    { heading: 'VARIANTS', align: 'right' as const },
    { heading: 'WHAT IT SHOWS', isFlexible: true as const },
  ];
  return fitTable(columns, rows, io.columns);
}

/** Parameters that have options of their own. */
const GIVEN_BY: Readonly<Record<string, string | undefined>> = Object.assign(Object.create(null), {
  interval: '--interval …',
  duration: '--for …',
  pids: '--pid, --comm, …',
});

/** Whether a host can run a script, and what it lacks. */
export interface Fit {
  readonly host: string;
  readonly script: string;
  /** `elsewhere`: it can run it, and cannot compile it. */
  readonly runs: 'yes' | 'elsewhere' | 'no';
  readonly variant: string;
  readonly missing: readonly { readonly message: string; readonly remedy: string }[];
}

async function fitsOf(
  context: CommandContext,
  app: App,
  answers: readonly Answer<readonly ScriptInfo[]>[],
  scripts: readonly ScriptInfo[],
): Promise<Fit[]> {
  const fits: Fit[] = [];
  for (const { name } of scripts) {
    const having = answers.flatMap((answer): Host[] =>
      answer.ok && answer.value.some((script) => script.name === name) ? [answer.host] : [],
    );
    const preflights = await app.preflight(having, probeSpec(name), context.io.interrupt.stop);
    fits.push(...preflights.map((preflight) => fitOf(name, preflight)));
  }
  return fits;
}

export function fitOf(script: string, answer: Answer<PreflightResult>): Fit {
  const host = answer.host.name;
  if (!answer.ok) return { host, script, runs: 'no', variant: '', missing: [answer.failure] };
  const { stap, problems } = answer.value;
  const missing = problems.filter(({ isFatal }) => isFatal).map(({ message, remedy }) => ({ message, remedy }));
  const runs = stap === undefined || !stap.canRun ? 'no' : stap.canCompile ? 'yes' : 'elsewhere';
  return { host, script, runs, variant: stap?.variant ?? '', missing };
}

function fitLines({ io, colours }: CommandContext, fits: readonly Fit[]): string[] {
  const words = { yes: 'runs', elsewhere: 'runs with --build-on', no: 'does not run' };
  const rows = [...fits]
    .sort((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : 0))
    .map(({ host, script, runs, variant, missing }) => [
      ...[host, script, words[runs], variant],
      runs === 'yes' ? '' : missing.map(({ message }) => message).join('; '),
    ]);
  const columns = [
    { heading: 'HOST' },
    { heading: 'SCRIPT' },
    { heading: 'FIT' },
    { heading: 'VARIANT' },
    { heading: 'WHAT IS MISSING', isFlexible: true as const },
  ];
  const hint = fits.some(({ runs }) => runs !== 'yes')
    ? [colours.dim('`perftrawl doctor --stap NAME` says how to mend it')]
    : [];
  return [...fitTable(columns, rows, io.columns), ...hint];
}

function scriptLines({ colours }: CommandContext, script: ScriptInfo): string[] {
  const { bold, dim } = colours;
  const lines = [`${bold(printable(script.name))}  ${printable(script.summary)}`, ''];
  if (script.doc !== '') lines.push(...script.doc.trimEnd().split('\n').map(printable), '');
  lines.push(bold('parameters'));
  if (script.parameters.length === 0) lines.push('  none');
  for (const { name, type, default: given, unit, doc } of script.parameters) {
    const facts = [type, ...(unit === '' ? [] : [unit]), given === '' ? 'must be given' : `default ${given}`].join(
      ', ',
    );
    lines.push(`  ${GIVEN_BY[name] ?? `-p ${printable(name)}=…`}  ${printable(doc)} ${dim(`(${printable(facts)})`)}`);
  }
  lines.push('', bold('variants, the best first'));
  for (const { name, doc, needs, sha256 } of script.variants) {
    lines.push(`  ${printable(name === '' ? 'the only one' : name)}  ${printable(doc)}`);
    lines.push(
      `    needs ${printable(needs.join(', ') || 'nothing but SystemTap')}`,
      `    ${dim(`SHA-256 ${printable(sha256)}`)}`,
    );
  }
  lines.push('', `${bold('run on')}  ${printable(script.testedOn.join(', ') || 'not yet told')}`);
  if (script.cost !== '') lines.push(`${bold('cost')}  ${printable(script.cost)}`);
  return lines;
}

export function listScriptsCommand(session: CliSession) {
  return new Command('ls')
    .description('the scripts of the catalogue; with --on which of them each host can run')
    .option('--on <selector>', 'hosts to check')
    .addHelpText(
      'after',
      examples([
        { does: 'what is there?', line: 'perftrawl stap ls' },
        { does: 'what runs where, and what is missing?', line: "perftrawl stap ls --on 'role=db'" },
      ]),
    )
    .action(async (flags, command) => {
      // `stap` itself has an --on, which takes the value before this command sees it.
      const isGiven = command.parent?.getOptionValueSource('on') === 'cli';
      const on: unknown = isGiven ? command.parent?.getOptionValue('on') : flags.on;
      session.end(await runList(session.context(), { on: typeof on === 'string' ? on : undefined }));
    });
}

export function showScriptCommand(session: CliSession) {
  return new Command('show')
    .description('what a script of the catalogue shows, takes, needs and costs')
    .argument('<name>', 'a name of `perftrawl stap ls`')
    .option('--source', 'the script itself, its best variant')
    .addHelpText(
      'after',
      examples([
        { does: 'which parameters are there?', line: 'perftrawl stap show pagefault-latency' },
        { does: 'its text, to read or to change', line: 'perftrawl stap show pagefault-latency --source > my.stp' },
      ]),
    )
    .action(async (name, flags) => session.end(await runShowScript(session.context(), name, flags.source === true)));
}
