// Sends the agent to a host, where it appears only when all of it has arrived.
import type { Writable } from 'node:stream';
import type ssh2 from 'ssh2';
import { fail } from '../../../proto/failure.js';
import type { AgentDelivery } from '../../api.js';
import type { AgentFile } from './agent-package.js';
import { execute, newMark } from './command.js';
import { readAnswer, uploadScript } from './remote-script.js';

/** How often it is told how far it is. */
const stepBytes = 256 * 1024;

/** @throws FailureError 'exhausted', 'permission' or 'bad-data' for a host that cannot take it */
export async function sendAgent(
  client: ssh2.Client,
  host: string,
  file: AgentFile,
  onDelivery: (delivery: AgentDelivery) => void,
  signal: AbortSignal,
  isHomeFull = false,
): Promise<void> {
  const mark = newMark();
  const { channel, said } = await execute(client, uploadScript(mark, file, isHomeFull), signal);
  feed(channel, file.compressed, onDelivery);
  const isLast = (line: string) => /^(done|full|nowhere|bad( .*)?)$/.test(line);
  const answer = (await readAnswer(channel, mark, isLast, signal)).at(-1) ?? '';
  if (answer === 'done') return;
  const why = said() === '' ? '' : `: ${said()}`;
  if (answer === 'full' && !isHomeFull) return sendAgent(client, host, file, onDelivery, signal, true);
  if (answer === 'full') {
    throw fail(
      'exhausted',
      `${host} has no room for the agent (or no gzip)${why}`,
      'make room in its home directory, or in /var/tmp',
    );
  }
  if (answer === 'nowhere') {
    const remedy = 'make ~/.cache or /var/tmp writable there, on a file system that is not noexec';
    throw fail('permission', `${host} has no place for the agent${why}`, remedy);
  }
  throw fail('bad-data', `the agent arrived damaged on ${host} (or sha256sum is missing there)${why}`, 'try again');
}

/** As fast as the host takes it; what it does not take any more, its answer says. */
function feed(channel: Writable, bytes: Buffer, onDelivery: (delivery: AgentDelivery) => void): void {
  const totalBytes = bytes.length;
  const sendFrom = (sentBytes: number): void => {
    onDelivery({ state: 'sending', sentBytes, totalBytes });
    // The host ended the command early.
    if (!channel.writable) return;
    if (sentBytes === totalBytes) {
      channel.end();
      return;
    }
    const step = bytes.subarray(sentBytes, sentBytes + stepBytes);
    channel.write(step, (error) => {
      if (error === undefined || error === null) sendFrom(sentBytes + step.length);
    });
  };
  sendFrom(0);
}
