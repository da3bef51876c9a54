// `perftrawl policy check|example`: is a policy file sound, and what holds with it. Runs without an agent and without a controller.
import type { Writable } from 'node:stream';
import { type Failure, FailureError } from '../../proto/failure.js';
import { defaultPolicy, POLICY_FILE, type Policy } from './policy.js';
import { parsePolicy, readPolicyText } from './policy-file.js';
import { policyText } from './policy-text.js';

export interface PolicyIo {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

const POLICY_HELP = `perftrawl policy: what a host allows

  perftrawl policy check [FILE]    is it sound, and what holds with it, each line with where it comes from
                                   (default: ${POLICY_FILE})
  perftrawl policy example         a policy file that says what holds without one

Options
  --network    what is left out is as for an agent on the network (--listen); else as for one on stdio or a socket
  --json       print one JSON document
  --help       this text

Examples
  perftrawl policy check policy.yaml --network
  perftrawl policy example --network | sudo tee ${POLICY_FILE}

Exit codes: 0 sound, 2 wrong command line, 4 no such file, 6 not sound (the message names the line), 7 not readable.
`;

export async function runPolicy(argv: readonly string[], io: PolicyIo): Promise<number> {
  const options = new Set(argv.filter((word) => word.startsWith('-')));
  const [command = '', file = POLICY_FILE, ...more] = argv.filter((word) => !word.startsWith('-'));
  if (options.has('--help') || options.has('-h')) {
    io.stdout.write(POLICY_HELP);
    return 0;
  }
  const unknown = [...options].find((option) => option !== '--network' && option !== '--json');
  const isKnown = command === 'check' || (command === 'example' && file === POLICY_FILE);
  if (unknown !== undefined || !isKnown || more.length > 0) {
    io.stderr.write(`perftrawl policy: ${unknown ?? (argv.join(' ') || 'no command')}: see perftrawl policy --help\n`);
    return 2;
  }
  const absent = defaultPolicy(options.has('--network'), file);
  const isJson = options.has('--json');
  if (command === 'example') return print(io, absent, isJson, undefined);
  try {
    const { text, distrust } = await readPolicyText(file);
    return print(io, parsePolicy(text, file, absent.stap, absent.rules), isJson, distrust?.failure);
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    const { failure } = error;
    if (isJson) io.stdout.write(`${JSON.stringify({ isSound: false, failure }, undefined, 2)}\n`);
    io.stderr.write(`perftrawl policy: ${failureText(failure)}\n`);
    if (failure.code === 'bad-data') return 6;
    return failure.code === 'not-found' ? 4 : 7;
  }
}

/** A draft need not be root's yet: that is only noted. */
function print(io: PolicyIo, policy: Policy, isJson: boolean, distrust: Failure | undefined): number {
  if (isJson) {
    const { origin, stap, rules, lines = {}, sha256 } = policy;
    const note = distrust === undefined ? {} : { distrust };
    io.stdout.write(
      `${JSON.stringify({ isSound: true, origin, sha256, stap, rules, lines, ...note }, undefined, 2)}\n`,
    );
  } else {
    io.stdout.write(policyText(policy));
  }
  if (distrust !== undefined) io.stderr.write(`an agent would refuse it: ${failureText(distrust)}\n`);
  return 0;
}

function failureText({ message, remedy }: Failure): string {
  return remedy === '' ? message : `${message}\n  try: ${remedy}`;
}
