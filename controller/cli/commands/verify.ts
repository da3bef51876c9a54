// `perftrawl verify`: whether a pulled directory is what its manifest says, and signed by whom one trusts.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { configDirectory } from '../../directories.js';
import type { SignatureState } from '../../pull/signature-check.js';
import { type FileProblem, type Verdict, verifyDirectory } from '../../pull/verify.js';
import { weightText, withCommas } from '../../views/number-text.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { readLocalFile } from '../local-file.js';
import { momentText } from '../render/time-text.js';

export interface VerifyRequest {
  readonly directory: string;
  readonly ca: string | undefined;
  readonly signer: string | undefined;
}

const OF_STATE: Readonly<Record<Verdict['state'], ExitCode>> = {
  sound: EXIT.ok,
  damaged: EXIT.badData,
  untrusted: EXIT.unreachable,
};

/** Shown; `--json` has all. */
const MOST_PROBLEMS = 50;
const MOST_CA_BYTES = 1024 ** 2;

async function runVerify(context: CommandContext, request: VerifyRequest): Promise<ExitCode> {
  const { io } = context;
  const { directory, signer } = request;
  const ca = request.ca === undefined ? await ownCa(context) : await readCa(request.ca);
  const trust = { ca, signer, isNeeded: request.ca !== undefined || signer !== undefined, now: io.now() };
  const verdict = await verifyDirectory(directory, trust, io.interrupt.stop);
  if (context.isJson) await writeJson(io, verdictJson(directory, verdict));
  else await writeLines(io.stdout, verdictLines(context, directory, verdict));
  return OF_STATE[verdict.state];
}

/** That of this controller, where it has one. */
async function ownCa({ io }: CommandContext): Promise<string | undefined> {
  const file = join(configDirectory(io.env, io.homeDirectory), 'ca', 'ca.crt');
  return existsSync(file) ? readCa(file) : undefined;
}

async function readCa(file: string): Promise<string> {
  return Buffer.from(await readLocalFile(file, MOST_CA_BYTES)).toString('latin1');
}

function verdictJson(directory: string, { state, manifest, problems, signature }: Verdict) {
  return {
    ...{ directory, state, problems, signature },
    files: manifest?.files.length ?? null,
    isComplete: manifest?.isComplete ?? null,
    jobs: manifest?.jobs.map(({ id, isComplete, missing }) => ({ id, isComplete, missing })) ?? null,
  };
}

function verdictLines({ colours }: CommandContext, directory: string, verdict: Verdict): string[] {
  const { state, manifest, problems, signature } = verdict;
  const { green, red, yellow } = colours;
  const shown = problems.slice(0, MOST_PROBLEMS);
  const incomplete = manifest?.jobs.filter(({ isComplete }) => !isComplete).map(({ id }) => id) ?? [];
  return [
    state === 'sound' ? green(`${printable(directory)} is sound`) : red(`${printable(directory)} is ${state}`),
    ...(manifest === undefined ? [] : [`  ${factsText(manifest)}`]),
    ...shown.map((problem) => `  ${problemText(problem)}`),
    ...(problems.length > shown.length ? [`  … and ${problems.length - shown.length} more`] : []),
    ...(manifest === undefined ? [] : [`  ${signatureText(signature)}`]),
    ...(incomplete.length === 0 ? [] : [yellow(`  incomplete when it was pulled: job ${incomplete.join(', ')}`)]),
  ];
}

function factsText({ files, jobs, program, written }: NonNullable<Verdict['manifest']>): string {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const count = `${withCommas(files.length)} files, ${weightText(bytes, 'bytes')}`;
  return `${count} of ${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'}, pulled by ${printable(program)} at ${momentText(written)} UTC`;
}

function problemText({ kind, path, detail }: FileProblem): string {
  return printable(`${kind}: ${path}${detail === '' ? '' : `: ${detail}`}`);
}

function signatureText(signature: SignatureState): string {
  switch (signature.state) {
    case 'none':
      return 'not signed: whoever can write there can have made it; --ca FILE asks for a signature';
    case 'good':
      return printable(
        `signed by ${signature.signer} at ${momentText(signature.time)} UTC, certificate ${signature.certificateSha256}`,
      );
    case 'untrusted':
      return printable(`not trusted: ${signature.why} (${signature.remedy})`);
  }
}

export function verifyCommand(session: CliSession) {
  return new Command('verify')
    .description(
      'whether a directory of `perftrawl pull` is as it was pulled: each file, nothing besides, the signature',
    )
    .argument('<directory>', 'what `perftrawl pull -o` wrote')
    .option(
      '--ca <file>',
      'it must be signed, by a certificate of this CA (default: of your own CA, where it is signed)',
    )
    .option('--signer <name>', 'it must be signed, by the certificate of this name')
    .addHelpText(
      'after',
      examples([
        { does: 'is anything damaged or missing?', line: 'perftrawl verify results' },
        { does: 'is it from whom it should be?', line: 'perftrawl verify evidence --ca ca.crt --signer alice' },
      ]),
    )
    .action(async (directory, { ca, signer }) =>
      session.end(await runVerify(session.context(), { directory, ca, signer })),
    );
}
