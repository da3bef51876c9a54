// Which files of this host a capture of kind `file` may read: judged by where the opened file really lies, whatever links led to it.
import { readlink, realpath } from 'node:fs/promises';
import type { FailureError } from '../../proto/failure.js';
import { matchesGlob } from '../../proto/glob.js';
import { quote } from '../perf/event-name.js';
import { writeFailure } from '../spool/file-error.js';
import type { Policy } from './policy.js';
import { listText, ruleRefusal } from './refusal.js';

/** @param descriptor of the file, open @throws FailureError `refused` */
export async function checkOpenFile(policy: Policy, descriptor: number, askedPath: string): Promise<void> {
  if (allowsAll(policy)) return;
  const refusal = judge(policy, await readlink(`/proc/self/fd/${descriptor}`), askedPath);
  if (refusal !== undefined) throw refusal;
}

/** Before the file is opened, so only for telling: what counts is said by checkOpenFile. */
export async function filePathRefusal(policy: Policy, askedPath: string): Promise<FailureError | undefined> {
  if (allowsAll(policy)) return undefined;
  try {
    return judge(policy, await realpath(askedPath), askedPath);
  } catch (error) {
    return writeFailure(`looking where ${quote(askedPath)} leads`, error);
  }
}

function allowsAll({ rules }: Policy): boolean {
  return rules.files.includes('*');
}

function judge(policy: Policy, realPath: string, askedPath: string): FailureError | undefined {
  const { files } = policy.rules;
  if (files.some((pattern) => matchesGlob(pattern, realPath))) return undefined;
  const asked = `reading ${quote(askedPath)}${realPath === askedPath ? '' : `, which is ${quote(realPath)}`}`;
  const line = `add ${JSON.stringify(realPath)} to the list files`;
  return ruleRefusal(policy, { rule: 'files', asked, allowed: listText(files), line });
}
